//! The JOSE header (RFC 7515 section 4).

use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::error::{Part, TokenError};
use crate::json;

/// What the header of a token says; none of it is to be trusted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// As written.
    pub(crate) typ: Option<String>,
}

/// Members that change how the token is to be read, or that bring a key along:
/// - `b64`, `crit`: extensions that a reader must understand, and none is (RFC 7515 section 4.1.11, RFC 7797);
/// - `cty`: the payload is another token, not claims (RFC 7519 section 5.2);
/// - `enc`, `zip`: marks of an encrypted token (RFC 7516), which must never pass for a signed one;
/// - `jwk`: the token's own key, as in a proof of possession (RFC 9449), which is not an access token.
///
/// `jku`, `x5u`, `x5c` and `x5t` only point at keys: issuers send them, and nothing here follows them.
const FORBIDDEN: [&str; 6] = ["b64", "crit", "cty", "enc", "jwk", "zip"];

// === impl Header ===

impl Header {
    pub(crate) fn parse(part: &str) -> Result<Self, TokenError> {
        Self::of(&json::object_of(Part::Header, part)?)
    }

    pub(crate) fn of(members: &Map<String, Value>) -> Result<Self, TokenError> {
        if let Some(name) = FORBIDDEN.into_iter().find(|name| members.contains_key(*name)) {
            return Err(TokenError::ForbiddenHeader(name));
        }
        Ok(Self {
            algorithm: text(members, "alg")?.ok_or(TokenError::Header("alg"))?.parse()?,
            key_id: text(members, "kid")?.map(str::to_owned),
            typ: text(members, "typ")?.map(str::to_owned),
        })
    }

    /// The token's type in the form that types are compared in. A token without `typ` is a `JWT` like any other.
    pub(crate) fn media_type(&self) -> String {
        media_type(self.typ.as_deref().unwrap_or("JWT"))
    }
}

/// `at+jwt` and `application/at+jwt` are the same, in any case (RFC 7515 section 4.1.9).
pub(crate) fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(bare) if !bare.contains('/') => bare.to_owned(),
        _ => typ,
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, TokenError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(TokenError::Header(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Header, media_type};
    use crate::algorithm::{Algorithm, AlgorithmError};
    use crate::error::{Part, TokenError};
    use crate::fixtures::encoded;

    fn parse(text: &str) -> Result<Header, TokenError> {
        Header::parse(&encoded(text))
    }

    #[test]
    fn the_known_members_are_read_and_pointers_to_keys_are_not_followed() {
        let header = parse(
            r#"{"alg":"RS256","kid":"1","typ":"at+jwt","jku":"https://evil.example/","x5u":"https://evil.example/",
                "x5c":["MIIB"],"x5t":"AA","x5t#S256":"AA","nonce":"n","vendor":{"a":1}}"#,
        );
        let expected =
            Header { algorithm: Algorithm::RS256, key_id: Some("1".to_owned()), typ: Some("at+jwt".to_owned()) };
        assert_eq!(header, Ok(expected));
        assert_eq!(parse(r#"{"alg":"ES256"}"#).unwrap().media_type(), "jwt");
    }

    #[test]
    fn what_changes_the_meaning_is_refused() {
        for (name, value) in [
            ("b64", "false"),
            ("b64", "true"),
            ("crit", r#"["exp"]"#),
            ("crit", "[]"),
            ("zip", r#""DEF""#),
            ("enc", r#""A128GCM""#),
            ("jwk", r#"{"kty":"oct","k":"AA"}"#),
            ("cty", r#""JWT""#),
        ] {
            let found = parse(&format!(r#"{{"alg":"ES256","{name}":{value}}}"#));
            assert!(matches!(found, Err(TokenError::ForbiddenHeader(found)) if found == name), "{name}: {found:?}");
        }
    }

    #[test]
    fn members_of_the_wrong_type_are_refused() {
        for (text, name) in [
            ("{}", "alg"),
            (r#"{"alg":null}"#, "alg"),
            (r#"{"alg":["ES256"]}"#, "alg"),
            (r#"{"alg":""}"#, "alg"),
            (r#"{"alg":"ES256","kid":1}"#, "kid"),
            (r#"{"alg":"ES256","kid":null}"#, "kid"),
            (r#"{"alg":"ES256","kid":""}"#, "kid"),
            (r#"{"alg":"ES256","typ":["at+jwt"]}"#, "typ"),
        ] {
            assert_eq!(parse(text), Err(TokenError::Header(name)), "{text}");
        }
        assert_eq!(parse(r#"{"alg":"none"}"#), Err(AlgorithmError::Unsecured.into()));
        assert_eq!(parse("[]"), Err(TokenError::NotJson(Part::Header)));
        let twice = TokenError::DuplicateName { part: Part::Header, name: "alg".to_owned() };
        assert_eq!(parse(r#"{"alg":"ES256","alg":"ES256"}"#), Err(twice));
    }

    #[test]
    fn media_types_are_compared_as_the_standard_says() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert_eq!(media_type(typ), "at+jwt");
        }
        assert_eq!(media_type("application/a/b"), "application/a/b");
        assert_eq!(media_type("text/at+jwt"), "text/at+jwt");
    }
}
