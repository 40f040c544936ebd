//! Signatures that the host computes: in wasm, RS256 takes some fifty times as long.

use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use self::known::KNOWN;
use crate::algorithm::Algorithm;

mod known;

/// What a host can compute. `None` is always a right answer: it is computed here then.
pub trait HostCrypto {
    /// Whether `signature` is of `message`. `public_key` is a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in DER, of
    /// RSA (PKCS #1 v1.5) or of an elliptic curve (the signature then an `Ecdsa-Sig-Value`, RFC 3279 section 2.2.3).
    fn verify(&self, hash: Hash, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool>;

    /// The signature of `message`, in the same form; `private_key` is a `PrivateKeyInfo` (RFC 5208 section 5) in DER.
    fn sign(&self, hash: Hash, private_key: &[u8], message: &[u8]) -> Option<Vec<u8>>;
}

/// The hash function of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A host that was tried: what it can't do, or does wrong, is not asked of it.
#[derive(Clone)]
pub struct TrustedCrypto {
    host: Rc<dyn HostCrypto>,
    verifies: [bool; KNOWN.len()],
}

/// A host without any crypto.
#[derive(Debug, Clone, Copy)]
struct Nothing;

/// A signature that is known to be right.
struct Known {
    algorithm: Algorithm,
    hash: Hash,
    /// In base64url, as is the signature.
    public_key: &'static str,
    signature: &'static str,
}

/// What the known signatures are of.
const MESSAGE: &[u8] = b"Meshwarden";

// === impl TrustedCrypto ===

impl TrustedCrypto {
    /// Tries the host with a right and with a wrong signature of each kind: one that takes both is of as little use as
    /// one that takes neither.
    #[must_use]
    pub fn probe(host: Rc<dyn HostCrypto>) -> Self {
        let verifies = KNOWN.map(|known| known.is_told_apart_by(&*host));
        Self { host, verifies }
    }

    /// Everything is computed here.
    #[must_use]
    pub fn none() -> Self {
        Self { host: Rc::new(Nothing), verifies: [false; KNOWN.len()] }
    }

    /// The algorithms whose signatures the host verifies.
    pub fn verifies(&self) -> impl Iterator<Item = Algorithm> {
        KNOWN.into_iter().zip(self.verifies).filter(|(_, verifies)| *verifies).map(|(known, _)| known.algorithm)
    }

    /// `None` where the host is not asked, or does not answer.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Option<bool> {
        let mut tried = KNOWN.iter().zip(self.verifies);
        let (known, verifies) = tried.find(|(known, _)| known.algorithm == algorithm)?;
        if verifies { self.host.verify(known.hash, public_key, message, signature) } else { None }
    }

    /// `None` where the host does not sign; what it gives is still to be looked at.
    pub(crate) fn sign(&self, hash: Hash, private_key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        self.host.sign(hash, private_key, message)
    }
}

impl fmt::Debug for TrustedCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.verifies()).finish()
    }
}

// === impl Nothing ===

impl HostCrypto for Nothing {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Option<bool> {
        None
    }

    fn sign(&self, _: Hash, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

// === impl Known ===

impl Known {
    fn is_told_apart_by(&self, host: &dyn HostCrypto) -> bool {
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let (Some(key), Some(signature)) = (decoded(self.public_key), decoded(self.signature)) else { return false };
        let says = |message: &[u8]| host.verify(self.hash, &key, message, &signature);
        says(MESSAGE) == Some(true) && says(b"meshwarden") == Some(false)
    }
}

#[cfg(test)]
mod tests;
