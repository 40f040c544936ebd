//! What goes on in place of the caller's token.

use access_tokens::{Mint, MintConfig};

use super::{Compiled, wrong};
use crate::config;
use crate::downscope::Downscope;
use crate::host::Host;

pub(super) fn downscope(
    downscope: &config::Downscope,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<Downscope> {
    if downscope.exchange.is_some() || downscope.strategy == config::Strategy::Exchange {
        return Err(wrong("downscope.exchange", "not supported yet; use `strategy: mint`"));
    }
    match (downscope.strategy, &downscope.mint) {
        (config::Strategy::Mint, Some(mint)) => Ok(Downscope::Mint(Box::new(mint_of(mint, host)?))),
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

fn mint_of(mint: &config::Mint, host: &Host<'_>) -> Compiled<Mint> {
    let field = |name: &str| format!("downscope.mint.{name}");
    if mint.algorithm != "ES256" {
        return Err(wrong(&field("algorithm"), format!("`{}` is not supported; write `ES256`", mint.algorithm)));
    }
    let private_key_pem = (host.environment)(&mint.signing_key_env).ok_or_else(|| {
        let problem = format!(
            "the environment variable `{}` is not set; list it in the plugin's `vm_config.environment_variables`",
            mint.signing_key_env
        );
        wrong(&field("signing_key_env"), problem)
    })?;
    Mint::new(MintConfig {
        issuer: mint.issuer.clone(),
        key_id: mint.key_id.clone(),
        private_key_pem,
        ttl_seconds: mint.ttl_seconds,
    })
    .map(|mint| mint.with_host(&host.crypto))
    .map_err(|error| wrong("downscope.mint", error))
}

/// What policy grants can't be configured beside it.
pub(super) fn granted_by_policy(downscope: &config::Downscope) -> Compiled<()> {
    let problem =
        "policy grants it (`@downscope_audience`, `@downscope_scope`); only `jwt_auth` without policies takes it";
    match &downscope.mint {
        Some(mint) if mint.audience.is_some() => Err(wrong("downscope.mint.audience", problem)),
        Some(mint) if mint.scopes.is_some() => Err(wrong("downscope.mint.scopes", problem)),
        Some(_) | None => Ok(()),
    }
}
