//! Nonces that a proof must have (RFC 9449 section 9).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Nonces of which nothing is remembered: each is a code over the time in which it was given out, so that every worker
/// and every replica with the same keys knows it.
#[derive(Clone)]
pub struct DpopNonces {
    /// The first one makes nonces, all of them verify.
    keys: Vec<Hmac<Sha256>>,
    lifetime_seconds: u64,
}

/// As many bytes as the code has: a shorter key would be easier to guess (RFC 2104 section 3).
const MIN_KEY_BYTES: usize = 32;

// === impl DpopNonces ===

impl DpopNonces {
    /// Nothing where a key is too short, where there is none, or where nonces would not last.
    #[must_use]
    pub fn new(keys: &[Vec<u8>], lifetime_seconds: u64) -> Option<Self> {
        let key = |bytes: &Vec<u8>| Hmac::new_from_slice(bytes).ok().filter(|_| bytes.len() >= MIN_KEY_BYTES);
        let keys = keys.iter().map(key).collect::<Option<Vec<_>>>()?;
        (!keys.is_empty() && lifetime_seconds > 0).then_some(Self { keys, lifetime_seconds })
    }

    /// The one to give out at `now` (Unix seconds): good for as long as nonces last, and up to twice as long.
    pub(super) fn fresh(&self, now: u64) -> String {
        let slot = self.slot(now);
        let code = self.keys.first().map(|key| code(key, slot).finalize().into_bytes());
        code.map(|code| URL_SAFE_NO_PAD.encode(code)).unwrap_or_default()
    }

    /// Whether it was given out in this slot of time, or in the one before. Takes the same time wherever it is wrong.
    pub(super) fn is_good(&self, nonce: &str, now: u64) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let slot = self.slot(now);
        let slots = [Some(slot), slot.checked_sub(1)];
        let mut codes = self.keys.iter().flat_map(|key| slots.into_iter().flatten().map(move |slot| code(key, slot)));
        codes.any(|code| code.verify_slice(&tag).is_ok())
    }

    fn slot(&self, now: u64) -> u64 {
        now.checked_div(self.lifetime_seconds).unwrap_or_default()
    }
}

impl fmt::Debug for DpopNonces {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopNonces").field("lifetime_seconds", &self.lifetime_seconds).finish_non_exhaustive()
    }
}

fn code(key: &Hmac<Sha256>, slot: u64) -> Hmac<Sha256> {
    let mut code = key.clone();
    code.update(b"meshwarden.dpop-nonce.v1");
    code.update(&slot.to_be_bytes());
    code
}

#[cfg(test)]
mod tests {
    use super::DpopNonces;

    fn nonces(keys: &[u8]) -> DpopNonces {
        let keys: Vec<Vec<u8>> = keys.iter().map(|&key| vec![key; 32]).collect();
        DpopNonces::new(&keys, 60).unwrap()
    }

    #[test]
    fn a_nonce_is_good_in_its_own_slot_and_the_next() {
        let nonces = nonces(&[1]);
        let nonce = nonces.fresh(605);
        assert_eq!(nonce, nonces.fresh(659));
        assert_ne!(nonce, nonces.fresh(660));
        assert_eq!([600, 659, 660, 719].map(|now| nonces.is_good(&nonce, now)), [true; 4]);
        assert_eq!([0, 599, 720].map(|now| nonces.is_good(&nonce, now)), [false; 3]);
        assert!(nonces.is_good(&nonces.fresh(0), 0));
    }

    #[test]
    fn keys_can_be_changed_while_nonces_last() {
        let old = nonces(&[1]).fresh(600);
        assert!(nonces(&[2, 1]).is_good(&old, 600));
        assert!(!nonces(&[2]).is_good(&old, 600));
        assert_eq!(nonces(&[2, 1]).fresh(600), nonces(&[2]).fresh(600));
    }

    #[test]
    fn what_was_not_given_out_is_no_nonce() {
        let nonces = nonces(&[1]);
        let nonce = nonces.fresh(600);
        for other in ["", "AAAA", &format!("{nonce}="), &format!("{nonce}A"), &"A".repeat(43)] {
            assert!(!nonces.is_good(other, 600), "{other}");
        }
    }

    #[test]
    fn keys_that_could_be_guessed_make_none() {
        assert!(DpopNonces::new(&[], 60).is_none());
        assert!(DpopNonces::new(&[vec![1; 31]], 60).is_none());
        assert!(DpopNonces::new(&[vec![1; 32], vec![1; 31]], 60).is_none());
        assert!(DpopNonces::new(&[vec![1; 32]], 0).is_none());
        assert_eq!(format!("{:?}", nonces(&[7])), "DpopNonces { lifetime_seconds: 60, .. }");
    }
}
