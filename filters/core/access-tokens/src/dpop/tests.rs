use std::cell::RefCell;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{DpopConfig, DpopError, DpopFault, DpopNonces, DpopProof, DpopVerifier, ProvenRequest};
use super::{ReplayError, ReplayStore};
use crate::algorithm::{Algorithm, AlgorithmError};
use crate::bearer::BearerToken;
use crate::error::{Part, TokenError};
use crate::fixtures::{HEADER, NOW, PUBLIC_KEY, alice_with, config, encoded, signed, verifier, verify_at};
use crate::host_crypto::TrustedCrypto;
use crate::jwks::KeySetError;

const URL: &str = "https://hr.mcp.acme.example/mcp";
const TOKEN: &str = "header.payload.signature";

/// RFC 9449 section 4.1 (figures 1 and 2): the proof that goes with a request for a token, made with the key of all its
/// examples.
const RFC_TOKEN_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// RFC 9449 section 7.1: the proof that goes with a token.
const RFC_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const RFC_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// RFC 9449 section 6.1.
const RFC_THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn rules() -> DpopConfig {
    DpopConfig {
        algorithms: vec![Algorithm::ES256, Algorithm::EdDSA],
        required: false,
        max_age_seconds: 60,
        clock_skew_seconds: 30,
        max_bytes: 4_096,
        nonces: None,
    }
}

fn thumbprint(text: &str) -> [u8; 32] {
    URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
}

/// The public half of the key that signs these proofs.
fn jwk() -> Value {
    let mut jwk: Value = serde_json::from_str(PUBLIC_KEY).unwrap();
    for member in ["kid", "alg", "use"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

fn own_thumbprint() -> [u8; 32] {
    let jwk = jwk();
    let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
    // RFC 7638 section 3.
    Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)).into()
}

fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}

/// Changes an object: `null` takes a member away.
fn changed(mut object: Value, changes: Value) -> String {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => object.as_object_mut().unwrap().remove(name),
            value => object.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    object.to_string()
}

fn header(changes: Value) -> String {
    changed(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk() }), changes)
}

fn claims(changes: Value) -> String {
    changed(json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "ath": hash_of(TOKEN) }), changes)
}

fn with_header(changes: Value) -> String {
    signed(&header(changes), &claims(json!({})))
}

fn with_claims(changes: Value) -> String {
    signed(&header(json!({})), &claims(changes))
}

fn prove_by(rules: DpopConfig, proofs: &[&str], now: u64) -> Result<DpopProof, DpopError> {
    let proofs: Vec<&[u8]> = proofs.iter().map(|proof| proof.as_bytes()).collect();
    let request = ProvenRequest { proofs: &proofs, method: b"POST", url: URL };
    DpopVerifier::new(rules, TrustedCrypto::none()).prove(&request, TOKEN, &own_thumbprint(), now)
}

#[track_caller]
fn refused(proof: &str, error: DpopError) {
    assert_eq!(prove_by(rules(), &[proof], NOW), Err(error));
}

#[test]
fn the_examples_of_the_standard_are_proofs() {
    let verifier = DpopVerifier::new(rules(), TrustedCrypto::none());
    let bound_to = thumbprint(RFC_THUMBPRINT);
    let request = ProvenRequest {
        proofs: &[RFC_PROOF.as_bytes()],
        method: b"GET",
        url: "https://resource.example.org/protectedresource",
    };
    let proof = verifier.prove(&request, RFC_TOKEN, &bound_to, 1_562_262_618).unwrap();
    assert_eq!(proof.good_until, 1_562_262_618 + 90);
    // The hash of the token that section 7.1 shows.
    assert_eq!(hash_of(RFC_TOKEN), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");

    // The other one is right up to its end: it was made for no token.
    let request = ProvenRequest {
        proofs: &[RFC_TOKEN_PROOF.as_bytes()],
        method: b"POST",
        url: "https://server.example.com/token",
    };
    let found = verifier.prove(&request, RFC_TOKEN, &bound_to, 1_562_262_616);
    assert_eq!(found, Err(DpopError::MissingClaim("ath")));
    let tampered = RFC_TOKEN_PROOF.replace(".2-GxA6T8", ".2-GxA6T9");
    let request = ProvenRequest { proofs: &[tampered.as_bytes()], ..request };
    assert_eq!(verifier.prove(&request, RFC_TOKEN, &bound_to, 1_562_262_616), Err(DpopError::Signature));
}

#[test]
fn a_good_proof_is_one_whatever_else_it_says() {
    let good = |proof: &str| assert!(prove_by(rules(), &[proof], NOW).is_ok(), "{proof}");
    good(&with_claims(json!({})));
    good(&with_claims(json!({ "htu": "HTTPS://HR.MCP.acme.example:443/%6dcp?a=b#c", "nonce": "n", "vendor": {} })));
    good(&with_claims(json!({ "jti": "a".repeat(256) })));
    good(&with_header(json!({ "typ": "Application/DPoP+JWT", "kid": "any", "x5c": ["AA"] })));
    let mut exported = jwk();
    exported.as_object_mut().unwrap().extend([
        ("kid".to_owned(), "k".into()),
        ("alg".to_owned(), "ES256".into()),
        ("use".to_owned(), "sig".into()),
        ("key_ops".to_owned(), json!(["verify"])),
        ("ext".to_owned(), true.into()),
    ]);
    good(&with_header(json!({ "jwk": exported })));
}

#[test]
fn there_is_exactly_one_proof() {
    let proof = with_claims(json!({}));
    assert_eq!(prove_by(rules(), &[], NOW), Err(DpopError::Missing));
    assert_eq!(prove_by(rules(), &[&proof, &proof], NOW), Err(DpopError::Repeated));
    assert_eq!(prove_by(rules(), &[&proof, ""], NOW), Err(DpopError::Repeated));
    refused(&format!("{proof},{proof}"), DpopError::Repeated);
    refused(&format!("{proof}, {proof}"), DpopError::Repeated);
}

#[test]
fn a_proof_is_a_jwt_that_everybody_reads_alike() {
    let jwt = |error| DpopError::Jwt(error);
    let proof = with_claims(json!({}));
    for odd in ["", "a", "a.b", "..", ".b.c", &format!(" {proof}"), &format!("{proof} "), &format!("DPoP {proof}")] {
        refused(odd, jwt(TokenError::NotCompact));
    }
    let rules = DpopConfig { max_bytes: proof.len() - 1, ..rules() };
    let limit = rules.max_bytes;
    assert_eq!(prove_by(rules, &[&proof], NOW), Err(jwt(TokenError::TooLong { limit })));
    let (header, rest) = proof.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    refused(&format!("A.{payload}.{signature}"), jwt(TokenError::NotBase64(Part::Header)));
    refused(&format!("{header}.A.{signature}"), jwt(TokenError::NotBase64(Part::Payload)));
    refused(&format!("{header}.{payload}.A"), jwt(TokenError::NotBase64(Part::Signature)));
    refused(&format!("{}.{payload}.{signature}", encoded("[]")), jwt(TokenError::NotJson(Part::Header)));
    refused(&format!("{header}.{}.{signature}", encoded("7")), jwt(TokenError::NotJson(Part::Payload)));
    let twice = |part, name: &str| jwt(TokenError::DuplicateName { part, name: name.to_owned() });
    refused(&signed(&header_text(r#""jwk":{},"#), "{}"), twice(Part::Header, "jwk"));
    refused(&signed(&header_text(""), r#"{"htu":"a","htu":"b"}"#), twice(Part::Payload, "htu"));
}

fn header_text(more: &str) -> String {
    header(json!({})).replacen('{', &format!("{{{more}"), 1)
}

#[test]
fn claims_are_there_and_of_their_types() {
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        refused(&with_claims(json!({ name: null })), DpopError::MissingClaim(name));
    }
    for (name, odd) in [
        ("jti", vec![json!(1), json!(""), json!([]), json!("a".repeat(257))]),
        ("htm", vec![json!(1), json!(""), json!(["POST"])]),
        ("htu", vec![json!(1), json!(""), json!([URL])]),
        ("iat", vec![json!("1"), json!(-1), json!(1.5)]),
        ("ath", vec![json!(1), json!(""), json!("A"), json!(format!("{}=", hash_of(TOKEN)))]),
        ("nonce", vec![json!(1), json!("")]),
        ("exp", vec![json!("1"), json!(-1)]),
        ("nbf", vec![json!("1"), json!(1.5)]),
    ] {
        for value in odd {
            refused(&with_claims(json!({ name: value })), DpopError::MalformedClaim(name));
        }
    }
}

#[test]
fn a_proof_is_of_its_own_type() {
    for typ in [json!(null), json!("JWT"), json!("at+jwt"), json!("dpop"), json!("text/dpop+jwt"), json!(7)] {
        refused(&with_header(json!({ "typ": typ })), DpopError::Type);
    }
    for name in ["b64", "crit", "cty", "enc", "zip"] {
        refused(&with_header(json!({ name: ["exp"] })), DpopError::ForbiddenHeader(name));
    }
}

#[test]
fn the_algorithm_has_a_key_pair_and_the_operators_consent() {
    for none in ["none", "None"] {
        refused(&with_header(json!({ "alg": none })), DpopError::Algorithm(AlgorithmError::Unsecured));
    }
    let symmetric = AlgorithmError::Symmetric { name: "HS256".to_owned() };
    refused(&with_header(json!({ "alg": "HS256" })), DpopError::Algorithm(symmetric));
    let unknown = AlgorithmError::Unknown { name: "ES512".to_owned() };
    refused(&with_header(json!({ "alg": "ES512" })), DpopError::Algorithm(unknown));
    refused(&with_header(json!({ "alg": "RS256" })), DpopError::AlgorithmNotAllowed { algorithm: Algorithm::RS256 });
    refused(&with_header(json!({ "alg": null })), DpopError::Header("alg"));
    refused(&with_header(json!({ "alg": ["ES256"] })), DpopError::Header("alg"));
}

#[test]
fn the_key_is_a_public_one_of_the_algorithm() {
    let with = |changes: Value| {
        with_header(json!({ "jwk": serde_json::from_str::<Value>(&changed(jwk(), changes)).unwrap() }))
    };
    for odd in [json!(null), json!("x"), json!([jwk()])] {
        refused(&with_header(json!({ "jwk": odd })), DpopError::Header("jwk"));
    }
    let key = || "keys[0]".to_owned();
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        refused(&with(json!({ private: "AA" })), DpopError::Key(KeySetError::Secret { key: key() }));
    }
    let none = || DpopError::Key(KeySetError::NoUsableKey);
    refused(&with(json!({ "alg": "ES384" })), none());
    refused(&with(json!({ "use": "enc" })), none());
    refused(&with(json!({ "key_ops": ["sign"] })), none());
    refused(&with(json!({ "crv": "P-384" })), none());
    // The key of one kind, the algorithm of another.
    refused(&with_header(json!({ "alg": "EdDSA" })), none());
    let unusable = DpopError::Key(KeySetError::Unusable { key: key(), algorithm: Algorithm::ES256 });
    refused(&with(json!({ "x": jwk()["y"] })), unusable.clone());
    refused(&with(json!({ "y": null })), unusable);
    refused(&with(json!({ "kty": null })), DpopError::Key(KeySetError::Member { key: key(), member: "kty" }));
}

#[test]
fn the_signature_is_of_the_key_in_the_proof() {
    let other = SigningKey::from(p256::SecretKey::from_slice(&[7; 32]).unwrap());
    let text = format!("{}.{}", encoded(&header(json!({}))), encoded(&claims(json!({}))));
    let signature: Signature = other.sign(text.as_bytes());
    refused(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())), DpopError::Signature);
    refused(&format!("{text}."), DpopError::Signature);
    refused(&format!("{text}.{}", "A".repeat(86)), DpopError::Signature);
    // Another payload under a good signature.
    let good = with_claims(json!({}));
    let (_, signature) = good.rsplit_once('.').unwrap();
    let swapped = format!("{}.{}", encoded(&header(json!({}))), encoded(&claims(json!({ "jti": "2" }))));
    refused(&format!("{swapped}.{signature}"), DpopError::Signature);
}

#[test]
fn every_kind_of_key_proves() {
    let pair = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([9; 32]));
    let x = URL_SAFE_NO_PAD.encode(*pair.pk);
    let bound_to: [u8; 32] = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)).into();
    for alg in ["EdDSA", "Ed25519"] {
        let header = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x } });
        let text = format!("{}.{}", encoded(&header.to_string()), encoded(&claims(json!({}))));
        let signature = URL_SAFE_NO_PAD.encode(*pair.sk.sign(text.as_bytes(), None));
        let proof = format!("{text}.{signature}");
        let request = ProvenRequest { proofs: &[proof.as_bytes()], method: b"POST", url: URL };
        let verifier = DpopVerifier::new(rules(), TrustedCrypto::none());
        assert!(verifier.prove(&request, TOKEN, &bound_to, NOW).is_ok(), "{alg}");
        assert_eq!(verifier.prove(&request, TOKEN, &own_thumbprint(), NOW), Err(DpopError::OtherKey));
    }
}

#[test]
fn a_proof_is_for_one_method_and_url() {
    for method in ["GET", "post", "POST "] {
        refused(&with_claims(json!({ "htm": method })), DpopError::Method);
    }
    for url in [
        "https://hr.mcp.acme.example/mcp/",
        "https://hr.mcp.acme.example/",
        "https://hr.mcp.acme.example/MCP",
        "https://hr.mcp.acme.example:8443/mcp",
        "http://hr.mcp.acme.example/mcp",
        "https://docs.mcp.acme.example/mcp",
        "https://hr.mcp.acme.example.evil.example/mcp",
        "/mcp",
        "no URL",
    ] {
        refused(&with_claims(json!({ "htu": url })), DpopError::Url { expected: URL.to_owned() });
    }
    // What is no URL itself is like no other, not like all that are none.
    let proof = with_claims(json!({ "htu": "no URL" }));
    let request = ProvenRequest { proofs: &[proof.as_bytes()], method: b"POST", url: "no URL" };
    let found = DpopVerifier::new(rules(), TrustedCrypto::none()).prove(&request, TOKEN, &own_thumbprint(), NOW);
    assert_eq!(found, Err(DpopError::Url { expected: String::new() }));
}

#[test]
fn a_proof_is_good_for_its_time_and_the_skew_of_clocks() {
    let at = |changes: Value, now: u64| prove_by(rules(), &[&with_claims(changes)], now).map(|proof| proof.good_until);
    let good = |until: u64| Ok(NOW + until);
    let stale = |now| Err(DpopError::Stale { issued_at: NOW, now });
    let early = |now| Err(DpopError::Early { issued_at: NOW, now });
    assert_eq!(at(json!({}), NOW + 90), good(90));
    assert_eq!(at(json!({}), NOW + 91), stale(NOW + 91));
    assert_eq!(at(json!({}), NOW - 30), good(90));
    assert_eq!(at(json!({}), NOW - 31), early(NOW - 31));
    // By its own words.
    assert_eq!(at(json!({ "exp": NOW + 10 }), NOW + 39), good(39));
    assert_eq!(at(json!({ "exp": NOW + 10 }), NOW + 40), stale(NOW + 40));
    assert_eq!(at(json!({ "exp": u64::MAX }), NOW + 91), stale(NOW + 91));
    assert_eq!(at(json!({ "nbf": NOW + 30 }), NOW), good(90));
    assert_eq!(at(json!({ "nbf": NOW + 31 }), NOW), early(NOW));
    let never = prove_by(rules(), &[&with_claims(json!({ "iat": 0 }))], NOW);
    assert_eq!(never, Err(DpopError::Stale { issued_at: 0, now: NOW }));
    let always = prove_by(rules(), &[&with_claims(json!({ "iat": u64::MAX }))], NOW);
    assert_eq!(always, Err(DpopError::Early { issued_at: u64::MAX, now: NOW }));
}

#[test]
fn where_nonces_are_wanted_a_proof_has_one() {
    let nonces = DpopNonces::new(&[vec![1; 32]], 60).unwrap();
    let rules = || DpopConfig { nonces: Some(nonces.clone()), ..rules() };
    let fresh = nonces.fresh(NOW);
    let prove = |nonce: Value| prove_by(rules(), &[&with_claims(json!({ "nonce": nonce }))], NOW);
    assert!(prove(json!(fresh)).is_ok());
    for other in [json!(null), json!("x"), json!(nonces.fresh(NOW - 120)), json!(nonces.fresh(NOW + 60))] {
        let error = prove(other).unwrap_err();
        assert_eq!(error, DpopError::Nonce { fresh: fresh.clone() });
        assert_eq!(error.fault(), DpopFault::Nonce(&fresh));
    }
    // Before the time is looked at: with a nonce the caller's clock can be wrong without its knowing.
    let old = prove_by(rules(), &[&with_claims(json!({ "iat": 0 }))], NOW);
    assert_eq!(old, Err(DpopError::Nonce { fresh }));
}

#[test]
fn a_proof_is_for_one_token_and_the_key_that_it_is_bound_to() {
    refused(&with_claims(json!({ "ath": hash_of("another") })), DpopError::OtherToken);
    refused(&with_claims(json!({ "ath": "AAAA" })), DpopError::OtherToken);
    let proof = with_claims(json!({}));
    let request = ProvenRequest { proofs: &[proof.as_bytes()], method: b"POST", url: URL };
    let verifier = DpopVerifier::new(rules(), TrustedCrypto::none());
    assert_eq!(verifier.prove(&request, TOKEN, &thumbprint(RFC_THUMBPRINT), NOW), Err(DpopError::OtherKey));
}

/// Presents a token of Alice's with this `cnf`, and a proof for it.
fn present(scheme: &str, cnf: Value, required: bool) -> Result<bool, DpopError> {
    let token = signed(HEADER, &alice_with(json!({ "cnf": cnf })).to_string());
    let verified = verify_at(&verifier(vec![config()]), &token, NOW).unwrap().token;
    let header = format!("{scheme} {token}");
    let presented = BearerToken::from_authorization(&[header.as_bytes()], 16_384).unwrap().unwrap();
    let proof = with_claims(json!({ "ath": hash_of(&token) }));
    let request = ProvenRequest { proofs: &[proof.as_bytes()], method: b"POST", url: URL };
    let verifier = DpopVerifier::new(DpopConfig { required, ..rules() }, TrustedCrypto::none());
    verifier.verify(&request, &presented, &verified, NOW).map(|proof| proof.is_some())
}

#[test]
fn scheme_and_token_belong_together() {
    let bound = || json!({ "jkt": URL_SAFE_NO_PAD.encode(own_thumbprint()) });
    assert_eq!(present("DPoP", bound(), false), Ok(true));
    assert_eq!(present("dpop", bound(), true), Ok(true));
    assert_eq!(present("Bearer", bound(), false), Err(DpopError::BoundAsBearer));
    assert_eq!(present("Bearer", bound(), true), Err(DpopError::BoundAsBearer));
    assert_eq!(present("DPoP", json!(null), false), Err(DpopError::NotBound));
    assert_eq!(present("DPoP", json!(null), true), Err(DpopError::NotBound));
    // A proof beside a token that is bound to no key is no proof of anything.
    assert_eq!(present("Bearer", json!(null), false), Ok(false));
    assert_eq!(present("Bearer", json!(null), true), Err(DpopError::Required));
}

#[derive(Default)]
struct Memory(RefCell<BTreeSet<[u8; 32]>>);

impl ReplayStore for Memory {
    fn seen(&self, id: &[u8; 32], until: u64, _now: u64) -> Result<bool, ReplayError> {
        assert_eq!(until, NOW + 90);
        Ok(!self.0.borrow_mut().insert(*id))
    }
}

struct Broken(ReplayError);

impl ReplayStore for Broken {
    fn seen(&self, _: &[u8; 32], _: u64, _: u64) -> Result<bool, ReplayError> {
        Err(self.0)
    }
}

#[test]
fn a_proof_counts_once() {
    let memory = Memory::default();
    let proof = |jti: &str| prove_by(rules(), &[&with_claims(json!({ "jti": jti }))], NOW).unwrap();
    assert_eq!(proof("1").spend(&memory, NOW), Ok(()));
    assert_eq!(proof("1").spend(&memory, NOW), Err(DpopError::Replayed));
    assert_eq!(proof("2").spend(&memory, NOW), Ok(()));
    for error in [ReplayError::Full, ReplayError::Host] {
        let found = proof("3").spend(&Broken(error), NOW).unwrap_err();
        assert_eq!(found, DpopError::Replays(error));
        assert_eq!(found.fault(), DpopFault::Host);
    }
    // What two keys sign are two proofs, whatever they are called.
    let by_key = Sha256::new().chain_update(own_thumbprint()).chain_update("1").finalize();
    assert_eq!(proof("1").id(), &<[u8; 32]>::from(by_key));
}
