//! Who asks, and how that is proven.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use url::form_urlencoded;

use super::Desk;
use crate::jose::{decode, verify_with_set};
use crate::oauth::Refused;
use crate::parameters::Parameters;
use crate::tokens::now;

/// A client of a token service.
#[derive(Clone)]
pub struct ServiceClient {
    /// `client_id`.
    pub id: String,
    /// The one way in which it proves who it is.
    pub authentication: ClientAuthentication,
}

/// How a client proves who it is, in the words of `token_endpoint_auth_method` (RFC 7591 section 2).
#[derive(Clone)]
pub enum ClientAuthentication {
    /// A secret in the header `Authorization` (`client_secret_basic`).
    SecretBasic(String),
    /// A secret in the form (`client_secret_post`).
    SecretPost(String),
    /// A JWT signed with a key of this set (`private_key_jwt`).
    PrivateKeyJwt(Value),
}

/// What a request shows of its client.
enum Shown<'a> {
    Basic { secret: String },
    Post { secret: &'a str },
    Assertion { assertion: &'a str },
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// An assertion that is good for longer is no proof of who asks now.
const LONGEST_ASSERTION_SECONDS: u64 = 600;

// === impl ServiceClient ===

impl ServiceClient {
    /// A client.
    #[must_use]
    pub fn new(id: &str, authentication: ClientAuthentication) -> Self {
        Self { id: id.to_owned(), authentication }
    }
}

// === impl Desk ===

impl Desk {
    /// The client that asks. Only the way that is its own counts, and only one at a time (RFC 6749 section 2.3).
    pub(super) fn client(&self, headers: &HeaderMap, form: &Parameters) -> Result<&ServiceClient, Refused> {
        let bad = |description| Refused::new("invalid_client", description);
        let mut shown = Vec::new();
        for value in headers.get_all(header::AUTHORIZATION) {
            let (id, secret) = value.to_str().ok().and_then(basic).ok_or_else(|| bad("Authorization is not Basic"))?;
            shown.push((id, Shown::Basic { secret }));
        }
        let named = form.get("client_id");
        if let Some(secret) = form.get("client_secret") {
            let id = named.ok_or_else(|| bad("a secret without client_id"))?;
            shown.push((id.to_owned(), Shown::Post { secret }));
        }
        if let Some(assertion) = form.get("client_assertion") {
            if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
                return Err(bad("another client_assertion_type"));
            }
            let claims = decode(assertion).map_err(|_| bad("the assertion is no JWT"))?.1;
            let id = claims.get("sub").and_then(Value::as_str).ok_or_else(|| bad("an assertion without sub"))?;
            shown.push((id.to_owned(), Shown::Assertion { assertion }));
        }
        let mut shown = shown.into_iter();
        let (Some((id, proof)), None) = (shown.next(), shown.next()) else {
            return Err(bad("not one way to authenticate"));
        };
        if named.is_some_and(|named| named != id) {
            return Err(bad("another client_id"));
        }
        let client = self.options.clients.iter().find(|client| client.id == id);
        let client = client.ok_or_else(|| bad("nobody knows this client"))?;
        match (&client.authentication, proof) {
            (ClientAuthentication::SecretBasic(own), Shown::Basic { secret }) if *own == secret => {}
            (ClientAuthentication::SecretPost(own), Shown::Post { secret }) if own == secret => {}
            (ClientAuthentication::PrivateKeyJwt(keys), Shown::Assertion { assertion }) => {
                self.check_assertion(client, keys, assertion)?;
            }
            (ClientAuthentication::SecretBasic(_), Shown::Basic { .. })
            | (ClientAuthentication::SecretPost(_), Shown::Post { .. }) => return Err(bad("another secret")),
            _ => return Err(bad("not this client's way to authenticate")),
        }
        Ok(client)
    }

    /// RFC 7523 section 3.
    fn check_assertion(&self, client: &ServiceClient, keys: &Value, assertion: &str) -> Result<(), Refused> {
        let bad = |description| Refused::new("invalid_client", description);
        let (_, claims) = verify_with_set(assertion, keys).map_err(|_| bad("nobody's signature"))?;
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        if claim("iss") != Some(&client.id) || claim("sub") != Some(&client.id) {
            return Err(bad("iss and sub must be the client"));
        }
        if !self.is_meant(&claims) {
            return Err(bad("the assertion is for somebody else"));
        }
        let expiry = claims.get("exp").and_then(Value::as_u64).ok_or_else(|| bad("no exp"))?;
        if !(now()..=now() + LONGEST_ASSERTION_SECONDS).contains(&expiry) {
            return Err(bad("the assertion is not good now, or for too long"));
        }
        let id = claim("jti").ok_or_else(|| bad("no jti"))?;
        if !self.memory().seen.insert(id.to_owned()) {
            return Err(bad("the assertion was used before"));
        }
        Ok(())
    }
}

/// Id and secret of `Basic`, each in the encoding of forms (RFC 6749 section 2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let credentials = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    let decoded = |text: &str| {
        // As a form of one field without `=`, which its own would be taken for.
        let (name, value) = form_urlencoded::parse(text.as_bytes()).next()?;
        value.is_empty().then(|| name.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}
