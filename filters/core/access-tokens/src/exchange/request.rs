//! Requests to token endpoints: forms (RFC 6749 appendix B).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::ask::Question;
use super::client::TokenEndpoint;
use super::error::ExchangeError;
use super::token::ExchangedToken;
use super::types::{JWT_BEARER, TOKEN_EXCHANGE, TokenType};
use super::{ActorToken, ExchangeConfig, ExchangeGrant, SubjectToken};
use crate::downscope::{CallBinding, DownscopedToken};
use crate::mint::Mint;

/// A request to a token endpoint: a `POST`.
#[derive(PartialEq, Eq)]
pub struct TokenRequest {
    /// Whom it is for.
    pub to: Asked,
    /// All that it needs beside those of HTTP; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The form.
    pub body: String,
}

/// Whose token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Of the server that gives the token.
    Server,
    /// Of the identity provider that vouches for the user there.
    IdentityProvider,
}

/// The workload that acts, said by the proxy.
#[derive(Serialize)]
struct ActorClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

/// An actor token is for one request that is sent now.
const ACTOR_SECONDS: u64 = 60;

/// The first request for a question, and the SHA-256 of the token that it gives away.
pub(super) fn first(
    config: &ExchangeConfig,
    question: &Question<'_>,
    now: u64,
    entropy: &[u8; 16],
) -> Result<(TokenRequest, [u8; 32]), ExchangeError> {
    let (to, endpoint) = match &config.grant {
        ExchangeGrant::TokenExchange { .. } | ExchangeGrant::JwtBearer => (Asked::Server, &config.endpoint),
        ExchangeGrant::IdJag { endpoint, .. } => (Asked::IdentityProvider, &**endpoint),
    };
    let minted;
    let (subject_token, kind) = match &config.subject {
        SubjectToken::Presented { kind } => {
            // The text of the very token that was verified.
            let is_its = |text: &&str| <[u8; 32]>::from(Sha256::digest(text)) == *question.subject.fingerprint();
            (question.subject_token.filter(is_its).ok_or(ExchangeError::NoSubjectToken)?, *kind)
        }
        SubjectToken::Minted(mint) => {
            minted = subject_token(mint, &endpoint.uri, question, now, entropy)?;
            (minted.as_str(), TokenType::AccessToken)
        }
    };
    let mut form = Serializer::new(String::new());
    let mut audience = question.audience;
    match &config.grant {
        ExchangeGrant::JwtBearer => {
            form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", subject_token);
        }
        grant @ (ExchangeGrant::TokenExchange { .. } | ExchangeGrant::IdJag { .. }) => {
            form.append_pair("grant_type", TOKEN_EXCHANGE)
                .append_pair("subject_token", subject_token)
                .append_pair("subject_token_type", kind.name());
            let requested = match grant {
                ExchangeGrant::TokenExchange { requested } => *requested,
                ExchangeGrant::JwtBearer => None,
                ExchangeGrant::IdJag { audience: issuer, .. } => {
                    audience = Some(issuer);
                    Some(TokenType::IdJag)
                }
            };
            if let Some(requested) = requested {
                form.append_pair("requested_token_type", requested.name());
            }
            if let (ActorToken::Minted(mint), Some(actor)) = (&config.actor_token, question.actor) {
                form.append_pair("actor_token", &actor_token(mint, &endpoint.uri, actor, now, entropy)?)
                    .append_pair("actor_token_type", TokenType::Jwt.name());
            }
        }
    }
    if let Some(audience) = audience {
        form.append_pair("audience", audience);
    }
    for resource in &question.resources {
        form.append_pair("resource", resource);
    }
    if !question.scopes.is_empty() {
        form.append_pair("scope", &question.scope());
    }
    let sent = Sha256::digest(subject_token).into();
    Ok((finish(to, endpoint, form, now, &identifier("client", entropy))?, sent))
}

/// The second request: the assertion for a token. What is asked is in the assertion.
pub(super) fn redeem(
    config: &ExchangeConfig,
    assertion: &ExchangedToken,
    now: u64,
    entropy: &[u8; 16],
) -> Result<TokenRequest, ExchangeError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", JWT_BEARER).append_pair("assertion", assertion.as_str());
    finish(Asked::Server, &config.endpoint, form, now, &identifier("client at the server", entropy))
}

fn finish(
    to: Asked,
    endpoint: &TokenEndpoint,
    mut form: Serializer<'_, String>,
    now: u64,
    jti: &str,
) -> Result<TokenRequest, ExchangeError> {
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    headers.extend(endpoint.authenticate(&mut form, now, jti).ok_or(ExchangeError::Signing)?);
    Ok(TokenRequest { to, headers, body: form.finish() })
}

/// As small as what it is exchanged for, and for the server alone. Nothing of the one call is in it: the answer is for
/// every call that asks the same.
fn subject_token(
    mint: &Mint,
    audience: &str,
    question: &Question<'_>,
    now: u64,
    entropy: &[u8; 16],
) -> Result<String, ExchangeError> {
    let binding = CallBinding {
        audience,
        protocol: question.protocol,
        server: question.server,
        method: None,
        target: None,
        arguments_sha256: None,
        actor: question.actor,
        scopes: Some(&question.scopes),
        ttl_seconds: None,
        transaction: None,
    };
    let token = DownscopedToken::mint(mint, question.subject, &binding, now, *entropy);
    token.map(|token| token.as_str().to_owned()).map_err(|_| ExchangeError::Signing)
}

fn actor_token(
    mint: &Mint,
    audience: &str,
    actor: &str,
    now: u64,
    entropy: &[u8; 16],
) -> Result<String, ExchangeError> {
    let jti = identifier("actor", entropy);
    let exp = now.saturating_add(ACTOR_SECONDS);
    let claims = ActorClaims { iss: &mint.issuer, sub: actor, aud: audience, iat: now, exp, jti: &jti };
    let payload = serde_json::to_string(&claims).map_err(|_| ExchangeError::Signing)?;
    mint.sign("JWT", &payload).ok_or(ExchangeError::Signing)
}

/// 128 bits that are no other identifier of the same flight.
fn identifier(what: &str, entropy: &[u8; 16]) -> String {
    let hash: [u8; 32] = Sha256::new().chain_update(what).chain_update(entropy).finalize().into();
    let (id, _) = hash.split_at(16);
    URL_SAFE_NO_PAD.encode(id)
}

impl fmt::Debug for TokenRequest {
    /// Without tokens and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("to", &self.to).finish_non_exhaustive()
    }
}
