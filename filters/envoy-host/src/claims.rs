//! The claims of a token that Envoy's own `jwt_authn` has verified, from the stream's dynamic metadata.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::value::Kind;
use serde_json::{Map, Value};

use crate::abi::HostError;
use crate::configuration::plain;
use crate::properties::property;

/// Where `jwt_authn` writes, and nobody else.
const NAMESPACE: &str = "envoy.filters.http.jwt_authn";

/// `envoy.config.core.v3.Metadata`. Envoy gives the attribute `metadata` in this form, with every type as it was; of
/// deeper paths it gives bytes that no longer tell a number from a text.
#[derive(prost::Message)]
struct Metadata {
    #[prost(map = "string, message", tag = "1")]
    filter_metadata: HashMap<String, prost_types::Struct>,
}

/// The claims that are there under `payload`; nothing where no token was verified.
///
/// # Errors
/// The host refused, or what is there is no object of JSON.
pub(crate) fn read_claims(payload: &str) -> Result<Option<Map<String, Value>>, HostError> {
    let Some(bytes) = property(&["metadata"])? else { return Ok(None) };
    parse(&bytes, payload).ok_or(HostError::Malformed { call: "proxy_get_property(metadata)" })
}

fn parse(bytes: &[u8], payload: &str) -> Option<Option<Map<String, Value>>> {
    let metadata = Metadata::decode(bytes).ok()?;
    let Some(mut namespace) = metadata.filter_metadata.into_iter().find(|(name, _)| name == NAMESPACE) else {
        return Some(None);
    };
    match namespace.1.fields.remove(payload) {
        None => Some(None),
        Some(prost_types::Value { kind: Some(kind @ Kind::StructValue(_)) }) => {
            match plain(prost_types::Value { kind: Some(kind) }).ok()? {
                Value::Object(claims) => Some(Some(claims)),
                _ => None,
            }
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use prost::Message as _;
    use prost_types::value::Kind;
    use serde_json::json;

    use super::{Metadata, NAMESPACE, parse};

    fn metadata(namespace: &str, kind: Kind) -> Vec<u8> {
        let value = prost_types::Value { kind: Some(kind) };
        let fields = prost_types::Struct { fields: [("payload".to_owned(), value)].into_iter().collect() };
        Metadata { filter_metadata: HashMap::from([(namespace.to_owned(), fields)]) }.encode_to_vec()
    }

    fn claims() -> Kind {
        let text = |text: &str| prost_types::Value { kind: Some(Kind::StringValue(text.to_owned())) };
        let number = prost_types::Value { kind: Some(Kind::NumberValue(1_795_000_000.0)) };
        let null = prost_types::Value { kind: Some(Kind::NullValue(0)) };
        let fields = [("sub", text("alice")), ("exp", number), ("digits", text("12345678")), ("n", null)];
        Kind::StructValue(prost_types::Struct {
            fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        })
    }

    #[test]
    fn claims_keep_their_types() {
        let found = parse(&metadata(NAMESPACE, claims()), "payload").unwrap().unwrap();
        let expected = json!({ "sub": "alice", "exp": 1_795_000_000, "digits": "12345678", "n": null });
        assert_eq!(serde_json::Value::Object(found), expected);
    }

    #[test]
    fn nothing_elsewhere_is_a_claim() {
        assert_eq!(parse(b"", "payload"), Some(None));
        assert_eq!(parse(&metadata("other", claims()), "payload"), Some(None));
        assert_eq!(parse(&metadata(NAMESPACE, claims()), "other"), Some(None));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(parse(&metadata(NAMESPACE, Kind::StringValue("x".to_owned())), "payload"), None);
        assert_eq!(parse(b"\xff", "payload"), None);
    }
}
