//! Which JWT-SVIDs are accepted, and where they are shown.

use access_tokens::{Bundle, SvidConfig, SvidVerifier};
use peer_identity::TrustDomain;

use super::{Compiled, algorithms, keys, unless, wrong};
use crate::config;
use crate::headers::is_spoken_for;
use crate::host::{Host, Purpose};
use crate::key_sets::KeySets;
use crate::svid::SvidCheck;

const SECTION: &str = "identity.jwt_svid";
/// As for tokens of users.
const MAX_CLOCK_SKEW_SECONDS: u64 = 300;
/// A bearer credential that is good for longer is one to steal.
const MAX_LIFETIME_SECONDS: u64 = 86_400;

/// The section, which has to be there where `jwt_svid` is a source, and only there.
pub(super) fn jwt_svid(
    identity: &config::Identity,
    trust_domains: &[TrustDomain],
    host: &Host<'_>,
) -> Compiled<Option<SvidCheck>> {
    let is_source = identity.sources.contains(&config::Source::JwtSvid);
    match &identity.jwt_svid {
        None if is_source => Err(wrong(SECTION, "`identity.sources` has `jwt_svid`: say here which are accepted")),
        None => Ok(None),
        Some(_) if !is_source => Err(wrong("identity.sources", "name `jwt_svid`, or leave `identity.jwt_svid` out")),
        Some(section) => check(section, trust_domains, host).map(Some),
    }
}

fn check(section: &config::JwtSvid, trust_domains: &[TrustDomain], host: &Host<'_>) -> Compiled<SvidCheck> {
    let field = |name: &str| format!("{SECTION}.{name}");
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_own = !section.header.is_empty() && section.header.bytes().all(is_name) && !is_spoken_for(&section.header);
    unless(is_own, &field("header"), "name a header of its own, in lower case, for instance `x-jwt-svid`")?;
    let skew = section.clock_skew_seconds <= MAX_CLOCK_SKEW_SECONDS;
    unless(skew, &field("clock_skew_seconds"), "write at most 300 seconds")?;
    let lifetime = (1..=MAX_LIFETIME_SECONDS).contains(&section.max_lifetime_seconds);
    unless(lifetime, &field("max_lifetime_seconds"), "write from 1 to 86400 seconds")?;
    let mut bundles = Vec::with_capacity(section.bundles.len());
    let mut endpoints = Vec::with_capacity(section.bundles.len());
    for (at, bundle) in section.bundles.iter().enumerate() {
        let own = field(&format!("bundles[{at}]"));
        let is_trusted = trust_domains.iter().any(|trusted| trusted.as_str() == bundle.trust_domain);
        unless(is_trusted, &format!("{own}.trust_domain"), "name one of `identity.trust_domains`")?;
        let (jwks, endpoint) = keys::jwks(&format!("{own}.jwks"), &bundle.jwks)?;
        bundles.push(Bundle { trust_domain: bundle.trust_domain.clone(), jwks });
        endpoints.push(endpoint);
    }
    let config = SvidConfig {
        audiences: section.audiences.clone(),
        algorithms: algorithms(&field("algorithms"), &section.algorithms)?,
        bundles,
        clock_skew_seconds: section.clock_skew_seconds,
        max_lifetime_seconds: section.max_lifetime_seconds,
    };
    let verifier = SvidVerifier::new(config, host.crypto.clone()).map_err(|error| wrong(SECTION, error))?;
    let keys = KeySets { field: "identity.jwt_svid.bundles", purpose: Purpose::BundleKeys, endpoints };
    Ok(SvidCheck { header: section.header.clone(), verifier, keys })
}
