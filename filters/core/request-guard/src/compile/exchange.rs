//! Which authorization servers are asked for tokens, and how.

use std::rc::Rc;

use access_tokens::{
    ActorToken, ClientAuthentication, ExchangeConfig, ExchangeGrant, JWT_BEARER, Mint, SubjectToken, TOKEN_EXCHANGE,
    TokenEndpoint, TokenExchange, TokenType,
};

use super::signing_key::{WrittenKey, signing_key};
use super::{Compiled, endpoint, environment, unless, wrong};
use crate::config::{self, AuthMethod};
use crate::host::{Endpoint, Host};
use crate::server::resource_identifier;
use crate::token_exchange::Exchanger;

/// A request waits as long as this for its token.
const TIMEOUT_MILLISECONDS: u32 = 5_000;
/// Whoever loses the right to a token keeps it for as long as this at most.
const MAX_CACHE_SECONDS: u64 = 3_600;

/// What the configuration says of a token endpoint, wherever it does.
struct WrittenEndpoint<'a> {
    cluster: &'a str,
    uri: &'a str,
    client_id: &'a str,
    method: Option<AuthMethod>,
    secret_env: Option<&'a str>,
    key_env: Option<&'a str>,
    key_id: Option<&'a str>,
    algorithm: Option<&'a str>,
    assertion_audience: Option<&'a str>,
    timeout_milliseconds: Option<u32>,
}

pub(super) fn exchanger(
    written: &config::Exchange,
    mint: Option<Rc<Mint>>,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<Exchanger> {
    let (server, token_endpoint) = token_endpoint("downscope.exchange", &written.into(), host, warnings)?;
    let (identity_provider, grant) = grant(written, host, warnings)?;
    let (subject, actor_token) = sent(written, &grant, mint.as_ref())?;
    if written.cache_seconds > MAX_CACHE_SECONDS {
        let problem = format!("write at most {MAX_CACHE_SECONDS}; 0 keeps no token");
        return Err(wrong("downscope.exchange.cache_seconds", problem));
    }
    unless(
        written.audience.as_deref() != Some(""),
        "downscope.exchange.audience",
        "name the audience, or leave it out",
    )?;
    let config = ExchangeConfig {
        endpoint: token_endpoint,
        grant,
        subject,
        actor_token,
        audience: written.audience.clone(),
        resources: resources(&written.resource)?,
        scopes: scopes(written.scope.as_deref())?,
        same_subject: written.subject == config::Subject::Same,
        cache_seconds: written.cache_seconds,
    };
    Ok(Exchanger { exchange: TokenExchange::new(config), server, identity_provider, mint })
}

fn grant(
    written: &config::Exchange,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<(Option<Endpoint>, ExchangeGrant)> {
    let requested = written.requested_token_type.as_deref();
    let requested = requested.map(|name| kind("requested_token_type", name, &[TokenType::AccessToken, TokenType::Jwt]));
    let requested = requested.transpose()?;
    let without_request = |because: &str| {
        let problem = format!("{because}; leave it out");
        unless(requested.is_none(), "downscope.exchange.requested_token_type", &problem)
    };
    if let Some(id_jag) = &written.id_jag {
        unless(written.grant_type.is_none(), "downscope.exchange.grant_type", "`id_jag` says it; leave it out")?;
        without_request("`id_jag` says what is asked for")?;
        let problem = "write `resource` for whom the token is, and `id_jag.audience` for the server";
        unless(written.audience.is_none(), "downscope.exchange.audience", problem)?;
        let field = "downscope.exchange.id_jag";
        unless(!id_jag.audience.is_empty(), &format!("{field}.audience"), "write the issuer identifier of the server")?;
        let (endpoint, token_endpoint) = token_endpoint(field, &id_jag.into(), host, warnings)?;
        let grant = ExchangeGrant::IdJag { endpoint: Box::new(token_endpoint), audience: id_jag.audience.clone() };
        return Ok((Some(endpoint), grant));
    }
    match written.grant_type.as_deref() {
        None | Some(TOKEN_EXCHANGE) => Ok((None, ExchangeGrant::TokenExchange { requested })),
        Some(JWT_BEARER) => {
            without_request("this grant has no word for it")?;
            Ok((None, ExchangeGrant::JwtBearer))
        }
        Some(_) => Err(wrong("downscope.exchange.grant_type", format!("write `{TOKEN_EXCHANGE}` or `{JWT_BEARER}`"))),
    }
}

/// The tokens that are given away.
fn sent(
    written: &config::Exchange,
    grant: &ExchangeGrant,
    mint: Option<&Rc<Mint>>,
) -> Compiled<(SubjectToken, ActorToken)> {
    let needed = |field: &str| {
        let problem = "a `downscope.mint` has to say who signs it";
        mint.cloned().ok_or_else(|| wrong(&format!("downscope.exchange.{field}"), problem))
    };
    let subject = match written.subject_token {
        config::SubjectToken::Presented => {
            let kinds = [TokenType::AccessToken, TokenType::Jwt, TokenType::IdToken];
            let name = written.subject_token_type.as_deref().unwrap_or(TokenType::AccessToken.name());
            SubjectToken::Presented { kind: kind("subject_token_type", name, &kinds)? }
        }
        config::SubjectToken::Minted => {
            let problem = "a token that is minted is an access token; leave it out";
            unless(written.subject_token_type.is_none(), "downscope.exchange.subject_token_type", problem)?;
            SubjectToken::Minted(needed("subject_token")?)
        }
    };
    let actor_token = match written.actor_token {
        config::ActorToken::None => ActorToken::None,
        config::ActorToken::Minted => {
            let problem = "`jwt-bearer` has no actor tokens; leave it out";
            unless(!matches!(grant, ExchangeGrant::JwtBearer), "downscope.exchange.actor_token", problem)?;
            ActorToken::Minted(needed("actor_token")?)
        }
    };
    Ok((subject, actor_token))
}

fn kind(field: &str, name: &str, allowed: &[TokenType]) -> Compiled<TokenType> {
    TokenType::of(name).filter(|kind| allowed.contains(kind)).ok_or_else(|| {
        let names = allowed.iter().map(|kind| format!("`{}`", kind.name())).collect::<Vec<_>>();
        wrong(&format!("downscope.exchange.{field}"), format!("write one of {}", names.join(", ")))
    })
}

/// Absolute URLs without a fragment (RFC 8707 section 2).
fn resources(written: &config::Resources) -> Compiled<Vec<String>> {
    let resources = match written {
        config::Resources::One(resource) => std::slice::from_ref(resource),
        config::Resources::Many(resources) => resources,
    };
    for resource in resources {
        let problem = "write absolute URLs without a query or a fragment";
        unless(resource_identifier(resource).is_ok(), "downscope.exchange.resource", problem)?;
    }
    Ok(resources.to_vec())
}

/// RFC 6749 section 3.3.
fn scopes(written: Option<&[String]>) -> Compiled<Option<std::collections::BTreeSet<String>>> {
    let is_scope =
        |word: &String| !word.is_empty() && word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    match written {
        Some(words) if !words.iter().all(is_scope) => {
            Err(wrong("downscope.exchange.scope", "write a list of scopes, each without spaces and quotes"))
        }
        Some([]) => Err(wrong("downscope.exchange.scope", "name the scopes that the server knows, or leave it out")),
        words => Ok(words.map(|words| words.iter().cloned().collect())),
    }
}

/// Through whom a token endpoint is reached, and who the proxy is there.
fn token_endpoint(
    field: &str,
    written: &WrittenEndpoint<'_>,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<(Endpoint, TokenEndpoint)> {
    let timeout_milliseconds = written.timeout_milliseconds.unwrap_or(TIMEOUT_MILLISECONDS);
    let problem = "write from 10 to 60000 milliseconds";
    unless((10..=60_000).contains(&timeout_milliseconds), &format!("{field}.timeout_milliseconds"), problem)?;
    let endpoint = endpoint(field, written.cluster, written.uri, timeout_milliseconds)?;
    let problem = "write what the server calls this proxy";
    unless(!written.client_id.is_empty(), &format!("{field}.client_id"), problem)?;
    let token_endpoint = TokenEndpoint {
        uri: written.uri.to_owned(),
        client_id: written.client_id.to_owned(),
        authentication: authentication(field, written, host, warnings)?,
    };
    Ok((endpoint, token_endpoint))
}

fn authentication(
    field: &str,
    written: &WrittenEndpoint<'_>,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<ClientAuthentication> {
    let unused = |values: &[(&str, Option<&str>)], method: &str| {
        values.iter().try_for_each(|(name, value)| {
            let problem = format!("`{method}` does not use it; leave it out");
            unless(value.is_none(), &format!("{field}.{name}"), &problem)
        })
    };
    let of_key = [
        ("client_key_env", written.key_env),
        ("client_key_id", written.key_id),
        ("token_endpoint_auth_signing_alg", written.algorithm),
        ("client_assertion_audience", written.assertion_audience),
    ];
    match written.method.unwrap_or(AuthMethod::ClientSecretBasic) {
        AuthMethod::ClientSecretBasic => {
            unused(&of_key, "client_secret_basic")?;
            secret(field, written, host).map(ClientAuthentication::SecretBasic)
        }
        AuthMethod::ClientSecretPost => {
            unused(&of_key, "client_secret_post")?;
            secret(field, written, host).map(ClientAuthentication::SecretPost)
        }
        AuthMethod::PrivateKeyJwt => {
            unused(&[("client_secret_env", written.secret_env)], "private_key_jwt")?;
            let needed = |name: &str, value: Option<&str>| {
                let problem = "`private_key_jwt` needs it";
                value.map(str::to_owned).ok_or_else(|| wrong(&format!("{field}.{name}"), problem))
            };
            let algorithm = needed("token_endpoint_auth_signing_alg", written.algorithm)?;
            let (key_id, variable) =
                (needed("client_key_id", written.key_id)?, needed("client_key_env", written.key_env)?);
            let key = WrittenKey {
                algorithm: &algorithm,
                key_id: &key_id,
                signing_key_env: Some(&variable),
                signing_key: None,
            };
            let key = signing_key(field, &key, host, warnings).map_err(|error| of_client(field, error))?;
            let audience = written.assertion_audience.unwrap_or(written.uri).to_owned();
            Ok(ClientAuthentication::PrivateKeyJwt { key: Box::new(key.with_host(&host.crypto)), audience })
        }
    }
}

fn secret(field: &str, written: &WrittenEndpoint<'_>, host: &Host<'_>) -> Compiled<String> {
    let field = format!("{field}.client_secret_env");
    let variable = written.secret_env.ok_or_else(|| {
        let problem = "name the environment variable that has the client's secret, or write \
                       `token_endpoint_auth_method: private_key_jwt`";
        wrong(&field, problem)
    })?;
    environment::filled_variable(&field, variable, host)
}

/// Of a key that is a client's, the fields have other names.
fn of_client(field: &str, error: super::ConfigurationError) -> super::ConfigurationError {
    let name = match error.field.rsplit('.').next() {
        Some("key_id") => "client_key_id",
        Some("algorithm") => "token_endpoint_auth_signing_alg",
        _ => "client_key_env",
    };
    wrong(&format!("{field}.{name}"), error.problem)
}

// === impl WrittenEndpoint ===

impl<'a> From<&'a config::Exchange> for WrittenEndpoint<'a> {
    fn from(written: &'a config::Exchange) -> Self {
        Self {
            cluster: &written.cluster,
            uri: &written.uri,
            client_id: &written.client_id,
            method: written.token_endpoint_auth_method,
            secret_env: written.client_secret_env.as_deref(),
            key_env: written.client_key_env.as_deref(),
            key_id: written.client_key_id.as_deref(),
            algorithm: written.token_endpoint_auth_signing_alg.as_deref(),
            assertion_audience: written.client_assertion_audience.as_deref(),
            timeout_milliseconds: written.timeout_milliseconds,
        }
    }
}

impl<'a> From<&'a config::IdJag> for WrittenEndpoint<'a> {
    fn from(written: &'a config::IdJag) -> Self {
        Self {
            cluster: &written.cluster,
            uri: &written.uri,
            client_id: &written.client_id,
            method: written.token_endpoint_auth_method,
            secret_env: written.client_secret_env.as_deref(),
            key_env: written.client_key_env.as_deref(),
            key_id: written.client_key_id.as_deref(),
            algorithm: written.token_endpoint_auth_signing_alg.as_deref(),
            assertion_audience: written.client_assertion_audience.as_deref(),
            timeout_milliseconds: written.timeout_milliseconds,
        }
    }
}
