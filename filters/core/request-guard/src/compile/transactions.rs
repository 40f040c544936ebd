//! Which transaction tokens are taken up, and which go on.

use std::rc::Rc;

use access_tokens::{Algorithm, Mint, TransactionTerms, TransactionVerifier};

use super::downscope::transaction_mint;
use super::{Compiled, algorithms, wrong};
use crate::config;
use crate::downscope::Downscope;
use crate::host::Host;
use crate::transaction::{Accepted, Begun, Transactions};

/// With what our own tokens may be signed.
const OWN: [Algorithm; 2] = [Algorithm::ES256, Algorithm::EdDSA];

pub(super) fn transactions(
    tokens: Option<&config::Tokens>,
    out: Option<(&config::Downscope, &Downscope)>,
    limits: &config::Limits,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<Transactions> {
    let begun = match out {
        None => None,
        Some((config, downscope)) => match &config.transaction_token {
            None => None,
            Some(terms) => Some(begun(terms, transaction_mint(config, downscope, host, warnings)?)?),
        },
    };
    let accepted = tokens.and_then(|tokens| Some((tokens, tokens.transaction_tokens.as_ref()?)));
    if let (Some((_, accepted)), Some((downscope, _))) = (accepted, out) {
        match &downscope.transaction_token {
            None => {
                let problem = "nothing would go on in their place; write `downscope.transaction_token` too";
                return Err(wrong("tokens.transaction_tokens", problem));
            }
            Some(own) if own.audience != accepted.audience => {
                let problem = "a transaction stays in its trust domain: write what `downscope.transaction_token` has";
                return Err(wrong("tokens.transaction_tokens.audience", problem));
            }
            Some(_) => {}
        }
    }
    let own = begun.as_ref().map(|begun| &*begun.mint);
    let accepted = accepted.map(|(tokens, accepted)| acceptance(tokens, accepted, own, limits, host)).transpose()?;
    Ok(Transactions { accepted, begun })
}

fn begun(terms: &config::TransactionToken, mint: Rc<Mint>) -> Compiled<Begun> {
    named("downscope.transaction_token.audience", &terms.audience)?;
    let terms = TransactionTerms::new(terms.audience.clone(), terms.ttl_seconds)
        .map_err(|error| wrong("downscope.transaction_token.ttl_seconds", error))?;
    Ok(Begun { mint, terms })
}

fn acceptance(
    tokens: &config::Tokens,
    accepted: &config::TransactionTokens,
    own: Option<&Mint>,
    limits: &config::Limits,
    host: &Host<'_>,
) -> Compiled<Accepted> {
    let field = |name: &str| format!("tokens.transaction_tokens.{name}");
    named(&field("audience"), &accepted.audience)?;
    let audience = accepted.audience.clone();
    let verifier = match (&accepted.jwks, own) {
        (None, None) => return Err(wrong(&field("jwks"), "write the key set of who signs the tokens")),
        (None, Some(_)) if !accepted.algorithms.is_empty() => {
            return Err(wrong(&field("algorithms"), "our own keys have theirs; leave it out, or write `jwks` too"));
        }
        (None, Some(mint)) => TransactionVerifier::new(audience, mint.public_jwks(), &OWN),
        (Some(config::Jwks { inline: Some(jwks), cluster: None, uri: None, refresh_seconds: None }), _) => {
            if accepted.algorithms.is_empty() {
                return Err(wrong(&field("algorithms"), "name at least one algorithm, for instance `ES256`"));
            }
            let algorithms = algorithms(&field("algorithms"), &accepted.algorithms)?;
            TransactionVerifier::new(audience, jwks, &algorithms)
        }
        (Some(_), _) => return Err(wrong(&field("jwks"), "write it as `inline`; these keys are not fetched")),
    };
    let verifier = verifier.map_err(|error| wrong(&field("jwks"), error))?;
    let verifier = verifier.with_lifetime(tokens.clock_skew_seconds, tokens.max_lifetime_seconds);
    let verifier = verifier.map_err(|error| wrong("tokens", error))?.with_host(host.crypto.clone());
    Ok(Accepted { verifier, max_bytes: limits.max_token_bytes })
}

fn named(field: &str, audience: &str) -> Compiled<()> {
    if audience.is_empty() { Err(wrong(field, "name the trust domain, as in `acme.example`")) } else { Ok(()) }
}
