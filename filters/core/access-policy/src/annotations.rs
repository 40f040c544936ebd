//! Annotations: what a policy says beside its condition.

use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy};

use crate::error::{AnnotationProblem, PolicyError, PolicyName};

/// What a policy asks for when it determines a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Annotations {
    /// `@reason`: why, in the operator's words.
    pub(crate) reason: Option<String>,
    /// `@downscope_scope`: at most these scopes go on.
    pub(crate) scopes: Option<BTreeSet<String>>,
    /// `@downscope_audience`: for whom the smaller token is.
    pub(crate) audience: Option<String>,
    /// `@downscope_ttl_seconds`: how long it lives at most.
    pub(crate) ttl_seconds: Option<u64>,
    /// `@step_up_acr`: the authentication that would help (RFC 9470).
    pub(crate) step_up_acr: Option<String>,
    /// `@mode("shadow")`: never enforced.
    pub(crate) shadow: bool,
}

const ID: &str = "id";
const REASON: &str = "reason";
const MODE: &str = "mode";
const SCOPE: &str = "downscope_scope";
const AUDIENCE: &str = "downscope_audience";
const TTL: &str = "downscope_ttl_seconds";
const STEP_UP: &str = "step_up_acr";

const MAX_ID_BYTES: usize = 128;

// === impl Annotations ===

impl Annotations {
    /// # Errors
    /// An unknown annotation, a value that means nothing, or an obligation on a policy that allows nothing.
    pub(crate) fn read(policy: &Policy, name: &PolicyName) -> Result<Self, PolicyError> {
        let mut read = Self::default();
        let mut all: Vec<(&str, &str)> = policy.annotations().collect();
        all.sort_unstable();
        for (annotation, value) in all {
            let wrong = |annotation, problem| PolicyError::Annotation { policy: name.clone(), annotation, problem };
            match annotation {
                ID => {}
                REASON if value.trim().is_empty() => return Err(wrong(REASON, AnnotationProblem::Empty)),
                REASON => read.reason = Some(value.to_owned()),
                MODE if value == "shadow" => read.shadow = true,
                MODE => return Err(wrong(MODE, AnnotationProblem::NotShadow)),
                SCOPE => read.scopes = Some(scopes(value).map_err(|problem| wrong(SCOPE, problem))?),
                AUDIENCE if is_absolute_uri(value) => read.audience = Some(value.to_owned()),
                AUDIENCE => return Err(wrong(AUDIENCE, AnnotationProblem::NotAbsoluteUri)),
                TTL => {
                    read.ttl_seconds = Some(seconds(value).ok_or_else(|| wrong(TTL, AnnotationProblem::NotPositive))?)
                }
                STEP_UP if is_word(value) => read.step_up_acr = Some(value.to_owned()),
                STEP_UP => return Err(wrong(STEP_UP, AnnotationProblem::NotAWord)),
                unknown => {
                    let annotation = crate::error::bounded(unknown);
                    return Err(PolicyError::UnknownAnnotation { policy: name.clone(), annotation });
                }
            }
        }
        read.check_effect(policy.effect(), name)?;
        Ok(read)
    }

    fn check_effect(&self, effect: Effect, name: &PolicyName) -> Result<(), PolicyError> {
        let present =
            [(SCOPE, self.scopes.is_some()), (AUDIENCE, self.audience.is_some()), (TTL, self.ttl_seconds.is_some())];
        match present.into_iter().find(|(_, present)| *present) {
            Some((annotation, _)) if effect == Effect::Forbid => {
                Err(PolicyError::Annotation { policy: name.clone(), annotation, problem: AnnotationProblem::OnForbid })
            }
            _ => Ok(()),
        }
    }
}

/// The `@id`, if it is one that a log line can show.
pub(crate) fn id_of(policy: &Policy) -> Option<Result<&str, AnnotationProblem>> {
    policy.annotation(ID).map(|id| match id {
        "" => Err(AnnotationProblem::Empty),
        id if id.len() > MAX_ID_BYTES || id.chars().any(char::is_control) => Err(AnnotationProblem::NotAName),
        id => Ok(id),
    })
}

/// RFC 6749 section 3.3.
fn scopes(value: &str) -> Result<BTreeSet<String>, AnnotationProblem> {
    let is_scope = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    if value.is_empty() {
        return Err(AnnotationProblem::Empty);
    }
    let words: BTreeSet<String> = value.split(' ').map(str::to_owned).collect();
    if words.iter().all(|word| is_scope(word)) { Ok(words) } else { Err(AnnotationProblem::NotScopes) }
}

fn seconds(value: &str) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse::<u32>().ok().filter(|&seconds| digits && seconds > 0).map(u64::from)
}

/// A single `acr`, which a challenge shows between quotes.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// A URI with a scheme, without a fragment, made of the characters of RFC 3986 (section 4.3; RFC 8707 section 2).
fn is_absolute_uri(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(':') else { return false };
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let of_uri = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    let has_authority =
        rest.strip_prefix("//").is_some_and(|authority| !authority.is_empty() && !authority.starts_with('/'));
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(of_scheme)
        && !rest.is_empty()
        && rest.bytes().all(of_uri)
        && (has_authority || !matches!(scheme, "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> PolicyName {
        PolicyName::Id("p".to_owned())
    }

    fn read(text: &str) -> Result<Annotations, PolicyError> {
        Annotations::read(&Policy::parse(None, text).unwrap(), &name())
    }

    fn permit(annotations: &str) -> Result<Annotations, PolicyError> {
        read(&format!("@id(\"p\") {annotations} permit (principal, action, resource);"))
    }

    #[track_caller]
    fn refused(annotation: &'static str, value: &str, problem: AnnotationProblem) {
        let expected = PolicyError::Annotation { policy: name(), annotation, problem };
        assert_eq!(permit(&format!("@{annotation}({value:?})")), Err(expected), "{value}");
    }

    #[test]
    fn all_that_are_known_are_read() {
        let all = r#"@reason("because") @downscope_scope("b a") @downscope_audience("https://api.example/v1")
            @downscope_ttl_seconds("60") @step_up_acr("urn:example:gold") @mode("shadow")"#;
        let expected = Annotations {
            reason: Some("because".to_owned()),
            scopes: Some(BTreeSet::from(["a".to_owned(), "b".to_owned()])),
            audience: Some("https://api.example/v1".to_owned()),
            ttl_seconds: Some(60),
            step_up_acr: Some("urn:example:gold".to_owned()),
            shadow: true,
        };
        assert_eq!(permit(all), Ok(expected));
        assert_eq!(permit(""), Ok(Annotations::default()));
    }

    #[test]
    fn an_unknown_annotation_is_refused() {
        let expected = PolicyError::UnknownAnnotation { policy: name(), annotation: "downscope_ttl".to_owned() };
        assert_eq!(permit("@downscope_ttl(\"60\")"), Err(expected));
    }

    #[test]
    fn every_value_that_means_nothing_is_refused() {
        refused("reason", "  ", AnnotationProblem::Empty);
        for mode in ["", "Shadow", "enforce"] {
            refused("mode", mode, AnnotationProblem::NotShadow);
        }
        refused("downscope_scope", "", AnnotationProblem::Empty);
        for scopes in [" ", "a  b", " a", "a ", "a\tb", "a\\b", "ä"] {
            refused("downscope_scope", scopes, AnnotationProblem::NotScopes);
        }
        for ttl in ["", "0", "-1", "+1", "1.5", "1s", "99999999999"] {
            refused("downscope_ttl_seconds", ttl, AnnotationProblem::NotPositive);
        }
        for uri in ["", "api", "/v1", "https:", "https://", "https:///v1", "https://a/#b", "https://a b", "1a:b"] {
            refused("downscope_audience", uri, AnnotationProblem::NotAbsoluteUri);
        }
        for acr in ["", "a b", "a\\b", "ä"] {
            refused("step_up_acr", acr, AnnotationProblem::NotAWord);
        }
    }

    #[test]
    fn every_byte_of_a_scope_is_allowed_or_refused_as_the_standard_says() {
        for code in 0..=255_u8 {
            let allowed = matches!(code, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            let value = format!("x{}", char::from(code));
            assert_eq!(scopes(&value).is_ok(), allowed, "0x{code:02x}");
        }
    }

    #[test]
    fn an_audience_may_be_a_name_that_is_no_address() {
        assert!(is_absolute_uri("urn:example:api"));
        assert!(is_absolute_uri("https://[::1]:8443/mcp?x=1"));
    }

    #[test]
    fn a_forbid_has_no_obligations_but_may_name_a_step_up() {
        for (annotation, value) in [(SCOPE, "a"), (AUDIENCE, "urn:a"), (TTL, "1")] {
            let expected = PolicyError::Annotation { policy: name(), annotation, problem: AnnotationProblem::OnForbid };
            let text = format!("@id(\"p\") @{annotation}({value:?}) forbid (principal, action, resource);");
            assert_eq!(read(&text), Err(expected));
        }
        assert!(read("@id(\"p\") @step_up_acr(\"gold\") forbid (principal, action, resource);").is_ok());
    }

    #[test]
    fn an_id_can_be_shown_in_a_log() {
        let id = |value: &str| {
            let policy = Policy::parse(None, format!("@id({value:?}) permit (principal, action, resource);")).unwrap();
            id_of(&policy).unwrap().map(str::to_owned)
        };
        assert_eq!(id("own time off"), Ok("own time off".to_owned()));
        assert_eq!(id(""), Err(AnnotationProblem::Empty));
        assert_eq!(id("a\nb"), Err(AnnotationProblem::NotAName));
        assert_eq!(id(&"a".repeat(129)), Err(AnnotationProblem::NotAName));
        assert!(id_of(&Policy::parse(None, "permit (principal, action, resource);").unwrap()).is_none());
    }
}
