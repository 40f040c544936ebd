//! Key sets: a key is taken for one algorithm, and for nothing that it does not say.

use std::collections::BTreeSet;

use access_tokens::Jwks;

use crate::reading::{Reading, Tree};
use crate::token::{NOW, PUBLIC, accepted, of, signed, verifier};

/// What private and symmetric keys have.
const SECRET: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
const CLAIMS: &[u8] =
    br#"{"iss":"https://idp.acme.example","sub":"alice","aud":"https://hr.mcp.acme.example/mcp","exp":1790000300}"#;

/// A key set as an operator writes it down, and as an issuer publishes it. If it is taken, then a token that names one of
/// its keys is accepted only where every parser finds the signer's key under that name, for signatures, with that
/// algorithm and no secret; and an issuer may publish what may be written down.
///
/// # Panics
/// That does not hold.
pub fn keys(data: &[u8]) {
    let inline = std::str::from_utf8(data).ok().and_then(|text| verifier(text).ok());
    let Ok(remote) = of(Jwks::Remote { refresh_seconds: 300 }) else { return };
    assert_eq!(remote.due(NOW), [0], "nothing is there before it was fetched");
    let published = remote.fetched(0, Some(data), NOW).is_ok();
    assert!(published || inline.is_none(), "what may be written down may not be published");
    if !published {
        return;
    }
    let tree = Tree::parse(data);
    assert!(tree.is_some(), "no JSON");
    let Some(tree) = tree else { return };
    for reading in [Reading::First, Reading::Last] {
        let keys = reading.member(&tree, "keys").map(Tree::list).unwrap_or_default();
        assert!(!keys.is_empty(), "{reading:?}: no keys");
        let has_secret = |key: &Tree| SECRET.iter().any(|name| reading.member(key, name).is_some());
        assert!(inline.is_none() || !keys.iter().any(has_secret), "{reading:?}: a secret is written down");
        let mut names: BTreeSet<Option<&str>> =
            keys.iter().map(|key| reading.member(key, "kid").and_then(Tree::text)).collect();
        names.insert(None);
        for name in names {
            let header = serde_json::json!({ "alg": "ES256", "typ": "at+jwt", "kid": name });
            let mut members = header.as_object().cloned().unwrap_or_default();
            members.retain(|_, value| !value.is_null());
            let token = signed(serde_json::Value::Object(members.clone()).to_string().as_bytes(), CLAIMS);
            let value = format!("Bearer {token}");
            for verifier in inline.iter().chain([&remote]) {
                if accepted(verifier, value.as_bytes()).is_some() {
                    let fits = keys.iter().any(|key| is_the_signers(key, name, reading) && !has_secret(key));
                    assert!(fits, "{reading:?}: {name:?} is not the signer's key");
                }
                for other in ["ES384", "RS256", "PS256", "EdDSA", "none", "HS256"] {
                    members.insert("alg".to_owned(), other.into());
                    let token = signed(serde_json::Value::Object(members.clone()).to_string().as_bytes(), CLAIMS);
                    assert!(accepted(verifier, format!("Bearer {token}").as_bytes()).is_none(), "{name:?} as {other}");
                }
            }
        }
    }
}

/// Under `name`, or, where a token names none, whatever it is called.
fn is_the_signers(key: &Tree, name: Option<&str>, reading: Reading) -> bool {
    let text = |member| reading.member(key, member).and_then(Tree::text);
    let operations = reading.member(key, "key_ops");
    (name.is_none() || text("kid") == name)
        && (text("kty"), text("crv")) == (Some("EC"), Some("P-256"))
        && PUBLIC.iter().all(|(member, value)| text(member) == Some(value))
        && matches!(text("alg"), None | Some("ES256"))
        && matches!(text("use"), None | Some("sig"))
        && operations.is_none_or(|all| all.list().iter().any(|one| one.text() == Some("verify")))
}
