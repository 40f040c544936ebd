//! Tokens whose signature was verified before.

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

use crate::token::VerifiedToken;

/// At most so many tokens, in two generations: when the young one is full, the old one is forgotten.
/// Only tokens with a good signature get in, so a caller can't fill it with noise.
#[derive(Debug)]
pub(crate) struct Cache {
    half: usize,
    young: HashMap<[u8; 32], Rc<VerifiedToken>>,
    old: HashMap<[u8; 32], Rc<VerifiedToken>>,
}

// === impl Cache ===

impl Cache {
    pub(crate) fn new(entries: usize) -> Self {
        Self { half: entries.div_ceil(2), young: HashMap::new(), old: HashMap::new() }
    }

    pub(crate) fn get(&mut self, fingerprint: &[u8; 32]) -> Option<Rc<VerifiedToken>> {
        if let Some(token) = self.young.get(fingerprint) {
            return Some(Rc::clone(token));
        }
        let token = self.old.remove(fingerprint)?;
        self.insert(Rc::clone(&token));
        Some(token)
    }

    pub(crate) fn insert(&mut self, token: Rc<VerifiedToken>) {
        if self.young.len() >= self.half {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(*token.fingerprint(), token);
    }

    pub(crate) fn remove(&mut self, fingerprint: &[u8; 32]) {
        self.young.remove(fingerprint);
        self.old.remove(fingerprint);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
