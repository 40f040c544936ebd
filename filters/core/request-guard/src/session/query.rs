//! The session in a query, as servers of the HTTP with SSE transport have it (MCP 2024-11-05).

/// A query in which servers could find different sessions, or one that may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd;

/// As the official SDKs spell it: TypeScript and C#, Python.
const NAMES: [&str; 2] = ["sessionId", "session_id"];

/// The query with another session, as `other` says; nothing where it names none.
///
/// # Errors
/// `other` knows no other; or more than one session is named, or one in a spelling that only some servers read.
pub(super) fn replaced(query: &str, other: impl Fn(&str) -> Option<String>) -> Result<Option<String>, Odd> {
    let mut found = false;
    let mut pairs = Vec::new();
    for pair in query.split('&') {
        if !pair.split(';').any(names_a_session) {
            pairs.push(pair.to_owned());
            continue;
        }
        let (name, id) = pair.split_once('=').ok_or(Odd)?;
        // What needs no escapes means the same to everybody (RFC 3986 section 2.3).
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
        if found || !plain || !NAMES.contains(&name) {
            return Err(Odd);
        }
        found = true;
        pairs.push(format!("{name}={}", other(id).ok_or(Odd)?));
    }
    Ok(found.then(|| pairs.join("&")))
}

/// However loosely a server reads names: without regard to case, with brackets for lists, as a prefix.
fn names_a_session(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let folded: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    folded.starts_with("sessionid")
}

#[cfg(test)]
mod tests {
    use super::{Odd, replaced};

    fn other(id: &str) -> Option<String> {
        (id == "mine").then(|| "yours".to_owned())
    }

    #[test]
    fn the_session_is_replaced_and_nothing_else() {
        for (query, expected) in [
            ("sessionId=mine", "sessionId=yours"),
            ("session_id=mine", "session_id=yours"),
            ("a=mine&session_id=mine&b", "a=mine&session_id=yours&b"),
        ] {
            assert_eq!(replaced(query, other), Ok(Some(expected.to_owned())));
        }
        for query in ["", "a=b", "session=mine", "id=mine", "mysessionid=mine"] {
            assert_eq!(replaced(query, other), Ok(None), "{query}");
        }
    }

    #[test]
    fn what_servers_could_read_differently_is_odd() {
        for query in [
            "sessionId=other",
            "sessionId",
            "sessionId=",
            "sessionid=mine",
            "SESSION_ID=mine",
            "session-id=mine",
            "sessionId[]=mine",
            "sessionId[0]=mine",
            "sessionId=mine&sessionId=mine",
            "sessionId=mine&session_id=mine",
            "sessionId=mine;sessionId=x",
            "a=b;sessionId=mine",
            "sessionId=mine;a=b",
            "sessionId=mi%6ee",
            "+sessionId=mine",
        ] {
            assert_eq!(replaced(query, other), Err(Odd), "{query}");
        }
    }
}
