//! From configurations as they are written to filters.

mod algorithms;
mod callers;
mod downscope;
mod dpop;
mod endpoint;
mod environment;
mod exchange;
mod extra_methods;
mod jwt_svid;
mod keys;
mod limits;
mod policy;
mod servers;
mod sessions;
mod signing_key;
mod transactions;

use std::rc::Rc;

use agent_messages::Batches;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::answer::AnswerRules;
use crate::config::{self, Protocol};
use crate::downscope::Downscope;
use crate::host::Host;
use crate::policy::PolicyCheck;
use crate::review::Filter;
use crate::server::Announced;
use crate::stages::agent_guard::Guard;
use crate::stages::cedar_authz::CedarAuthz;
use crate::stages::jwt_auth::{ConfiguredGrant, JwtAuth, Work};
use crate::stages::mcp_parser::McpParser;
use crate::stages::spiffe_identity::SpiffeIdentity;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}`: {problem}")]
pub struct ConfigurationError {
    /// The path of the field, as in `tokens.issuers[0].jwks`.
    pub field: String,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

use self::algorithms::algorithms;
use self::endpoint::endpoint;

type Compiled<T> = Result<T, ConfigurationError>;

/// The protocols whose messages are read.
const JUDGED: &[Protocol] = &[Protocol::Mcp, Protocol::A2a];
/// Where there are messages, policy grants; for what has none, the configuration does.
const UNJUDGED: &[Protocol] = &[Protocol::Http];

pub(crate) fn guard(configuration: Value, host: &Host<'_>) -> Compiled<Guard> {
    let config: config::AgentGuard = read(configuration)?;
    downscope::granted_by_policy(&config.downscope)?;
    let mut warnings = Vec::new();
    let servers = servers::servers(&config.servers, config.tokens.announced(), Some(JUDGED))?;
    let (policies, shadow) = policy::enforced(&config.policy, &config.servers, &mut warnings)?;
    if !config.hold_headers {
        warnings.push(
            "`hold_headers: false`: headers go on before the body is judged, with a token for the tool or for the \
             whole server; set `allow_on_headers_stop_iteration: true` on the plugin where that is possible"
                .to_owned(),
        );
    }
    if !config.hold_headers && config.hide_denied {
        warnings.push(
            "`hide_denied` without held headers: a tool that is denied whatever its arguments are is told from one that is \
             missing, because it is denied before its request's id is known"
                .to_owned(),
        );
    }
    let downscope = downscope::downscope(&config.downscope, host, &mut warnings)?;
    let out = Some((&config.downscope, &downscope));
    let transactions = transactions::transactions(Some(&config.tokens), out, &config.limits, host, &mut warnings)?;
    let sessions = sessions::sessions(config.sessions.as_ref(), &config.servers, host, &mut warnings)?;
    Ok(Guard {
        servers,
        identity: callers::identity(&config.identity, host, &mut warnings)?,
        tokens: callers::tokens(&config.tokens, &config.limits, host)?,
        digest: Rc::from(policies.digest()),
        rules: Rc::new(AnswerRules {
            policy: PolicyCheck { policies, shadow, hide_denied: config.hide_denied },
            limits: limits::limits(&config.limits)?,
            sessions,
        }),
        downscope,
        transactions,
        batches: batches(config.batches),
        audit: config.audit,
        hold_headers: config.hold_headers,
        warnings,
    })
}

pub(crate) fn spiffe_identity(configuration: Value, host: &Host<'_>) -> Compiled<SpiffeIdentity> {
    let config: config::SpiffeIdentity = read(configuration)?;
    let mut warnings = Vec::new();
    let identity = callers::identity(&config.identity, host, &mut warnings)?;
    Ok(SpiffeIdentity { identity, audit: config.audit, warnings })
}

pub(crate) fn mcp_parser(configuration: Value) -> Compiled<McpParser> {
    let config: config::McpParser = read(configuration)?;
    Ok(McpParser {
        servers: servers::servers(&config.servers, None, Some(JUDGED))?,
        limits: limits::limits(&config.limits)?,
        batches: batches(config.batches),
        set_headers: config.set_headers,
        audit: config.audit,
    })
}

pub(crate) fn cedar_authz(configuration: Value, host: &Host<'_>) -> Compiled<CedarAuthz> {
    let config: config::CedarAuthz = read(configuration)?;
    let metadata = config.tokens.as_ref().and_then(|tokens| tokens.resource_metadata.as_ref());
    let metadata = metadata.map(|metadata| Announced { metadata, dpop: None });
    let servers = servers::servers(&config.servers, metadata, Some(JUDGED))?;
    let mut warnings = Vec::new();
    let (policies, shadow) = policy::enforced(&config.policy, &config.servers, &mut warnings)?;
    let sessions = sessions::sessions(config.sessions.as_ref(), &config.servers, host, &mut warnings)?;
    Ok(CedarAuthz {
        servers,
        tokens: config.tokens.as_ref().map(callers::proxy_tokens).transpose()?,
        warnings,
        digest: Rc::from(policies.digest()),
        rules: Rc::new(AnswerRules {
            policy: PolicyCheck { policies, shadow, hide_denied: config.hide_denied },
            limits: limits::limits(&config.limits)?,
            sessions,
        }),
        audit: config.audit,
    })
}

/// The servers and the policies alone.
pub(crate) fn policies_of(
    filter: Filter,
    configuration: Value,
) -> Compiled<(Vec<access_policy::Server>, access_policy::Policies, config::Policy)> {
    let (servers, policy) = match filter {
        Filter::AgentGuard => {
            read::<config::AgentGuard>(configuration).map(|config| (config.servers, config.policy))?
        }
        Filter::CedarAuthz => {
            read::<config::CedarAuthz>(configuration).map(|config| (config.servers, config.policy))?
        }
    };
    let policies = policy::policies(&policy, &servers)?;
    Ok((servers.iter().map(policy::catalogue).collect(), policies, policy))
}

pub(crate) fn jwt_auth(configuration: Value, host: &Host<'_>) -> Compiled<JwtAuth> {
    let config: config::JwtAuth = read(configuration)?;
    let mut warnings = Vec::new();
    limits::limits(&config.limits)?;
    let (tokens, limits) = (config.tokens.as_ref(), &config.limits);
    let transactions = |out, warnings: &mut _| transactions::transactions(tokens, out, limits, host, warnings);
    let (work, transactions) = match (&config.tokens, &config.downscope) {
        (None, None) => return Err(wrong("configuration", "write `tokens`, or `downscope`, or both")),
        (Some(tokens), None) => {
            let work = Work::Validate {
                servers: servers::servers(&config.servers, tokens.announced(), None)?,
                tokens: Box::new(callers::tokens(tokens, &config.limits, host)?),
            };
            (work, transactions(None, &mut warnings)?)
        }
        (None, Some(written)) => {
            downscope::granted_by_policy(written)?;
            unless(config.servers.is_empty(), "servers", "the filters before this one know the server; leave it out")?;
            let downscope = downscope::downscope(written, host, &mut warnings)?;
            let strategy = "the token was taken off by the `jwt_auth` that checked it; use `agent_guard` for that";
            unless(!matches!(downscope, Downscope::ForwardClientToken), "downscope.strategy", strategy)?;
            let subject = "the caller's token was taken off by the `jwt_auth` that checked it; write `minted`, with a \
                           `downscope.mint` for it, or use `agent_guard`";
            unless(!downscope.sends_callers_token(), "downscope.exchange.subject_token", subject)?;
            let transactions = transactions(Some((written, &downscope)), &mut warnings)?;
            (Work::Downscope(downscope), transactions)
        }
        (Some(tokens), Some(written)) => {
            let mint = written.mint.as_ref();
            let grant = ConfiguredGrant {
                audience: mint.and_then(|mint| mint.audience.clone()),
                scopes: mint.and_then(|mint| mint.scopes.clone()).map(|all| all.into_iter().collect()),
            };
            let downscope = downscope::downscope(written, host, &mut warnings)?;
            let transactions = transactions(Some((written, &downscope)), &mut warnings)?;
            let work = Work::ValidateAndDownscope {
                servers: servers::servers(&config.servers, tokens.announced(), Some(UNJUDGED))?,
                tokens: Box::new(callers::tokens(tokens, &config.limits, host)?),
                downscope,
                grant,
            };
            (work, transactions)
        }
    };
    Ok(JwtAuth { work, transactions, audit: config.audit, warnings })
}

fn read<T: DeserializeOwned>(configuration: Value) -> Compiled<T> {
    serde_path_to_error::deserialize(configuration).map_err(|error| {
        let field = error.path().to_string();
        wrong(if field == "." { "configuration" } else { &field }, error.inner())
    })
}

fn batches(batches: config::Batches) -> Batches {
    match batches {
        config::Batches::Refuse => Batches::Refuse,
        config::Batches::AuthorizeEach => Batches::Read,
    }
}

fn unless(right: bool, field: &str, problem: &str) -> Compiled<()> {
    if right { Ok(()) } else { Err(wrong(field, problem)) }
}

fn wrong(field: &str, problem: impl ToString) -> ConfigurationError {
    ConfigurationError { field: field.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests;
