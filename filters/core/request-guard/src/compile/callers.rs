//! Which workloads and which users may call.

use access_tokens::{ClaimPaths, ClaimsVerifier, IssuerConfig, Profile, ProxyIssuer, TokenVerifier};
use peer_identity::{Source, TrustDomain};

use super::{Compiled, algorithms, dpop, jwt_svid, keys, wrong};
use crate::caller::{IdentityCheck, ProxyTokenCheck, TokenCheck};
use crate::config;
use crate::host::{Endpoint, Host, Purpose};
use crate::key_sets::KeySets;

/// How many verified tokens one worker remembers.
const TOKEN_CACHE_ENTRIES: usize = 4_096;

pub(super) fn identity(
    identity: &config::Identity,
    host: &Host<'_>,
    warnings: &mut Vec<String>,
) -> Compiled<IdentityCheck> {
    let trust_domains = trust_domains(identity)?;
    Ok(IdentityCheck {
        sources: sources(identity, warnings)?,
        svid: jwt_svid::jwt_svid(identity, &trust_domains, host)?,
        trust_domains,
        required: identity.required,
    })
}

pub(super) fn proxy_tokens(tokens: &config::ProxyTokens) -> Compiled<ProxyTokenCheck> {
    if tokens.payload_in_metadata.is_empty() {
        return Err(wrong("tokens.payload_in_metadata", "write what the provider of `jwt_authn` has there"));
    }
    if tokens.issuers.is_empty() {
        return Err(wrong("tokens.issuers", "name the issuers of the providers of `jwt_authn`"));
    }
    let issuer = |issuer: &config::ProxyIssuer| ProxyIssuer {
        issuer: issuer.issuer.clone(),
        claims: ClaimPaths { groups: issuer.claims.groups.clone(), roles: issuer.claims.roles.clone() },
    };
    let issuers = tokens.issuers.iter().map(issuer).collect();
    let verifier = ClaimsVerifier::new(issuers, tokens.clock_skew_seconds, tokens.max_lifetime_seconds);
    Ok(ProxyTokenCheck {
        verifier: verifier.map_err(|error| wrong("tokens.issuers", error))?,
        payload: tokens.payload_in_metadata.clone(),
        required: tokens.required,
    })
}

pub(super) fn tokens(tokens: &config::Tokens, limits: &config::Limits, host: &Host<'_>) -> Compiled<TokenCheck> {
    let (verifier, endpoints) = verifier(tokens)?;
    Ok(TokenCheck {
        verifier: verifier.with_host(host.crypto.clone()),
        keys: KeySets { field: "tokens.issuers", purpose: Purpose::IssuerKeys, endpoints },
        possession: tokens.dpop.as_ref().map(|dpop| dpop::dpop(dpop, tokens, limits, host)).transpose()?,
        required: tokens.required,
        max_bytes: limits.max_token_bytes,
    })
}

fn sources(identity: &config::Identity, warnings: &mut Vec<String>) -> Compiled<Vec<Source>> {
    if identity.sources.is_empty() {
        return Err(wrong("identity.sources", "name at least one of `tls`, `waypoint`, `xfcc`, `jwt_svid`"));
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
            config::Source::JwtSvid => Source::JwtSvid,
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

/// The verifier, and where the keys of each issuer are fetched.
fn verifier(tokens: &config::Tokens) -> Compiled<(TokenVerifier, Vec<Option<Endpoint>>)> {
    if tokens.required && tokens.issuers.is_empty() {
        return Err(wrong("tokens.issuers", "name at least one issuer, or set `tokens.required: false`"));
    }
    let issuers = tokens.issuers.iter().enumerate().map(|(at, issuer)| issuer_config(at, issuer));
    let (issuers, endpoints) = issuers.collect::<Compiled<Vec<_>>>()?.into_iter().unzip();
    TokenVerifier::new(issuers, tokens.clock_skew_seconds, tokens.max_lifetime_seconds, TOKEN_CACHE_ENTRIES)
        .map(|verifier| (verifier, endpoints))
        .map_err(|error| wrong("tokens.issuers", error))
}

fn issuer_config(at: usize, issuer: &config::Issuer) -> Compiled<(IssuerConfig, Option<Endpoint>)> {
    let field = |name: &str| format!("tokens.issuers[{at}].{name}");
    let (jwks, endpoint) = keys::jwks(&field("jwks"), &issuer.jwks)?;
    if issuer.algorithms.is_empty() {
        return Err(wrong(&field("algorithms"), "name at least one algorithm, for instance `RS256`"));
    }
    let config = IssuerConfig {
        issuer: issuer.issuer.clone(),
        jwks,
        algorithms: algorithms(&field("algorithms"), &issuer.algorithms)?,
        token_types: issuer.token_types.clone(),
        profile: match issuer.profile {
            config::Profile::Jwt => Profile::Jwt,
            config::Profile::Rfc9068 => Profile::Rfc9068,
        },
        claims: ClaimPaths { groups: issuer.claims.groups.clone(), roles: issuer.claims.roles.clone() },
    };
    Ok((config, endpoint))
}
