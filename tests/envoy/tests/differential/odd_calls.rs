//! Good calls of MCP, each made odd in one way or several: always the same ones for the same seed.

mod changes;
mod draft;
mod numbers;

use testbed::{Body, HttpCall};

use self::changes::CHANGES;
use self::draft::Draft;
use self::numbers::Numbers;

/// A call that is odd somewhere.
#[derive(Debug, Clone)]
pub(crate) struct OddCall {
    /// What was done to it.
    pub(crate) what: String,
    headers: Vec<(String, Vec<u8>)>,
    path: String,
    body: Vec<u8>,
    in_pieces: bool,
}

/// The tool that nobody may call.
pub(crate) const FORBIDDEN_TOOL: &str = "delete_all";
/// Nobody may call any tool with this as its argument `target`.
pub(crate) const FORBIDDEN_TARGET: &str = "production";
/// Nobody may call any tool with more than this as its argument `amount`.
pub(crate) const MOST_AMOUNT: i64 = 100;

// === impl OddCall ===

impl OddCall {
    /// So many of them.
    pub(crate) fn many(seed: u64, count: usize) -> Vec<Self> {
        let mut numbers = Numbers::new(seed);
        (0..count).map(|_| Self::one(&mut numbers)).collect()
    }

    fn one(numbers: &mut Numbers) -> Self {
        let mut draft = Draft::good(numbers);
        let mut what = vec![draft.what.clone()];
        // Some stay good, or a change could not be told from what it is done to.
        let changes = usize::from(!numbers.one_in(6)) + usize::from(numbers.one_in(4)) + usize::from(numbers.one_in(8));
        for _ in 0..changes {
            let (name, change) = numbers.one_of(&CHANGES);
            what.push((*name).to_owned());
            change(&mut draft, numbers);
        }
        let body = draft.body();
        Self { what: what.join(", "), headers: draft.headers, path: draft.path, body, in_pieces: draft.in_pieces }
    }

    /// As HTTP, to the server that answers for `host`.
    pub(crate) fn to(&self, host: &str) -> HttpCall {
        let call = HttpCall::new("POST", host, &self.path).body(Body::Whole(self.body.clone().into()));
        let call = self.headers.iter().fold(call, |call, (name, value)| call.header(name, value.clone()));
        if self.in_pieces { call.in_pieces(7, &[]) } else { call }
    }

    /// Headers and body, for people.
    pub(crate) fn text(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)));
        format!("{}\n{}\n{}", self.path, headers.collect::<String>(), String::from_utf8_lossy(&self.body))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_calls() {
        let text = |seed| OddCall::many(seed, 50).iter().map(OddCall::text).collect::<Vec<_>>();
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }

    #[test]
    fn every_change_is_made_and_few_calls_are_alike() {
        let calls = OddCall::many(7, 2_000);
        for (name, _) in CHANGES {
            assert!(calls.iter().any(|call| call.what.contains(name)), "{name}");
        }
        let texts: BTreeSet<_> = calls.iter().map(OddCall::text).collect();
        assert!(texts.len() > 1_500, "{}", texts.len());
    }
}
