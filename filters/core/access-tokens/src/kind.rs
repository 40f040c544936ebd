//! What is never an access token, whoever signed it: JWTs of other kinds, which issuers sign with the same keys
//! (RFC 8725 section 3.12).

use serde_json::{Map, Value};

use crate::error::{TokenError, shortened};
use crate::header::media_type;

/// Types of JWTs that say something else than what a bearer may do, in the form of [`media_type`].
const OTHER_TYPES: [&str; 31] = [
    // AAuth: proven by signatures of messages.
    "aa-agent+jwt",
    "aa-auth+jwt",
    "aa-resource+jwt",
    // Clients that prove themselves, and grants (RFC 7523bis, draft-ietf-oauth-attestation-based-client-auth).
    "authorization-grant+jwt",
    "client-authentication+jwt",
    "oauth-client-attestation+jwt",
    "oauth-client-attestation-pop+jwt",
    "oauth-id-jag+jwt",
    // Requests (RFC 9101) and answers (RFC 9701) of an authorization server.
    "oauth-authz-req+jwt",
    "token-introspection+jwt",
    // Proofs of possession (RFC 9449, SD-JWT, OpenID4VCI).
    "dpop+jwt",
    "kb+jwt",
    "openid4vci-proof+jwt",
    // Events and logout (RFC 8417, OpenID Connect Back-Channel Logout).
    "logout+jwt",
    "secevent+jwt",
    // OpenID Federation.
    "entity-statement+jwt",
    "explicit-registration-response+jwt",
    "jwk-set+jwt",
    "resolve-response+jwt",
    "trust-mark+jwt",
    "trust-mark-delegation+jwt",
    // Credentials of wallets (SD-JWT VC), and whether they are still good.
    "dc+sd-jwt",
    "example+sd-jwt",
    "sd-jwt",
    "sd-jwt+kb",
    "statuslist+jwt",
    // Other credentials.
    "passport",
    "txntoken+jwt",
    // WIMSE: a workload's, to be proven.
    "wimse-id+jwt",
    "wit+jwt",
    "wpt+jwt",
];

/// Verifiable credentials and presentations have many types: `vc+jwt`, `vc+ld+jwt`, `vp+sd-jwt`.
const OTHER_PREFIXES: [&str; 2] = ["vc+", "vp+"];

/// The explicit type of access tokens (RFC 9068 section 2.1).
pub(crate) const ACCESS_TOKEN: &str = "at+jwt";

/// Claims that ID tokens have and nothing else does (OpenID Connect Core sections 3.1.3.6 and 3.3.2.11, FAPI 1.0), and
/// the claim of security events, of which logout is one (RFC 8417 section 2.2).
const OTHER_CLAIMS: [&str; 4] = ["at_hash", "c_hash", "events", "s_hash"];

/// Whether a type, in the form of [`media_type`], is one of something else.
pub(crate) fn is_other_type(typ: &str) -> bool {
    OTHER_TYPES.contains(&typ) || OTHER_PREFIXES.iter().any(|prefix| typ.starts_with(prefix))
}

/// Refuses what is typed as something else, also where an issuer is said to have such tokens.
pub(crate) fn check_type(typ: &str) -> Result<(), TokenError> {
    if is_other_type(typ) { Err(TokenError::OtherType { found: shortened(typ) }) } else { Ok(()) }
}

/// Refuses what its claims tell to be something else. A token that is typed as an access token needs none of this.
///
/// - Keycloak says in the claim `typ` what a token is, Cognito in `token_use`.
/// - `nonce` is of ID tokens (OpenID Connect Core section 2), but older Keycloaks and Azure AD B2C copy it into access
///   tokens; those have scopes, or a `typ` of Keycloak's.
/// - `azp`, `sid`, `session_state` and `auth_time` are in the access tokens of many.
pub(crate) fn check_claims(raw: &Map<String, Value>) -> Result<(), TokenError> {
    if let Some(claim) = OTHER_CLAIMS.into_iter().find(|claim| raw.contains_key(*claim)) {
        return Err(TokenError::OtherKind { claim });
    }
    let typ = raw.get("typ").map(|typ| typ.as_str().map(media_type).unwrap_or_default());
    if typ.as_ref().is_some_and(|typ| !["bearer", "dpop", "jwt", ACCESS_TOKEN].contains(&typ.as_str())) {
        return Err(TokenError::OtherKind { claim: "typ" });
    }
    if raw.get("token_use").is_some_and(|kind| kind != "access") {
        return Err(TokenError::OtherKind { claim: "token_use" });
    }
    let is_told = typ.is_some_and(|typ| typ != "jwt") || raw.contains_key("token_use");
    let has_scopes = raw.contains_key("scope") || raw.contains_key("scp");
    if raw.contains_key("nonce") && !is_told && !has_scopes {
        return Err(TokenError::OtherKind { claim: "nonce" });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
