//! What an issuer's access tokens are held to.

use serde_json::{Map, Value};

use crate::error::TokenError;
use crate::kind;

/// Which rules an issuer's access tokens follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// JWTs of any shape that has issuer, subject, audience and expiry, as Keycloak, Entra ID, Okta and Auth0 write them.
    #[default]
    Jwt,
    /// RFC 9068 to the letter.
    Rfc9068,
}

/// What RFC 9068 section 2.2.3.1 has as arrays (RFC 7643 section 4.1.2).
const ARRAYS: [&str; 3] = ["groups", "roles", "entitlements"];

// === impl Profile ===

impl Profile {
    /// Checks what the claims of a token say beyond what every token has to; `typ` is in the form of
    /// [`media_type`](crate::header::media_type).
    pub(crate) fn check(self, typ: &str, raw: &Map<String, Value>) -> Result<(), TokenError> {
        match self {
            Self::Jwt if typ == kind::ACCESS_TOKEN => Ok(()),
            Self::Jwt => kind::check_claims(raw),
            Self::Rfc9068 => rfc9068(raw),
        }
    }
}

/// RFC 9068 sections 2.2 and 2.2.3. That `typ` is `at+jwt` is known, and `iss`, `exp`, `aud` and `sub` are there.
fn rfc9068(raw: &Map<String, Value>) -> Result<(), TokenError> {
    if let Some(missing) = ["client_id", "iat", "jti"].into_iter().find(|name| !raw.contains_key(*name)) {
        return Err(TokenError::MissingClaim(missing));
    }
    let malformed = |name: &str| Err(TokenError::MalformedClaim(name.to_owned()));
    if raw.get("scope").is_some_and(|scope| !scope.is_string()) {
        return malformed("scope");
    }
    // Another name for scopes, which this kind of token does not have.
    if raw.contains_key("scp") {
        return malformed("scp");
    }
    match ARRAYS.into_iter().find(|name| raw.get(*name).is_some_and(|value| !value.is_array())) {
        Some(name) => malformed(name),
        None => Ok(()),
    }
}
