//! The plugin's configuration: JSON text, or a `google.protobuf.Struct` as Envoy serialises it.

use prost::Message as _;
use prost_types::value::Kind;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::abi::{self, HostError, Status};

/// The number of the plugin configuration among the ABI's buffers.
const PLUGIN_CONFIGURATION: u32 = 7;

/// Doubles hold every integer up to this magnitude exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why no configuration could be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ConfigurationError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// There is none.
    #[error("no configuration was given: write it under `configuration` of the filter")]
    Empty,
    /// It is neither JSON nor a `Struct`.
    #[error("the configuration is neither JSON text nor a `google.protobuf.Struct`: {0}")]
    Neither(String),
    /// A number that JSON does not have.
    #[error("the configuration holds a number that is not finite")]
    NotFinite,
}

/// Reads the plugin's configuration.
///
/// # Errors
/// There is none, or it is in neither of the two forms.
pub(crate) fn plugin_configuration() -> Result<Value, ConfigurationError> {
    match abi::get_buffer(PLUGIN_CONFIGURATION, usize::MAX >> 1) {
        Ok(bytes) => parse(&bytes),
        Err(HostError::Call { status: Status::NotFound, .. }) => Err(ConfigurationError::Empty),
        Err(error) => Err(error.into()),
    }
}

/// Text that is JSON is JSON. A serialised `Struct` can't be: its first byte is a line feed, and what follows are
/// lengths and field numbers.
fn parse(bytes: &[u8]) -> Result<Value, ConfigurationError> {
    if bytes.is_empty() {
        return Err(ConfigurationError::Empty);
    }
    match request_guard::strict_json(bytes) {
        Ok(value) => Ok(value),
        Err(not_json) => match prost_types::Struct::decode(bytes) {
            Ok(fields) => object(fields),
            Err(_) => Err(ConfigurationError::Neither(not_json)),
        },
    }
}

fn object(fields: prost_types::Struct) -> Result<Value, ConfigurationError> {
    let members = fields.fields.into_iter().map(|(name, value)| Ok((name, plain(value)?)));
    Ok(Value::Object(members.collect::<Result<Map<_, _>, ConfigurationError>>()?))
}

pub(crate) fn plain(value: prost_types::Value) -> Result<Value, ConfigurationError> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::StringValue(value)) => Value::String(value),
        Some(Kind::NumberValue(value)) => number(value)?,
        Some(Kind::StructValue(fields)) => object(fields)?,
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(plain).collect::<Result<_, _>>()?),
    })
}

/// A `Struct` has only doubles; the whole ones were integers in the YAML.
fn number(value: f64) -> Result<Value, ConfigurationError> {
    if value.fract() == 0.0 && value.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range, checked above")]
        return Ok(Value::Number(Number::from(value as i64)));
    }
    Number::from_f64(value).map(Value::Number).ok_or(ConfigurationError::NotFinite)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::value::Kind;
    use serde_json::json;

    use super::{ConfigurationError, parse};

    fn struct_of(members: impl IntoIterator<Item = (&'static str, Kind)>) -> Vec<u8> {
        let fields = members.into_iter().map(|(name, kind)| (name.to_owned(), prost_types::Value { kind: Some(kind) }));
        prost_types::Struct { fields: fields.collect() }.encode_to_vec()
    }

    #[test]
    fn a_struct_reads_like_the_yaml_it_came_from() {
        let list = prost_types::ListValue { values: vec![prost_types::Value { kind: Some(Kind::NumberValue(1.5)) }] };
        let bytes = struct_of([
            ("limit", Kind::NumberValue(32.0)),
            ("required", Kind::BoolValue(true)),
            ("name", Kind::StringValue("hr".to_owned())),
            ("none", Kind::NullValue(0)),
            ("list", Kind::ListValue(list)),
        ]);
        let expected = json!({"limit": 32, "required": true, "name": "hr", "none": null, "list": [1.5]});
        assert_eq!(parse(&bytes), Ok(expected));
    }

    #[test]
    fn json_text_is_json_even_behind_a_line_feed() {
        assert_eq!(parse(b"\n {\"a\": 1}"), Ok(json!({"a": 1})));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        assert_eq!(parse(b""), Err(ConfigurationError::Empty));
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert!(matches!(parse(b"servers: []"), Err(ConfigurationError::Neither(_))));
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused() {
        let bytes = struct_of([("limit", Kind::NumberValue(f64::INFINITY))]);
        assert_eq!(parse(&bytes), Err(ConfigurationError::NotFinite));
    }
}
