//! The names of grants and of tokens (RFC 8693 section 3).

/// `grant_type` of a token exchange (RFC 8693 section 2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// `grant_type` of an assertion (RFC 7523 section 2.1).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// `client_assertion_type` (RFC 7523 section 2.2).
pub(super) const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a token is, in the words of RFC 8693 section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// An OAuth 2.0 access token.
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// A JWT, whatever it is for.
    Jwt,
    /// An assertion of a user's identity for another authorization server
    /// (draft-ietf-oauth-identity-assertion-authz-grant).
    IdJag,
}

// === impl TokenType ===

impl TokenType {
    /// What a name stands for.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::AccessToken, Self::IdToken, Self::Jwt, Self::IdJag].into_iter().find(|kind| kind.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdJag => "urn:ietf:params:oauth:token-type:id-jag",
        }
    }
}
