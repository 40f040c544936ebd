//! Tokens whose signature was verified before.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::token::VerifiedToken;

/// Remembers at most `entries` tokens and forgets the oldest first, which is also the one that expires first as a rule.
///
/// Only tokens with a good signature get in, so that nobody fills it with noise. A tree needs no random seed.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: usize,
    tokens: BTreeMap<[u8; 32], Rc<VerifiedToken>>,
    /// In the order of arrival; may name tokens that were removed since.
    arrivals: VecDeque<[u8; 32]>,
}

// === impl Cache ===

impl Cache {
    pub(crate) fn new(entries: usize) -> Self {
        Self { entries, tokens: BTreeMap::new(), arrivals: VecDeque::new() }
    }

    pub(crate) fn get(&self, fingerprint: &[u8; 32]) -> Option<Rc<VerifiedToken>> {
        self.tokens.get(fingerprint).map(Rc::clone)
    }

    pub(crate) fn insert(&mut self, token: Rc<VerifiedToken>) {
        let fingerprint = *token.fingerprint();
        if self.entries == 0 || self.tokens.contains_key(&fingerprint) {
            return;
        }
        if self.arrivals.len() == self.entries
            && let Some(oldest) = self.arrivals.pop_front()
        {
            self.tokens.remove(&oldest);
        }
        self.arrivals.push_back(fingerprint);
        self.tokens.insert(fingerprint, token);
    }

    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.arrivals.clear();
    }

    pub(crate) fn remove(&mut self, fingerprint: &[u8; 32]) {
        self.tokens.remove(fingerprint);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::Cache;
    use crate::fixtures::token_with_fingerprint;

    fn cache(entries: usize, fingerprints: impl IntoIterator<Item = u8>) -> Cache {
        let mut cache = Cache::new(entries);
        for byte in fingerprints {
            cache.insert(Rc::new(token_with_fingerprint([byte; 32])));
            assert!(cache.len() <= entries);
            assert!(cache.arrivals.len() <= entries);
        }
        cache
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let cache = cache(3, [1, 2, 3, 1, 4]);
        assert_eq!([1, 2, 3, 4].map(|byte| cache.get(&[byte; 32]).is_some()), [false, true, true, true]);
    }

    #[test]
    fn size_is_bounded() {
        assert_eq!(cache(10, 0..=255).len(), 10);
        assert_eq!(cache(1, [1, 2]).len(), 1);
        assert_eq!(cache(0, [1, 2]).len(), 0);
    }

    #[test]
    fn what_is_removed_is_gone_and_leaves_no_room_behind() {
        let mut cache = cache(2, [1, 2]);
        for _ in 0..100 {
            cache.remove(&[1; 32]);
            assert!(cache.get(&[1; 32]).is_none());
            cache.insert(Rc::new(token_with_fingerprint([1; 32])));
            assert!(cache.arrivals.len() <= 2);
        }
        assert!(cache.get(&[1; 32]).is_some());
    }
}
