//! Hosts of every kind, and tokens that two implementations judge alike.

use std::cell::Cell;
use std::rc::Rc;

use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;

use super::{Hash, HostCrypto, TrustedCrypto};
use crate::algorithm::Algorithm;
use crate::error::TokenError;
use crate::fixtures::{HEADER, NOW, alice, config, signed, verifier, verify_at};

/// A host that knows P-256 only, as another crate computes it, and counts what it is asked.
#[derive(Default)]
struct P256 {
    asked: Cell<u32>,
}

impl HostCrypto for P256 {
    fn verify(&self, hash: Hash, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
        self.asked.set(self.asked.get() + 1);
        let key = p256::ecdsa::VerifyingKey::from_public_key_der(public_key).ok()?;
        assert_eq!(hash, Hash::Sha256);
        let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
        Some(key.verify(message, &signature).is_ok())
    }

    fn sign(&self, _: Hash, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A host that always says the same.
struct Stubborn(Option<bool>);

impl HostCrypto for Stubborn {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
        self.0
    }

    fn sign(&self, _: Hash, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

fn probed(host: impl HostCrypto + 'static) -> Vec<Algorithm> {
    TrustedCrypto::probe(Rc::new(host)).verifies().collect()
}

#[test]
fn only_what_a_host_does_right_is_asked_of_it() {
    assert_eq!(probed(P256::default()), [Algorithm::ES256]);
    for said in [None, Some(true), Some(false)] {
        assert_eq!(probed(Stubborn(said)), [], "{said:?}");
    }
    assert_eq!(TrustedCrypto::none().verifies().count(), 0);
}

#[test]
fn a_host_that_can_is_asked_and_believed() {
    let host = Rc::new(P256::default());
    let verifier = verifier(vec![config()]).with_host(TrustedCrypto::probe(Rc::clone(&host) as Rc<dyn HostCrypto>));
    let before = host.asked.get();
    let token = signed(HEADER, &alice().to_string());
    assert!(verify_at(&verifier, &token, NOW).is_ok());
    assert_eq!(host.asked.get(), before + 1);
    let other = signed(HEADER, &alice().to_string().replace("alice", "bobby"));
    let (unsigned, _) = other.rsplit_once('.').unwrap();
    let (_, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{unsigned}.{signature}");
    assert_eq!(verify_at(&verifier, &forged, NOW).err(), Some(TokenError::Signature));
    assert_eq!(host.asked.get(), before + 2);
}

#[test]
fn a_signature_that_has_no_other_form_is_refused_here() {
    let host = Rc::new(P256::default());
    let verifier = verifier(vec![config()]).with_host(TrustedCrypto::probe(Rc::clone(&host) as Rc<dyn HostCrypto>));
    let before = host.asked.get();
    let token = signed(HEADER, &alice().to_string());
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    // Two zeros, one number alone, and nothing.
    for signature in ["A".repeat(86), "A".repeat(43), String::new()] {
        let refused = verify_at(&verifier, &format!("{unsigned}.{signature}"), NOW);
        assert_eq!(refused.err(), Some(TokenError::Signature));
    }
    assert_eq!(host.asked.get(), before);
}
