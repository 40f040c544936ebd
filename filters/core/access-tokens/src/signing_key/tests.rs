//! Keys in every form that they have, and what they sign.

use std::rc::Rc;

use ed25519_compact::KeyPair;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{self, Signature};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde_json::json;

use super::{PublicSigningKey, SigningKey, SigningKeyError};
use crate::algorithm::Algorithm;
use crate::bearer::Jws;
use crate::fixtures::{ED25519_PEM, claims_of, ed25519_key, es256_key, secret_key};
use crate::host_crypto::{Hash, HostCrypto, TrustedCrypto};
use crate::json;
use crate::signature::PublicKey;

/// RFC 8410 section 10.3: with attributes and the public key beside the private one.
const WITH_PUBLIC: &str = "-----BEGIN PRIVATE KEY-----\n\
    MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n\
    Z9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PRIVATE KEY-----\n";

/// RFC 8410 section 10.1.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";

fn pkcs8() -> String {
    secret_key().to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

fn read(algorithm: Algorithm, pem: &str) -> Result<SigningKey, SigningKeyError> {
    SigningKey::from_pem(algorithm, "k".to_owned(), pem)
}

fn read_public(algorithm: Algorithm, pem: &str) -> Result<PublicSigningKey, SigningKeyError> {
    PublicSigningKey::from_pem(algorithm, "k".to_owned(), pem)
}

#[test]
fn every_form_of_a_private_key_is_read() {
    let sec1 = secret_key().to_sec1_pem(LineEnding::LF).unwrap().to_string();
    assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    let from_sec1 = read(Algorithm::ES256, &format!("\n{sec1}\n")).unwrap();
    assert_eq!(from_sec1.sign("JWT", "{}"), read(Algorithm::ES256, &pkcs8()).unwrap().sign("JWT", "{}"));
    let with_public = read(Algorithm::EdDSA, WITH_PUBLIC).unwrap();
    assert_eq!(with_public.public(), read_public(Algorithm::EdDSA, PUBLIC).unwrap());
}

#[test]
fn what_is_signed_verifies_with_the_public_key() {
    for key in [es256_key("k"), ed25519_key("k")] {
        let token = key.sign("JWT", r#"{"a":1}"#).unwrap();
        let header = json::object_of(crate::Part::Header, token.split('.').next().unwrap()).unwrap();
        assert_eq!(json!(header), json!({ "alg": key.algorithm().name(), "kid": "k", "typ": "JWT" }));
        assert_eq!(claims_of(&token), json!({ "a": 1 }));
        let public = PublicKey::from_jwk(key.algorithm(), &key.public().material.to_string()).unwrap();
        let other = token.replacen("eyJhIjox", "eyJhIjoy", 1);
        let check = |token: &str| {
            let token = Jws::parse(token.as_bytes(), usize::MAX).unwrap();
            public.check(&TrustedCrypto::none(), &token).is_ok()
        };
        assert_ne!(token, other);
        assert_eq!((check(&token), check(&other)), (true, false), "{key:?}");
    }
}

#[test]
fn the_example_of_the_standard_is_signed_as_there() {
    // RFC 8037 appendix A.4; the header there has no `kid`, so only the signature over it is compared.
    let pair = KeyPair::try_from_seed(super::ed25519(ED25519_PEM).unwrap().sk.seed()).unwrap();
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = crate::fixtures::base64url(&pair.sk.sign(signed, None)[..]);
    assert_eq!(signature, "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

#[test]
fn the_public_half_is_the_same_wherever_it_is_read() {
    let pem = secret_key().public_key().to_public_key_pem(LineEnding::LF).unwrap();
    assert_eq!(read_public(Algorithm::ES256, &pem).unwrap(), es256_key("k").public());
    let other_name = PublicSigningKey::from_pem(Algorithm::ES256, "other".to_owned(), &pem).unwrap();
    assert!(other_name.is_same_key(&es256_key("k").public()) && other_name != es256_key("k").public());
    assert!(!other_name.is_same_key(&ed25519_key("other").public()));
}

#[test]
fn what_is_no_key_is_refused() {
    let refused = |algorithm, pem: &str| read(algorithm, pem).err();
    let x25519 = ED25519_PEM.replace("AwBQYDK2Vw", "AwBQYDK2Vu");
    let other_public = WITH_PUBLIC.replace("Z9w7", "Z9w8");
    for pem in ["", "secret", &pkcs8(), &x25519, &other_public, PUBLIC, &ED25519_PEM.replace("PRIVATE", "EC PRIVATE")] {
        assert_eq!(refused(Algorithm::EdDSA, pem), Some(SigningKeyError::Private(Algorithm::EdDSA)), "{pem}");
    }
    let damaged = pkcs8().replacen('M', "N", 1);
    for pem in ["", "secret", ED25519_PEM, PUBLIC, &pkcs8().replace("PRIVATE", "PUBLIC"), &damaged] {
        assert_eq!(refused(Algorithm::ES256, pem), Some(SigningKeyError::Private(Algorithm::ES256)), "{pem}");
    }
    for pem in ["", "secret", ED25519_PEM, &pkcs8(), &PUBLIC.replace("YDK2Vw", "YDK2Vu")] {
        for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
            assert_eq!(read_public(algorithm, pem).err(), Some(SigningKeyError::Public(algorithm)), "{pem}");
        }
    }
    assert_eq!(read_public(Algorithm::ES256, PUBLIC).err(), Some(SigningKeyError::Public(Algorithm::ES256)));
    assert_eq!(refused(Algorithm::RS256, &pkcs8()), Some(SigningKeyError::Algorithm(Algorithm::RS256)));
    assert_eq!(read_public(Algorithm::PS256, PUBLIC).err(), Some(SigningKeyError::Algorithm(Algorithm::PS256)));
    let nameless = SigningKey::from_pem(Algorithm::ES256, String::new(), &pkcs8()).err();
    assert_eq!(nameless, Some(SigningKeyError::NoKeyId));
    let nameless = PublicSigningKey::from_pem(Algorithm::EdDSA, String::new(), PUBLIC).err();
    assert_eq!(nameless, Some(SigningKeyError::NoKeyId));
}

#[test]
fn a_refusal_says_how_to_make_a_key() {
    assert_eq!(
        SigningKeyError::Private(Algorithm::EdDSA).to_string(),
        "it is no private key for `EdDSA` in PEM; make one with `openssl genpkey -algorithm ed25519`"
    );
    assert_eq!(
        SigningKeyError::Private(Algorithm::ES256).to_string(),
        "it is no private key for `ES256` in PEM; make one with `openssl ecparam -name prime256v1 -genkey -noout`"
    );
}

/// A host that signs with the key it is given, in its own form, or does it wrong.
struct Signing {
    right: bool,
}

impl HostCrypto for Signing {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
        None
    }

    fn sign(&self, hash: Hash, private_key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(hash, Hash::Sha256);
        let key = ecdsa::SigningKey::from_pkcs8_der(private_key).ok()?;
        let message = if self.right { message } else { b"something else" };
        let signature: Signature = key.sign(message);
        Some(signature.to_der().as_bytes().to_vec())
    }
}

fn by_host(key: SigningKey, right: bool) -> SigningKey {
    key.with_host(&TrustedCrypto::probe(Rc::new(Signing { right })))
}

#[test]
fn a_host_that_signs_rightly_signs() {
    let (right, wrong) = (by_host(es256_key("k"), true), by_host(es256_key("k"), false));
    assert!(right.signs_by_host() && !wrong.signs_by_host() && !es256_key("k").signs_by_host());
    assert!(!es256_key("k").with_host(&TrustedCrypto::none()).signs_by_host());
    assert!(!by_host(ed25519_key("k"), true).signs_by_host(), "hosts don't have Ed25519");
    // Both are deterministic, so the same signature shows that its form was changed rightly.
    for key in [right, wrong] {
        assert_eq!(key.sign("JWT", "{}"), es256_key("k").sign("JWT", "{}"));
    }
}
