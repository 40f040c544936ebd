//! Who the proxy is at a token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use serde::Serialize;

use super::types::CLIENT_ASSERTION;
use crate::signing_key::SigningKey;

/// A token endpoint, and the client that the proxy is there.
#[derive(Debug)]
pub struct TokenEndpoint {
    /// Its URL.
    pub uri: String,
    /// `client_id`.
    pub client_id: String,
    /// How the client shows that it is itself.
    pub authentication: ClientAuthentication,
}

/// How a client authenticates; the names are those of `token_endpoint_auth_method` (RFC 7591 section 2).
pub enum ClientAuthentication {
    /// `client_secret_basic`: the secret, in the header `authorization`.
    SecretBasic(String),
    /// `client_secret_post`: the secret, in the body.
    SecretPost(String),
    /// `private_key_jwt`: an assertion that the client's own key signs.
    PrivateKeyJwt {
        /// Signs it.
        key: Box<SigningKey>,
        /// `aud` of it: the endpoint's URL, or the issuer identifier of the server.
        audience: String,
    },
}

/// RFC 7523 section 3.
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
}

/// An assertion is for one request that is sent now, to a server whose clock may be another.
const ASSERTION_SECONDS: u64 = 60;

// === impl TokenEndpoint ===

impl TokenEndpoint {
    /// Puts the client's credentials into the form, or gives the header that has them; `None` when the key does not
    /// sign. `jti` is new for each request.
    pub(super) fn authenticate(
        &self,
        form: &mut Serializer<'_, String>,
        now: u64,
        jti: &str,
    ) -> Option<Vec<(&'static str, String)>> {
        let id = self.client_id.as_str();
        match &self.authentication {
            ClientAuthentication::SecretBasic(secret) => return Some(vec![("authorization", basic(id, secret))]),
            ClientAuthentication::SecretPost(secret) => {
                form.append_pair("client_id", id).append_pair("client_secret", secret);
            }
            ClientAuthentication::PrivateKeyJwt { key, audience } => {
                let exp = now.saturating_add(ASSERTION_SECONDS);
                let claims = Assertion { iss: id, sub: id, aud: audience, jti, iat: now, exp };
                let assertion = key.sign("JWT", &serde_json::to_string(&claims).ok()?)?;
                form.append_pair("client_id", id)
                    .append_pair("client_assertion_type", CLIENT_ASSERTION)
                    .append_pair("client_assertion", &assertion);
            }
        }
        Some(Vec::new())
    }
}

/// RFC 6749 section 2.3.1: both are encoded as in a form first, so that a colon in either can't move the boundary.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

impl fmt::Debug for ClientAuthentication {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::PrivateKeyJwt { .. } => "private_key_jwt",
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use form_urlencoded::Serializer;
    use serde_json::json;

    use super::{ClientAuthentication, TokenEndpoint};
    use crate::error::Part;
    use crate::fixtures::{NOW, claims_of, es256_key};
    use crate::json::object_of;

    const URI: &str = "https://sts.acme.example/token";

    type Pairs<Name> = Vec<(Name, String)>;

    /// Headers and form.
    fn sent(authentication: ClientAuthentication) -> (Pairs<&'static str>, Pairs<String>) {
        let endpoint = TokenEndpoint { uri: URI.to_owned(), client_id: "mesh:1 ü".to_owned(), authentication };
        let mut form = Serializer::new(String::new());
        let headers = endpoint.authenticate(&mut form, NOW, "j-1").unwrap();
        (headers, form_urlencoded::parse(form.finish().as_bytes()).into_owned().collect())
    }

    #[test]
    fn a_secret_in_the_header_is_encoded_twice() {
        let (headers, form) = sent(ClientAuthentication::SecretBasic("s:e+c%r t".to_owned()));
        let [("authorization", value)] = headers.as_slice() else { panic!("{headers:?}") };
        let decoded = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), "mesh%3A1+%C3%BC:s%3Ae%2Bc%25r+t");
        assert_eq!(form, []);
    }

    #[test]
    fn the_example_of_the_standard_is_written_as_there() {
        // RFC 6749 section 2.3.1.
        assert_eq!(super::basic("s6BhdRkqt3", "gX1fBat3bV"), "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW");
    }

    #[test]
    fn a_secret_in_the_body_is_nowhere_else() {
        let (headers, form) = sent(ClientAuthentication::SecretPost("s&=".to_owned()));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(form, [pair("client_id", "mesh:1 ü"), pair("client_secret", "s&=")]);
        assert_eq!(headers, []);
    }

    #[test]
    fn an_assertion_names_the_client_twice_and_is_short_lived() {
        let audience = "https://sts.acme.example".to_owned();
        let (headers, form) = sent(ClientAuthentication::PrivateKeyJwt { key: Box::new(es256_key("c-1")), audience });
        assert_eq!(headers, []);
        let [id, kind, assertion] = form.as_slice() else { panic!("{form:?}") };
        assert_eq!((id.0.as_str(), id.1.as_str()), ("client_id", "mesh:1 ü"));
        assert_eq!(kind.0, "client_assertion_type");
        assert_eq!(kind.1, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(assertion.0, "client_assertion");
        let expected = json!({
            "iss": "mesh:1 ü", "sub": "mesh:1 ü", "aud": "https://sts.acme.example", "jti": "j-1", "iat": NOW,
            "exp": NOW + 60,
        });
        assert_eq!(claims_of(&assertion.1), expected);
        let header = object_of(Part::Header, assertion.1.split('.').next().unwrap()).unwrap();
        assert_eq!(serde_json::Value::from(header), json!({ "alg": "ES256", "kid": "c-1", "typ": "JWT" }));
    }

    #[test]
    fn the_debug_form_has_no_secret() {
        let authentication = ClientAuthentication::SecretBasic("s3cret".to_owned());
        assert_eq!(format!("{authentication:?}"), "client_secret_basic");
    }
}
