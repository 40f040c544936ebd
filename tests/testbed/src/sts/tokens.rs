//! What is issued.

use serde_json::{Map, Value, json};

use super::Desk;
use super::grants::{ACCESS_TOKEN, ID_JAG};
use crate::oauth::{Refused, random_text};
use crate::tokens::now;

/// A token that was issued, and what it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// Its claims, which an opaque one does not show.
    pub claims: Value,
}

/// What is to be issued.
pub(super) struct Wanted {
    pub(super) scope: String,
    pub(super) subject_expiry: Option<u64>,
    pub(super) id_jag: bool,
    /// Whether the answer is one to an exchange, which names the type of what was issued (RFC 8693 section 2.2.1).
    pub(super) exchanged: bool,
    pub(super) claims: Map<String, Value>,
}

// === impl Desk ===

impl Desk {
    /// Issues it, with some claims replaced.
    pub(super) fn issue(&self, wanted: Wanted, replaced: &Value) -> Result<Value, Refused> {
        let lifetime = self.options.lifetime_seconds;
        let expiry = wanted.subject_expiry.unwrap_or(u64::MAX).min(now() + lifetime);
        let issuer = &self.options.issuer;
        let mut token = issuer.token("").header("typ", if wanted.id_jag { "oauth-id-jag+jwt" } else { "at+jwt" });
        token = token.claim("exp", expiry).claim("scope", wanted.scope.as_str());
        for (name, value) in wanted.claims.iter().chain(replaced.as_object().into_iter().flatten()) {
            token = if value.is_null() { token.without(name) } else { token.claim(name, value.clone()) };
        }
        let claims = Value::Object(token.claims().clone());
        let text = if self.options.opaque && !wanted.id_jag {
            random_text()?
        } else {
            issuer.sign(&token).map_err(|_| Refused::new("server_error", "there is no randomness"))?
        };
        self.memory().issued.push(Issued { token: text.clone(), claims });
        let mut answer = json!({
            "access_token": text,
            "token_type": if wanted.id_jag { "N_A" } else { "Bearer" },
            "expires_in": expiry.saturating_sub(now()),
            "scope": wanted.scope,
        });
        if let (true, Some(members)) = (wanted.exchanged, answer.as_object_mut()) {
            let issued = if wanted.id_jag { ID_JAG } else { ACCESS_TOKEN };
            members.insert("issued_token_type".to_owned(), issued.into());
        }
        Ok(answer)
    }
}
