//! Refusals where no JSON-RPC is spoken: `google.rpc.Status`, as A2A's HTTP+JSON and gRPC have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

/// The codes of `google.rpc.Code` that a refusal can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
/// Whose words the reasons are.
const A2A: &str = "a2a-protocol.org";
const OWN: &str = "meshwarden";
const TASK_NOT_FOUND: &str = "TASK_NOT_FOUND";

// === impl Code ===

impl Code {
    /// The code that stands for an HTTP status.
    pub(super) fn of(status: u16) -> Self {
        match status {
            400 | 415 => Self::InvalidArgument,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            405 => Self::Unimplemented,
            413 => Self::ResourceExhausted,
            502..=504 => Self::Unavailable,
            _ => Self::Internal,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// A2A's `TaskNotFoundError` in the details of an error (A2A 1.0 section 9.5, "Error details").
pub(super) fn task_not_found() -> Value {
    json!([{ "@type": ERROR_INFO, "reason": TASK_NOT_FOUND, "domain": A2A, "metadata": {} }])
}

/// The body of a refusal in HTTP+JSON; `details` are those of an agent, where one would answer so.
pub(super) fn body(status: u16, message: &str, details: Option<Value>, request_id: &str) -> Value {
    let code = Code::of(status);
    let details = details.unwrap_or_else(|| {
        let metadata = json!({ "request_id": request_id });
        json!([{ "@type": ERROR_INFO, "reason": code.word(), "domain": OWN, "metadata": metadata }])
    });
    json!({ "error": { "code": status, "status": code.word(), "message": message, "details": details } })
}

/// `TaskNotFoundError` in gRPC: the trailer `grpc-status-details-bin`, the Base64 of a `google.rpc.Status` in protobuf.
pub(super) fn task_not_found_trailer(message: &str) -> String {
    let info = [field(1, TASK_NOT_FOUND.as_bytes()), field(2, A2A.as_bytes())].concat();
    let any = [field(1, ERROR_INFO.as_bytes()), field(2, &info)].concat();
    // `int32 code = 1`, a varint.
    let code = vec![0x08, Code::NotFound as u8];
    STANDARD_NO_PAD.encode([code, field(2, message.as_bytes()), field(3, &any)].concat())
}

/// A field that has a length: a string, bytes, or a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap_or_default());
    field.extend_from_slice(bytes);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with the official SDK: `status_pb2.Status` with an `ErrorInfo` in an `Any`, as its server aborts a call.
    #[test]
    fn the_trailer_is_what_the_official_sdk_writes() {
        assert_eq!(task_not_found_trailer("Task not found"), include_str!("../testing/task-not-found.txt").trim_end());
    }

    #[test]
    fn a_long_field_has_a_long_length() {
        let long = field(2, &[7; 300]);
        assert_eq!((&long[..3], long.len()), (&[0x12, 0xac, 0x02][..], 303));
    }
}
