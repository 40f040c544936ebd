//! Proofs of possession.

use std::rc::Rc;

use access_tokens::{DpopConfig, DpopNonces, DpopVerifier};

use super::sessions::hmac_keys;
use super::{Compiled, algorithms, wrong};
use crate::config;
use crate::host::Host;
use crate::possession::PossessionCheck;

/// A proof is good for seconds (RFC 9449 section 11.1); what is longer would fill the memory of those that were used.
const MAX_AGE_SECONDS: u64 = 300;
const MAX_NONCE_SECONDS: u64 = 86_400;

pub(super) fn dpop(
    dpop: &config::Dpop,
    tokens: &config::Tokens,
    limits: &config::Limits,
    host: &Host<'_>,
) -> Compiled<PossessionCheck> {
    if dpop.algorithms.is_empty() {
        return Err(wrong("tokens.dpop.algorithms", "name at least one algorithm, for instance `ES256`"));
    }
    let algorithms = algorithms("tokens.dpop.algorithms", &dpop.algorithms)?;
    if !(1..=MAX_AGE_SECONDS).contains(&dpop.max_age_seconds) {
        return Err(wrong("tokens.dpop.max_age_seconds", format!("write from 1 to {MAX_AGE_SECONDS} seconds")));
    }
    let config = DpopConfig {
        algorithms,
        required: dpop.required,
        max_age_seconds: dpop.max_age_seconds,
        clock_skew_seconds: tokens.clock_skew_seconds,
        max_bytes: limits.max_token_bytes,
        nonces: dpop.nonce.as_ref().map(|nonce| nonces(nonce, host)).transpose()?,
    };
    Ok(PossessionCheck {
        verifier: DpopVerifier::new(config, host.crypto.clone()),
        replays: (host.replays)().map_err(|error| wrong("tokens.dpop", error))?,
        algorithms: Rc::from(dpop.algorithms.join(" ")),
    })
}

fn nonces(nonce: &config::Nonce, host: &Host<'_>) -> Compiled<DpopNonces> {
    if !(1..=MAX_NONCE_SECONDS).contains(&nonce.lifetime_seconds) {
        let problem = format!("write from 1 to {MAX_NONCE_SECONDS} seconds");
        return Err(wrong("tokens.dpop.nonce.lifetime_seconds", problem));
    }
    let keys = hmac_keys("tokens.dpop.nonce.keys", &nonce.keys, host)?;
    DpopNonces::new(&keys, nonce.lifetime_seconds)
        .ok_or_else(|| wrong("tokens.dpop.nonce.keys", "name at least one key, or leave `nonce` out"))
}
