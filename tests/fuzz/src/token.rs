//! Access tokens: what is accepted is signed by the issuer, and says what was understood.

use std::collections::BTreeSet;

use access_tokens::{
    Algorithm, BearerToken, ClaimPaths, IssuerConfig, Jwks, Profile, TokenVerifier, VerifiedToken, VerifierError,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey};
use serde_json::Value;

use crate::reading::{Reading, Tree};

const ISSUER: &str = "https://idp.acme.example";
const AUDIENCE: &str = "https://hr.mcp.acme.example/mcp";
/// When it is, and by how much clocks may differ, in seconds.
pub(crate) const NOW: u64 = 1_790_000_100;
const SKEW: u64 = 30;

/// The key of RFC 6979 appendix A.2.5, which everybody knows.
pub(crate) const PUBLIC: [(&str, &str); 2] =
    [("x", "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y"), ("y", "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk")];
const SECRET: [u8; 32] = [
    0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93, 0x4e, 0x50, 0xc3,
    0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
];

/// A JOSE header, a line feed and claims, which the issuer signs; or, behind a `!`, the whole value of an
/// `authorization` header. If a token is accepted, then its signature is right, every parser takes it for what was
/// understood, and a change to any of its parts has it refused.
///
/// # Panics
/// That does not hold.
pub fn token(data: &[u8]) {
    let Ok(verifier) = verifier(&set("")) else { return };
    if let Some(value) = data.strip_prefix(b"!") {
        if let Some(verified) = accepted(&verifier, value) {
            let text = value.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
            assert!(is_signed(text), "nobody signed this");
            assert_eq!(verified.issuer(), ISSUER);
        }
        return;
    }
    let at = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (header, rest) = data.split_at(at);
    let claims = rest.get(1..).unwrap_or_default();
    let text = signed(header, claims);
    let Some(verified) = accepted(&verifier, format!("Bearer {text}").as_bytes()) else { return };
    assert!(is_signed(text.as_bytes()));
    let (header, claims) = (Tree::parse(header), Tree::parse(claims));
    assert!(header.is_some() && claims.is_some(), "no JSON");
    let (Some(header), Some(claims)) = (header, claims) else { return };
    for reading in [Reading::First, Reading::Last] {
        one_header(&header, reading);
        one_meaning(&verified, &header, &claims, reading);
    }
    for part in 0..3 {
        let changed = changed(&text, part, data.len());
        assert!(
            accepted(&verifier, format!("Bearer {changed}").as_bytes()).is_none(),
            "part {part} says something else"
        );
    }
}

/// What the issuer signs.
pub(crate) fn signed(header: &[u8], claims: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let Ok(key) = SigningKey::from_slice(&SECRET) else { return text };
    let signature: Signature = key.sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// An issuer with these keys, as JSON.
pub(crate) fn verifier(set: &str) -> Result<TokenVerifier, VerifierError> {
    of(Jwks::Inline(set.to_owned()))
}

pub(crate) fn of(jwks: Jwks) -> Result<TokenVerifier, VerifierError> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
    let issuer = IssuerConfig {
        issuer: ISSUER.to_owned(),
        jwks,
        algorithms: vec![ES256, RS256, PS256, ES384, EdDSA],
        token_types: vec!["at+jwt".to_owned(), "JWT".to_owned()],
        profile: Profile::Jwt,
        claims: ClaimPaths { groups: Some("groups".to_owned()), roles: Some("realm_access.roles".to_owned()) },
    };
    TokenVerifier::new(vec![issuer], SKEW, 86_400, 0)
}

/// The issuer's own set, with more members in its one key.
fn set(more: &str) -> String {
    let [(_, x), (_, y)] = PUBLIC;
    format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"k1","x":"{x}","y":"{y}"{more}}}]}}"#)
}

pub(crate) fn accepted(verifier: &TokenVerifier, value: &[u8]) -> Option<std::rc::Rc<VerifiedToken>> {
    let token = BearerToken::from_authorization(&[value], 16_384).ok()??;
    verifier.verify(&token, AUDIENCE, NOW).ok().map(|verified| verified.token)
}

/// By another implementation, which knows nothing of JSON.
fn is_signed(text: &[u8]) -> bool {
    let Ok(key) = SigningKey::from_slice(&SECRET) else { return false };
    let Some(end) = text.iter().rposition(|&byte| byte == b'.') else { return false };
    let (signed, signature) = text.split_at(end);
    let signature = URL_SAFE_NO_PAD.decode(signature.get(1..).unwrap_or_default());
    let signature = signature.ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    signature.is_some_and(|signature| key.verifying_key().verify(signed, &signature).is_ok())
}

/// With another character somewhere in one of its parts.
fn changed(text: &str, part: usize, seed: usize) -> String {
    let mut parts: Vec<Vec<u8>> = text.split('.').map(|part| part.as_bytes().to_vec()).collect();
    if let Some(part) = parts.get_mut(part) {
        let at = seed.checked_rem(part.len()).unwrap_or_default();
        if let Some(byte) = part.get_mut(at) {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
        }
    }
    String::from_utf8_lossy(&parts.join(&b'.')).into_owned()
}

fn one_header(header: &Tree, reading: Reading) {
    let text = |name| reading.member(header, name).map(|member| member.text().unwrap_or("?"));
    assert_eq!(text("alg"), Some("ES256"), "{reading:?}");
    assert!(matches!(text("kid"), None | Some("k1")), "{reading:?}");
    let typ = text("typ").unwrap_or("JWT").to_ascii_lowercase();
    assert!(["at+jwt", "jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ)), "{reading:?}: {typ}");
    for name in ["crit", "b64", "zip", "enc", "jwk", "cty"] {
        assert!(reading.member(header, name).is_none(), "{reading:?}: {name}");
    }
}

fn one_meaning(verified: &VerifiedToken, header: &Tree, claims: &Tree, reading: Reading) {
    let member = |name| reading.member(claims, name);
    let text = |name| member(name).and_then(Tree::text);
    let number = |name| member(name).map(|value| value.value(reading).as_u64().unwrap_or(u64::MAX));
    assert_eq!(text("iss"), Some(ISSUER), "{reading:?}");
    assert_eq!(text("sub"), Some(verified.subject()), "{reading:?}");
    assert!(!verified.subject().is_empty());
    assert_eq!(&words(member("aud")), verified.audiences(), "{reading:?}");
    assert!(verified.audiences().contains(AUDIENCE));
    assert_eq!(number("exp"), Some(verified.expires_at()), "{reading:?}");
    assert!(verified.expires_at() > NOW - SKEW && verified.expires_at() <= NOW + SKEW + 86_400);
    assert_eq!((number("iat"), number("nbf")), (verified.issued_at(), verified.not_before()), "{reading:?}");
    assert!(verified.issued_at().max(verified.not_before()).is_none_or(|at| at <= NOW + SKEW));
    let scopes = member("scope").or_else(|| member("scp"));
    let said: BTreeSet<String> = match scopes.and_then(Tree::text) {
        Some(text) => text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
        None => words(scopes),
    };
    assert_eq!(&said, verified.scopes(), "{reading:?}");
    assert_eq!(text("client_id").or_else(|| text("azp")), verified.client_id(), "{reading:?}");
    assert_eq!(reading.at(claims, &["act", "sub"]).and_then(Tree::text), verified.actor(), "{reading:?}");
    assert_eq!(&words(member("groups")), verified.groups(), "{reading:?}");
    let known = verified.certificate_thumbprint().is_some() || verified.key_thumbprint().is_some();
    let bound = known || verified.unsupported_confirmation();
    assert_eq!(member("cnf").is_some(), bound, "{reading:?}");
    let typ = reading.member(header, "typ").and_then(Tree::text).unwrap_or_default();
    if !typ.to_ascii_lowercase().ends_with("at+jwt") {
        assert!(["at_hash", "c_hash", "s_hash"].iter().all(|name| member(name).is_none()), "an ID token");
    }
}

/// A text, or the texts in a list.
fn words(tree: Option<&Tree>) -> BTreeSet<String> {
    let Some(tree) = tree else { return BTreeSet::new() };
    let one = |tree: &Tree| tree.text().map_or_else(|| Value::Null.to_string(), str::to_owned);
    match tree {
        Tree::List(elements) => elements.iter().map(one).collect(),
        tree => BTreeSet::from([one(tree)]),
    }
}
