//! From the configuration as it is written to a [`Guard`].

use access_policy::Policies;
use access_tokens::{Algorithm, ClaimPaths, IssuerConfig, Mint, MintConfig, TokenVerifier};
use agent_messages::Limits;
use peer_identity::{Source, TrustDomain};
use serde_json::Value;
use thiserror::Error;

use crate::config::{self, Configuration};
use crate::guard::{Downscope, Guard};
use crate::server::Server;

/// How many verified tokens one worker remembers.
const TOKEN_CACHE_ENTRIES: usize = 4_096;

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}`: {problem}")]
pub struct ConfigurationError {
    /// The path of the field, as in `tokens.issuers[0].jwks`.
    pub field: String,
    /// What is wrong with it and what to write instead.
    pub problem: String,
}

type Compiled<T> = Result<T, ConfigurationError>;

pub(crate) fn guard(configuration: Value, environment: impl Fn(&str) -> Option<String>) -> Compiled<Guard> {
    let config: Configuration = serde_path_to_error::deserialize(configuration).map_err(|error| {
        let field = error.path().to_string();
        wrong(if field == "." { "configuration" } else { &field }, error.inner())
    })?;
    refuse_what_is_not_built(&config)?;
    let mut warnings = Vec::new();
    let servers = servers(&config)?;
    let policies = policies(&config)?;
    warnings.extend(policies.warnings().iter().cloned());
    let downscope = downscope(&config, environment, &mut warnings)?;
    Ok(Guard {
        servers,
        sources: sources(&config.identity, &mut warnings)?,
        trust_domains: trust_domains(&config.identity)?,
        identity_required: config.identity.required,
        tokens_required: config.tokens.required,
        max_token_bytes: config.limits.max_token_bytes,
        verifier: verifier(&config)?,
        policies,
        downscope,
        limits: limits(&config.limits)?,
        hide_denied: config.hide_denied,
        audit: config.audit,
        warnings,
    })
}

/// Fields of the contract whose work is not done yet are refused, never ignored.
fn refuse_what_is_not_built(config: &Configuration) -> Compiled<()> {
    let unless = |built: bool, field: &str, problem: &str| if built { Ok(()) } else { Err(wrong(field, problem)) };
    for (at, server) in config.servers.iter().enumerate() {
        let field = |name: &str| format!("servers[{at}].{name}");
        unless(server.extra_methods.is_empty(), &field("extra_methods"), "not supported yet; leave it empty")?;
    }
    let refused = config.batches == config::Batches::Refuse;
    unless(refused, "batches", "`authorize_each` is not supported yet; write `refuse`")?;
    let enforced = config.policy.enforcement == config::Enforcement::Enforce;
    unless(enforced, "policy.enforcement", "`shadow` is not supported yet; write `enforce`")?;
    unless(config.policy.shadow.is_empty(), "policy.shadow", "not supported yet; leave it empty")?;
    unless(
        config.hold_headers,
        "hold_headers",
        "`false` is not supported yet; set `allow_on_headers_stop_iteration: true` on the plugin and leave this out",
    )
}

fn servers(config: &Configuration) -> Compiled<Vec<Server>> {
    if config.servers.is_empty() {
        return Err(wrong("servers", "name at least one server; a request for no server is refused"));
    }
    let mut compiled: Vec<Server> = Vec::with_capacity(config.servers.len());
    for (at, server) in config.servers.iter().enumerate() {
        let field = |name: &str| format!("servers[{at}].{name}");
        if !is_server_name(&server.name) {
            return Err(wrong(
                &field("name"),
                format!("`{}` is no server name: use lower-case letters, digits, `-`, `_` and `.`", server.name),
            ));
        }
        if compiled.iter().any(|other| other.name == server.name) {
            return Err(wrong(&field("name"), format!("`{}` is the name of an earlier server", server.name)));
        }
        if let Some(hosts) = &server.matches.hosts {
            if hosts.is_empty() {
                return Err(wrong(&field("match.hosts"), "name at least one host, or leave `hosts` out"));
            }
            if let Some(odd) = hosts.iter().find(|host| crate::server::host_of(host.as_bytes()).as_ref() != Some(host))
            {
                let problem = format!("`{odd}` is no host: write it in lower case, without scheme, port and path");
                return Err(wrong(&field("match.hosts"), problem));
            }
        }
        if let Some(prefix) = &server.matches.path_prefix
            && crate::path::Path::parse(prefix.as_bytes()).is_none_or(|(_, query)| !query.is_empty())
        {
            return Err(wrong(&field("match.path_prefix"), format!("`{prefix}` is no path: start it with `/`")));
        }
        let compile = Server::compile(server, config.tokens.resource_metadata.as_ref());
        compiled.push(compile.map_err(|_| {
            let problem = format!("`{}` is no resource identifier: write an https URL", server.audience);
            wrong(&field("audience"), problem)
        })?);
    }
    if let Some(metadata) = &config.tokens.resource_metadata
        && metadata.authorization_servers.is_empty()
    {
        let field = "tokens.resource_metadata.authorization_servers";
        return Err(wrong(field, "name at least one authorization server (RFC 9728 as MCP requires it)"));
    }
    Ok(compiled)
}

/// Server names become a part of Cedar ids (`Tool::"<server>/<tool>"`) and of audit lines.
fn is_server_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    (1..=63).contains(&name.len()) && name.bytes().all(plain)
}

fn sources(identity: &config::Identity, warnings: &mut Vec<String>) -> Compiled<Vec<Source>> {
    if identity.sources.is_empty() {
        return Err(wrong("identity.sources", "name at least one of `tls`, `waypoint`, `xfcc`"));
    }
    if identity.sources.contains(&config::Source::Xfcc) {
        warnings.push("`identity.sources` trusts x-forwarded-client-cert: the hop before must set it anew".to_owned());
    }
    Ok(identity
        .sources
        .iter()
        .map(|source| match source {
            config::Source::Tls => Source::Tls,
            config::Source::Waypoint => Source::Waypoint,
            config::Source::Xfcc => Source::Xfcc,
        })
        .collect())
}

fn trust_domains(identity: &config::Identity) -> Compiled<Vec<TrustDomain>> {
    if identity.trust_domains.is_empty() {
        return Err(wrong("identity.trust_domains", "name the trust domains whose workloads may call"));
    }
    let parse = |(at, text): (usize, &String)| {
        TrustDomain::parse(text).map_err(|error| wrong(&format!("identity.trust_domains[{at}]"), error))
    };
    identity.trust_domains.iter().enumerate().map(parse).collect()
}

fn verifier(config: &Configuration) -> Compiled<TokenVerifier> {
    let tokens = &config.tokens;
    if tokens.required && tokens.issuers.is_empty() {
        return Err(wrong("tokens.issuers", "name at least one issuer, or set `tokens.required: false`"));
    }
    let issuers = tokens.issuers.iter().enumerate().map(|(at, issuer)| issuer_config(at, issuer));
    let issuers = issuers.collect::<Compiled<Vec<_>>>()?;
    TokenVerifier::new(issuers, tokens.clock_skew_seconds, tokens.max_lifetime_seconds, TOKEN_CACHE_ENTRIES)
        .map_err(|error| wrong("tokens.issuers", error))
}

fn issuer_config(at: usize, issuer: &config::Issuer) -> Compiled<IssuerConfig> {
    let field = |name: &str| format!("tokens.issuers[{at}].{name}");
    let jwks = match &issuer.jwks {
        config::Jwks { inline: Some(inline), cluster: None, uri: None, refresh_seconds: None } => inline.clone(),
        config::Jwks { inline: None, .. } => {
            return Err(wrong(&field("jwks"), "keys from a cluster are not supported yet; write the set in `inline`"));
        }
        _ => return Err(wrong(&field("jwks"), "write either `inline` or `cluster` and `uri`, not both")),
    };
    if issuer.algorithms.is_empty() {
        return Err(wrong(&field("algorithms"), "name at least one algorithm, for instance `RS256`"));
    }
    let algorithm = |(n, name): (usize, &String)| {
        name.parse::<Algorithm>().map_err(|error| wrong(&format!("tokens.issuers[{at}].algorithms[{n}]"), error))
    };
    Ok(IssuerConfig {
        issuer: issuer.issuer.clone(),
        jwks,
        algorithms: issuer.algorithms.iter().enumerate().map(algorithm).collect::<Compiled<_>>()?,
        token_types: issuer.token_types.clone(),
        claims: ClaimPaths { groups: issuer.claims.groups.clone(), roles: issuer.claims.roles.clone() },
    })
}

fn policies(config: &Configuration) -> Compiled<Policies> {
    let servers: Vec<_> = config.servers.iter().map(catalogue).collect();
    Policies::compile(&config.policy.cedar, &config.policy.entities, &servers)
        .map_err(|error| wrong(&error.field(), error))
}

fn catalogue(server: &config::Server) -> access_policy::Server {
    let tool = |(name, tool): (&String, &config::Tool)| {
        let hints = access_policy::Hints {
            read_only: tool.hints.read_only,
            destructive: tool.hints.destructive,
            idempotent: tool.hints.idempotent,
            open_world: tool.hints.open_world,
        };
        (name.clone(), access_policy::ToolEntry { groups: tool.groups.clone(), hints, data_class: tool.data_class })
    };
    let resource = |(uri, resource): (&String, &config::Resource)| {
        let entry = access_policy::ResourceEntry { groups: resource.groups.clone(), data_class: resource.data_class };
        (uri.clone(), entry)
    };
    access_policy::Server {
        name: server.name.clone(),
        protocol: server.protocol,
        groups: server.groups.clone(),
        tools: server.tools.iter().map(tool).collect(),
        resources: server.resources.iter().map(resource).collect(),
    }
}

fn downscope(
    config: &Configuration,
    environment: impl Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) -> Compiled<Downscope> {
    let downscope = &config.downscope;
    if downscope.exchange.is_some() || downscope.strategy == config::Strategy::Exchange {
        return Err(wrong("downscope.exchange", "not supported yet; use `strategy: mint`"));
    }
    match (downscope.strategy, &downscope.mint) {
        (config::Strategy::Mint, Some(mint)) => Ok(Downscope::Mint(Box::new(mint_of(mint, environment)?))),
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

fn mint_of(mint: &config::Mint, environment: impl Fn(&str) -> Option<String>) -> Compiled<Mint> {
    let field = |name: &str| format!("downscope.mint.{name}");
    if mint.algorithm != "ES256" {
        return Err(wrong(&field("algorithm"), format!("`{}` is not supported; write `ES256`", mint.algorithm)));
    }
    let private_key_pem = environment(&mint.signing_key_env).ok_or_else(|| {
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
    .map_err(|error| wrong("downscope.mint", error))
}

fn limits(limits: &config::Limits) -> Compiled<Limits> {
    let named = [
        ("max_body_bytes", limits.max_body_bytes),
        ("max_json_depth", limits.max_json_depth),
        ("max_json_nodes", limits.max_json_nodes),
        ("max_token_bytes", limits.max_token_bytes),
        ("max_sse_event_bytes", limits.max_sse_event_bytes),
    ];
    if let Some((name, _)) = named.iter().find(|(_, limit)| *limit == 0) {
        return Err(wrong(&format!("limits.{name}"), "0 would refuse everything; leave it out for the default"));
    }
    if limits.max_json_depth > MAX_JSON_DEPTH {
        let problem = format!("at most {MAX_JSON_DEPTH}: deeper values would exhaust the stack of the VM");
        return Err(wrong("limits.max_json_depth", problem));
    }
    Ok(Limits {
        max_body_bytes: limits.max_body_bytes,
        max_json_depth: limits.max_json_depth,
        max_json_nodes: limits.max_json_nodes,
        max_sse_event_bytes: limits.max_sse_event_bytes,
    })
}

/// Cedar has no recursion guard inside wasm; far below where it was seen to trap (800).
const MAX_JSON_DEPTH: usize = 64;

fn wrong(field: &str, problem: impl ToString) -> ConfigurationError {
    ConfigurationError { field: field.to_owned(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests;
