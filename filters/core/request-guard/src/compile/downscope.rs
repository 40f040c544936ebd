//! What goes on in place of the caller's token.

use std::rc::Rc;

use access_tokens::{Mint, MintConfig, MintConfigError, PublicSigningKey};

use super::signing_key::{WrittenKey, algorithm, signing_key, wrong_key};
use super::{Compiled, exchange, unless, wrong};
use crate::config;
use crate::downscope::Downscope;
use crate::host::Host;

pub(super) fn downscope(
    downscope: &config::Downscope,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<Downscope> {
    match (downscope.strategy, &downscope.exchange) {
        (config::Strategy::Exchange, Some(written)) => {
            let problem = "`downscope.exchange` says it (`audience`, `resource`, `scope`); leave it out";
            not_granted(downscope, problem)?;
            let mint = downscope.mint.as_ref().map(|mint| mint_of(mint, host, warnings).map(Rc::new)).transpose()?;
            let exchanger = exchange::exchanger(written, mint, host, warnings)?;
            let problem = "nothing is minted: write `subject_token: minted` or `actor_token: minted` in \
                           `downscope.exchange`, or leave it out";
            let signs = exchanger.mint.is_none() || exchanger.exchange.mints() || downscope.transaction_token.is_some();
            unless(signs, "downscope.mint", problem)?;
            return Ok(Downscope::Exchange(Box::new(exchanger)));
        }
        (config::Strategy::Exchange, None) => {
            return Err(wrong("downscope.exchange", "`strategy: exchange` needs it"));
        }
        (_, Some(_)) => {
            let problem = "it is used with `strategy: exchange` only; leave it out";
            return Err(wrong("downscope.exchange", problem));
        }
        (_, None) => {}
    }
    // What signs transaction tokens is there for any strategy.
    let for_tokens = downscope.strategy == config::Strategy::Mint || downscope.transaction_token.is_none();
    match (downscope.strategy, downscope.mint.as_ref().filter(|_| for_tokens)) {
        (config::Strategy::Mint, Some(mint)) => Ok(Downscope::Mint(Rc::new(mint_of(mint, host, warnings)?))),
        (config::Strategy::Mint, None) => Err(wrong("downscope.mint", "`strategy: mint` needs it")),
        (_, Some(_)) => Err(wrong("downscope.mint", "it is used with `strategy: mint` only; leave it out")),
        (config::Strategy::DangerForwardClientToken, None) => {
            let warning = "`downscope.strategy: danger_forward_client_token`: upstreams receive the caller's own \
                           token and can use it elsewhere; MCP forbids this";
            warnings.push(warning.to_owned());
            Ok(Downscope::ForwardClientToken)
        }
        (config::Strategy::Remove | config::Strategy::Exchange, None) => Ok(Downscope::Remove),
    }
}

/// What signs transaction tokens: the mint that there is, or one that makes nothing else.
pub(super) fn transaction_mint(
    config: &config::Downscope,
    downscope: &Downscope,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<Rc<Mint>> {
    match (downscope.mint(), &config.mint) {
        (Some(mint), _) => Ok(Rc::clone(mint)),
        (_, Some(mint)) => mint_of(mint, host, warnings).map(Rc::new),
        (_, None) => Err(wrong("downscope.mint", "`transaction_token` is signed with its key")),
    }
}

fn mint_of(mint: &config::Mint, host: &Host<'_>, warnings: &mut Vec<String>) -> Compiled<Mint> {
    let written = WrittenKey {
        algorithm: &mint.algorithm,
        key_id: &mint.key_id,
        signing_key_env: mint.signing_key_env.as_deref(),
        signing_key: mint.signing_key.as_deref(),
    };
    let key = signing_key("downscope.mint", &written, host, warnings)?;
    let published = mint.published_keys.iter().enumerate();
    let published_keys =
        published.map(|(at, key)| published_key(&format!("downscope.mint.published_keys[{at}]"), key, host, warnings));
    let config = MintConfig {
        issuer: mint.issuer.clone(),
        key,
        published_keys: published_keys.collect::<Compiled<_>>()?,
        ttl_seconds: mint.ttl_seconds,
    };
    Mint::new(config).map(|mint| mint.with_host(&host.crypto)).map_err(|error| {
        let field = match &error {
            MintConfigError::Issuer => "issuer".to_owned(),
            MintConfigError::Ttl { .. } => "ttl_seconds".to_owned(),
            MintConfigError::DuplicateKeyId { index, .. } => format!("published_keys[{index}].key_id"),
            MintConfigError::SameKey { index, .. } => format!("published_keys[{index}]"),
        };
        wrong(&format!("downscope.mint.{field}"), error)
    })
}

/// The public half, or the private one of which it is made.
fn published_key(
    field: &str,
    key: &config::PublishedKey,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<PublicSigningKey> {
    match (&key.public_key, &key.signing_key_env, &key.signing_key) {
        (Some(pem), None, None) => {
            let algorithm = algorithm(field, &key.algorithm)?;
            PublicSigningKey::from_pem(algorithm, key.key_id.clone(), pem)
                .map_err(|error| wrong_key(field, "public_key", error))
        }
        (None, signing_key_env, private) if signing_key_env.is_some() || private.is_some() => {
            let written = WrittenKey {
                algorithm: &key.algorithm,
                key_id: &key.key_id,
                signing_key_env: signing_key_env.as_deref(),
                signing_key: private.as_deref(),
            };
            signing_key(field, &written, host, warnings).map(|key| key.public())
        }
        _ => Err(wrong(field, "write one of `public_key`, `signing_key_env` and `signing_key`")),
    }
}

/// What policy grants can't be configured beside it.
pub(super) fn granted_by_policy(downscope: &config::Downscope) -> Compiled<()> {
    let problem =
        "policy grants it (`@downscope_audience`, `@downscope_scope`); only `jwt_auth` without policies takes it";
    not_granted(downscope, problem)
}

fn not_granted(downscope: &config::Downscope, problem: &str) -> Compiled<()> {
    match &downscope.mint {
        Some(mint) if mint.audience.is_some() => Err(wrong("downscope.mint.audience", problem)),
        Some(mint) if mint.scopes.is_some() => Err(wrong("downscope.mint.scopes", problem)),
        Some(_) | None => Ok(()),
    }
}
