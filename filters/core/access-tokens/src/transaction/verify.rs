//! From the header to a verified transaction.

use serde_json::{Map, Value};

use super::{TYPE, TransactionError, VerifiedTransaction};
use crate::actors::Actors;
use crate::algorithm::Algorithm;
use crate::bearer::Jws;
use crate::claims::{date, scopes, text};
use crate::error::{Part, TokenError, shortened};
use crate::header::Header;
use crate::host_crypto::TrustedCrypto;
use crate::issuer::VerifierError;
use crate::json;
use crate::jwks::{KeySet, KeySetError, Usage};
use crate::token::{Lifetime, VerifiedToken};
use crate::verify::check_lifetime;

/// Verifies the transaction tokens of one trust domain.
#[derive(Debug)]
pub struct TransactionVerifier {
    audience: String,
    keys: KeySet,
    lifetime: Lifetime,
    host: TrustedCrypto,
}

// === impl TransactionVerifier ===

impl TransactionVerifier {
    /// Prepares the keys: the whole trust domain has one service that signs.
    ///
    /// # Errors
    /// The key set can't, or not safely, be used.
    pub fn new(audience: String, jwks: &str, algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        let lifetime = Lifetime { clock_skew_seconds: 0, max_seconds: 0 };
        Ok(Self {
            audience,
            keys: KeySet::used_as(Usage::Signature, jwks, algorithms)?,
            lifetime,
            host: TrustedCrypto::none(),
        })
    }

    /// The same, for tokens that live no longer, by clocks that differ no more, in seconds.
    ///
    /// # Errors
    /// No token would be accepted, or one that has expired.
    pub fn with_lifetime(self, clock_skew_seconds: u64, max_lifetime_seconds: u64) -> Result<Self, VerifierError> {
        Ok(Self { lifetime: check_lifetime(clock_skew_seconds, max_lifetime_seconds)?, ..self })
    }

    /// The same, with a host that verifies what it can.
    #[must_use]
    pub fn with_host(self, host: TrustedCrypto) -> Self {
        Self { host, ..self }
    }

    /// Verifies the value of the header at `now` (Unix seconds), for the user whose token came with it.
    ///
    /// # Errors
    /// It is not good here and now, or not about this user.
    pub fn verify(
        &self,
        value: &[u8],
        max_bytes: usize,
        user: Option<&VerifiedToken>,
        now: u64,
    ) -> Result<VerifiedTransaction, TransactionError> {
        let token = Jws::parse(value, max_bytes)?;
        let [header, payload, signature] = token.parts;
        let header = Header::parse(header)?;
        if header.media_type() != TYPE {
            let found = shortened(header.typ.as_deref().unwrap_or("JWT"));
            return Err(TokenError::Type { found }.into());
        }
        let raw = json::object_of(Part::Payload, payload)?;
        json::decode(Part::Signature, signature)?;
        let key = self.keys.find(header.key_id.as_deref(), header.algorithm)?;
        let (transaction, signer) = (self.read(&raw, now)?, text(&raw, "iss")?);
        key.check(&self.host, &token).map_err(|_| TokenError::Signature)?;
        transaction.of(user, signer.as_deref())?;
        Ok(transaction)
    }

    /// The claims, whoever signed them (section 8.2 of the draft).
    fn read(&self, raw: &Map<String, Value>, now: u64) -> Result<VerifiedTransaction, TokenError> {
        let required = |name: &'static str| text(raw, name)?.ok_or(TokenError::MissingClaim(name));
        let expires_at = date(raw, "exp")?.ok_or(TokenError::MissingClaim("exp"))?;
        let issued_at = date(raw, "iat")?.ok_or(TokenError::MissingClaim("iat"))?;
        let audience = required("aud")?;
        if audience != self.audience {
            return Err(TokenError::Audience { expected: self.audience.clone() });
        }
        self.lifetime.check(expires_at, date(raw, "nbf")?, Some(issued_at), now)?;
        if !raw.contains_key("scope") {
            return Err(TokenError::MissingClaim("scope"));
        }
        required("req_wl")?;
        let subject = required("sub")?;
        let malformed = |name: &str| TokenError::MalformedClaim(name.to_owned());
        let object = |name: &str| match raw.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members.clone())),
            Some(_) => Err(malformed(name)),
        };
        let actors = raw.get("act").map(|act| Actors::parse(act.clone()).map_err(|_| malformed("act")));
        Ok(VerifiedTransaction {
            id: required("txn")?,
            subject_issuer: match object("sub_id")? {
                None => None,
                Some(id) => Some(issuer_of(&id, &subject).ok_or_else(|| malformed("sub_id"))?),
            },
            subject,
            audience,
            scopes: scopes(raw)?,
            expires_at,
            actors: actors.transpose()?,
            context: object("tctx")?,
            request: object("rctx")?,
        })
    }
}

// === impl VerifiedTransaction ===

impl VerifiedTransaction {
    /// Whether it is about this user, and of the transaction that her token is of. A subject is unique within its issuer
    /// only; on later hops her token is of whoever signs the transactions, and has that issuer's subject unchanged.
    fn of(&self, user: Option<&VerifiedToken>, signer: Option<&str>) -> Result<(), TransactionError> {
        let user = user.filter(|user| user.subject() == self.subject).ok_or(TransactionError::OtherSubject)?;
        let other = |issuer: &str| issuer != user.issuer() && signer != Some(user.issuer());
        if self.subject_issuer.as_deref().is_some_and(other) {
            return Err(TransactionError::OtherSubject);
        }
        if user.transaction().is_some_and(|id| id != self.id) {
            return Err(TransactionError::OtherTransaction);
        }
        Ok(())
    }
}

/// `iss` of an identifier of this subject (RFC 9493 section 3.2.4).
fn issuer_of(id: &Map<String, Value>, subject: &str) -> Option<String> {
    let text = |name: &str| id.get(name).and_then(Value::as_str);
    let issuer = text("iss").filter(|issuer| !issuer.is_empty())?;
    (text("format") == Some("iss_sub") && text("sub") == Some(subject)).then(|| issuer.to_owned())
}
