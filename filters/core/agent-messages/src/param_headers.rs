//! Headers that mirror arguments of a tool (`Mcp-Param-*`; MCP 2026-07-28 transports, "Custom Headers from Tool
//! Parameters").
//!
//! Which header mirrors which argument is in the tool's schema, which a request doesn't show: the operator says it.

use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::call::Revision;
use crate::error::{HeaderProblem, MessageError};
use crate::headers::{MessageHeaders, PARAM_PREFIX, decoded};
use crate::json::parse_json;

/// The headers that mirror arguments of one tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<ParamHeader>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ParamHeader {
    /// The whole name, in lower case.
    name: String,
    /// The members that lead to the argument.
    path: Vec<String>,
}

/// Why a header can't mirror an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParamHeaderProblem {
    /// Its name is no token (RFC 9110 section 5.6.2).
    #[error("the name of a header has letters, digits and `!#$%&'*+-.^_`|~` only; write it without `Mcp-Param-`")]
    Name,
    /// Another one has the name, perhaps in another case.
    #[error("another header of the tool has this name, or has it in another case")]
    Repeated,
    /// Not a JSON pointer (RFC 6901) to a member.
    #[error("write a JSON pointer into the arguments, as in `/region`")]
    Pointer,
}

/// Up to here, a double has every integer.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

// === impl ParamHeaders ===

impl ParamHeaders {
    /// Compiles names (what follows `Mcp-Param-`) and JSON pointers into the arguments.
    ///
    /// # Errors
    /// The name that is wrong, or whose pointer is, and why.
    pub fn compile<'a>(
        all: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, (String, ParamHeaderProblem)> {
        let mut headers: Vec<ParamHeader> = Vec::new();
        for (name, pointer) in all {
            let wrong = |problem| (name.to_owned(), problem);
            if name.is_empty() || !name.bytes().all(is_tchar) {
                return Err(wrong(ParamHeaderProblem::Name));
            }
            let full = format!("{PARAM_PREFIX}{}", name.to_ascii_lowercase());
            if headers.iter().any(|other| other.name == full) {
                return Err(wrong(ParamHeaderProblem::Repeated));
            }
            let path = members(pointer).ok_or(wrong(ParamHeaderProblem::Pointer))?;
            headers.push(ParamHeader { name: full, path });
        }
        Ok(Self(headers))
    }

    /// Compares the headers of a call with its arguments. In revisions before 2026-07-28 a header may lack, but says
    /// nothing else.
    ///
    /// # Errors
    /// A header that is missing, repeated, malformed, or does not say what its argument does.
    pub fn check(
        &self,
        headers: &MessageHeaders,
        revision: Revision,
        arguments: &Map<String, Value>,
    ) -> Result<(), MessageError> {
        self.0.iter().try_for_each(|header| {
            header
                .problem(headers, revision, arguments)
                .map_or(Ok(()), |problem| Err(MessageError::ParamHeader { header: header.name.clone(), problem }))
        })
    }
}

// === impl ParamHeader ===

impl ParamHeader {
    fn problem(
        &self,
        headers: &MessageHeaders,
        revision: Revision,
        arguments: &Map<String, Value>,
    ) -> Option<HeaderProblem> {
        let mut said = headers.params.iter().filter(|(name, _)| *name == self.name).map(|(_, value)| value);
        let (first, second) = (said.next(), said.next());
        if second.is_some() {
            return Some(HeaderProblem::Repeated);
        }
        match (first, self.argument(arguments)) {
            (None, None) => None,
            (Some(_), None) => Some(HeaderProblem::Differs),
            (None, Some(_)) => (revision == Revision::Modern).then_some(HeaderProblem::Missing),
            (Some(value), Some(argument)) => match decoded(value) {
                None => Some(HeaderProblem::Malformed),
                Some(text) => (!says(&text, argument)).then_some(HeaderProblem::Differs),
            },
        }
    }

    /// Null is like absent.
    fn argument<'a>(&self, arguments: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.path.split_first()?;
        let found = rest.iter().try_fold(arguments.get(first)?, |value, member| value.as_object()?.get(member))?;
        (!found.is_null()).then_some(found)
    }
}

/// Whether the text is the value: a string, an integer or a boolean. Nothing else has a text.
fn says(text: &str, value: &Value) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Bool(own) => text == if *own { "true" } else { "false" },
        Value::Number(own) => match parse_json(text.as_bytes(), 1, 1) {
            Ok(Value::Number(other)) => integer(own).is_some_and(|own| integer(&other) == Some(own)),
            _ => false,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// 42.0 is 42.
fn integer(number: &Number) -> Option<i128> {
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    exact.or_else(|| {
        let double = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() <= MAX_EXACT)?;
        format!("{double:.0}").parse().ok()
    })
}

fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The members that a JSON pointer goes through (RFC 6901 section 4).
fn members(pointer: &str) -> Option<Vec<String>> {
    pointer.strip_prefix('/')?.split('/').map(unescaped).collect()
}

fn unescaped(token: &str) -> Option<String> {
    let known = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    known.then(|| token.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ParamHeaderProblem, ParamHeaders};
    use crate::call::Revision;
    use crate::error::{HeaderProblem, MessageError};
    use crate::headers::MessageHeaders;
    use crate::protocol::Protocol;

    fn compile(all: &[(&str, &str)]) -> Result<ParamHeaders, (String, ParamHeaderProblem)> {
        ParamHeaders::compile(all.iter().copied())
    }

    /// The header `Mcp-Param-Region` with these values, against an argument `region`.
    fn check(revision: Revision, values: &[&str], arguments: &Value) -> Option<HeaderProblem> {
        let mut all = vec![(":method", "POST"), ("content-type", "application/json"), ("mcp-param-other", "x")];
        all.extend(values.iter().map(|value| ("Mcp-Param-Region", *value)));
        let headers =
            MessageHeaders::read(Protocol::Mcp, all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let mirrored = compile(&[("Region", "/region")]).unwrap();
        match mirrored.check(&headers.unwrap(), revision, arguments.as_object().unwrap()) {
            Ok(()) => None,
            Err(MessageError::ParamHeader { header, problem }) if header == "mcp-param-region" => Some(problem),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn modern(values: &[&str], region: &Value) -> Option<HeaderProblem> {
        check(Revision::Modern, values, &json!({ "region": region }))
    }

    #[test]
    fn a_header_says_what_its_argument_says() {
        for (value, region) in [
            ("us-west1", json!("us-west1")),
            (" us-west1\t", json!("us-west1")),
            ("a, b", json!("a, b")),
            ("", json!("")),
            ("42", json!("42")),
            ("=?base64?w6k=?=", json!("\u{e9}")),
            ("=?base64?IGE=?=", json!(" a")),
            ("=?BASE64?w6k=?=", json!("=?BASE64?w6k=?=")),
            ("true", json!(true)),
            ("false", json!(false)),
            ("42", json!(42)),
            ("42.0", json!(42)),
            ("42", json!(42.0)),
            ("4.2e1", json!(42)),
            ("-7", json!(-7)),
            ("0", json!(-0.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("9007199254740993", json!(9_007_199_254_740_993_u64)),
        ] {
            assert_eq!(modern(&[value], &region), None, "{value} {region}");
        }
        for (value, region) in [
            ("us-west1", json!("us-west2")),
            ("US-WEST1", json!("us-west1")),
            ("us-west1, us-west1", json!("us-west1")),
            ("True", json!(true)),
            ("1", json!(true)),
            ("43", json!(42)),
            ("+42", json!(42)),
            ("042", json!(42)),
            ("42x", json!(42)),
            ("", json!(42)),
            ("9007199254740992", json!(9_007_199_254_740_993_u64)),
            ("1.5", json!(1.5)),
            ("[1]", json!([1])),
            ("{}", json!({})),
            ("null", json!(null)),
            ("", json!(null)),
        ] {
            assert_eq!(modern(&[value], &region), Some(HeaderProblem::Differs), "{value} {region}");
        }
        for value in ["=?base64?w6k?=", "=?base64?_-8=?=", "a\u{7f}", "\u{e9}", "\u{b}us-west1"] {
            assert_eq!(modern(&[value], &json!("us-west1")), Some(HeaderProblem::Malformed), "{value}");
        }
    }

    #[test]
    fn a_header_is_there_once_if_its_argument_is_and_else_not_at_all() {
        let region = json!("a");
        assert_eq!(modern(&[], &region), Some(HeaderProblem::Missing));
        assert_eq!(modern(&["a", "a"], &region), Some(HeaderProblem::Repeated));
        assert_eq!(modern(&["a", "b"], &json!(null)), Some(HeaderProblem::Repeated));
        for absent in [json!({}), json!({"region": null}), json!({"Region": "a"})] {
            assert_eq!(check(Revision::Modern, &[], &absent), None);
            assert_eq!(check(Revision::Modern, &["a"], &absent), Some(HeaderProblem::Differs));
        }
        let region = json!({"region": "a"});
        assert_eq!(check(Revision::Legacy, &[], &region), None);
        assert_eq!(check(Revision::Legacy, &["a"], &region), None);
        assert_eq!(check(Revision::Legacy, &["b"], &region), Some(HeaderProblem::Differs));
        assert_eq!(check(Revision::Legacy, &["a", "a"], &region), Some(HeaderProblem::Repeated));
    }

    #[test]
    fn a_pointer_leads_through_members() {
        let all = [("A", "/place/zone"), ("B", "/a~1b~0c"), ("C", "/list/0")];
        let headers = [
            (":method", "POST"),
            ("content-type", "application/json"),
            ("mcp-param-a", "x"),
            ("mcp-param-b", "y"),
            ("mcp-param-c", "z"),
        ];
        let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let headers = MessageHeaders::read(Protocol::Mcp, headers).unwrap();
        let arguments = json!({"place": {"zone": "x"}, "a/b~c": "y", "list": ["z"]});
        let check = |all: &[(&str, &str)]| {
            compile(all).unwrap().check(&headers, Revision::Modern, arguments.as_object().unwrap())
        };
        assert_eq!(check(&all[..2]), Ok(()));
        // An element of an array can have no header.
        let differs = MessageError::ParamHeader { header: "mcp-param-c".to_owned(), problem: HeaderProblem::Differs };
        assert_eq!(check(&all), Err(differs));
    }

    #[test]
    fn what_can_not_mirror_an_argument_is_refused() {
        let wrong = |name: &str, problem| Err((name.to_owned(), problem));
        for name in ["", "a b", "a:b", "\u{e9}", "a\n"] {
            assert_eq!(compile(&[(name, "/a")]), wrong(name, ParamHeaderProblem::Name));
        }
        assert_eq!(compile(&[("Region", "/a"), ("region", "/b")]), wrong("region", ParamHeaderProblem::Repeated));
        for pointer in ["", "a", "/a~", "/a~2", "/~/b"] {
            assert_eq!(compile(&[("A", pointer)]), wrong("A", ParamHeaderProblem::Pointer), "{pointer}");
        }
    }
}
