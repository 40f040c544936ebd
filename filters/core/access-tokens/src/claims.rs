//! Claims: what is required, and what the rest becomes (RFC 7519 section 4, RFC 9068 section 2.2).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::actors::Actors;
use crate::error::{Part, TokenError};
use crate::json;

/// Where an issuer puts groups and roles: the name of a claim (`groups`, `https://acme.example/groups`), or a dotted
/// path into nested ones (`realm_access.roles`). A claim of the very name comes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimPaths {
    /// Of the groups.
    pub groups: Option<String>,
    /// Of the roles.
    pub roles: Option<String>,
}

/// The claims of a token whose signature may or may not be good. In their serialised form no member may lack.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: BTreeSet<String>,
    pub(crate) expires_at: u64,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) not_before: Option<u64>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) issued_at: Option<u64>,
    pub(crate) scopes: BTreeSet<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) client_id: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) acr: Option<String>,
    pub(crate) amr: BTreeSet<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) transaction: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) actors: Option<Actors>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) confirmation: Option<Confirmation>,
    /// Every claim without a field of its own that has a form as a set of strings.
    pub(crate) tags: BTreeMap<String, BTreeSet<String>>,
}

/// What a bearer must prove (`cnf`, RFC 7800 section 3.1).
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Confirmation {
    /// All of these, of which there is at least one.
    Of {
        /// SHA-256 of the certificate of the connection (`x5t#S256`, RFC 8705 section 3.1).
        #[serde(deserialize_with = "Option::deserialize")]
        certificate: Option<[u8; 32]>,
        /// SHA-256 of the key that proofs are signed with (`jkt`, RFC 9449 section 6.1).
        #[serde(deserialize_with = "Option::deserialize")]
        key: Option<[u8; 32]>,
    },
    /// Something that nobody here can check.
    Unsupported,
}

/// Claims with a field of their own.
const OWN: [&str; 15] =
    ["acr", "act", "amr", "aud", "azp", "client_id", "cnf", "exp", "iat", "iss", "nbf", "scope", "scp", "sub", "txn"];

// === impl Claims ===

impl Claims {
    /// Reads the claims. Dates are whole seconds: RFC 7519 allows fractions, issuers don't send them, and there is one
    /// way to read a whole number.
    pub(crate) fn read(raw: &Map<String, Value>) -> Result<Self, TokenError> {
        let required = |name: &'static str| text(raw, name)?.ok_or(TokenError::MissingClaim(name));
        for name in ["jti", "nonce"] {
            // Not used, and still text in every token.
            text(raw, name)?;
        }
        let actors = raw.get("act").map(|act| Actors::parse(act.clone()).map_err(|_| malformed("act")));
        Ok(Self {
            issuer: required("iss")?,
            subject: required("sub")?,
            audiences: audiences(raw)?,
            expires_at: date(raw, "exp")?.ok_or(TokenError::MissingClaim("exp"))?,
            not_before: date(raw, "nbf")?,
            issued_at: date(raw, "iat")?,
            scopes: scopes(raw)?,
            client_id: match text(raw, "client_id")? {
                Some(client_id) => Some(client_id),
                None => text(raw, "azp")?,
            },
            acr: text(raw, "acr")?,
            amr: raw
                .get("amr")
                .map(|amr| strings(amr).ok_or_else(|| malformed("amr")))
                .transpose()?
                .unwrap_or_default(),
            transaction: text(raw, "txn")?,
            actors: actors.transpose()?,
            confirmation: raw.get("cnf").map(confirmation).transpose()?,
            tags: raw
                .iter()
                .filter(|(name, _)| !OWN.contains(&name.as_str()))
                .filter_map(|(name, value)| Some((name.clone(), tag(value)?)))
                .collect(),
        })
    }
}

/// The strings at a path. Absent is none; anything but a string or an array of strings is an error, because a rule that
/// forbids something to a group must not pass for want of reading it.
pub(crate) fn at_path(raw: &Map<String, Value>, path: Option<&str>) -> Result<BTreeSet<String>, TokenError> {
    let Some(path) = path else { return Ok(BTreeSet::new()) };
    let mut names = path.split('.');
    let first = names.next().unwrap_or_default();
    let elsewhere = raw.get("_claim_names").and_then(Value::as_object);
    if elsewhere.is_some_and(|elsewhere| elsewhere.contains_key(path) || elsewhere.contains_key(first)) {
        return Err(TokenError::ClaimElsewhere(path.to_owned()));
    }
    let nested = || names.try_fold(raw.get(first)?, |value, name| value.get(name));
    match raw.get(path).or_else(nested) {
        None => Ok(BTreeSet::new()),
        Some(value) => strings(value).ok_or_else(|| malformed(path)),
    }
}

/// A string or an array of strings, none of them empty, at least one (RFC 7519 section 4.1.3).
pub(crate) fn audiences(raw: &Map<String, Value>) -> Result<BTreeSet<String>, TokenError> {
    let value = raw.get("aud").ok_or(TokenError::MissingClaim("aud"))?;
    let audiences = strings(value).filter(|set| !set.is_empty() && !set.contains(""));
    audiences.ok_or_else(|| malformed("aud"))
}

/// `scope` is one string (RFC 8693 section 4.2); some issuers call it `scp`, some write an array. Both at once must
/// agree. A word that no request could ask for (RFC 6749 section 3.3) is an error, not two words.
pub(crate) fn scopes(raw: &Map<String, Value>) -> Result<BTreeSet<String>, TokenError> {
    let read = |name: &'static str| {
        let words: Vec<&str> = match raw.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.split(' ').filter(|word| !word.is_empty()).collect(),
            Some(Value::Array(words)) => {
                words.iter().map(|word| word.as_str().ok_or_else(|| malformed(name))).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(malformed(name)),
        };
        if !words.iter().all(|word| is_scope(word)) {
            return Err(malformed(name));
        }
        Ok(Some(words.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()))
    };
    match (read("scope")?, read("scp")?) {
        (Some(scope), Some(scp)) if scope != scp => Err(malformed("scp")),
        (Some(scopes), _) | (None, Some(scopes)) => Ok(scopes),
        (None, None) => Ok(BTreeSet::new()),
    }
}

/// RFC 6749 section 3.3.
fn is_scope(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

fn confirmation(cnf: &Value) -> Result<Confirmation, TokenError> {
    let members = cnf.as_object().ok_or_else(|| malformed("cnf"))?;
    let hash = |name: &str| {
        let Some(hash) = members.get(name) else { return Ok(None) };
        let bytes = hash.as_str().and_then(|text| json::decode(Part::Payload, text).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Some).ok_or_else(|| malformed("cnf"))
    };
    let (certificate, key) = (hash("x5t#S256")?, hash("jkt")?);
    let all = usize::from(certificate.is_some()).saturating_add(usize::from(key.is_some()));
    if all == 0 || all < members.len() {
        return Ok(Confirmation::Unsupported);
    }
    Ok(Confirmation::Of { certificate, key })
}

pub(crate) fn text(raw: &Map<String, Value>, name: &'static str) -> Result<Option<String>, TokenError> {
    match raw.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(malformed(name)),
    }
}

pub(crate) fn date(raw: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    raw.get(name).map(|value| value.as_u64().ok_or_else(|| malformed(name))).transpose()
}

pub(crate) fn malformed(name: &str) -> TokenError {
    TokenError::MalformedClaim(name.to_owned())
}

pub(crate) fn strings(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::String(text) => Some(BTreeSet::from([text.clone()])),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Strings, whole numbers and truth values have one spelling. Everything else has no form as a tag, and an array that
/// holds anything else has none as a whole: half a set would answer questions wrongly.
fn tag(value: &Value) -> Option<BTreeSet<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => Some(BTreeSet::from([one(value)?])),
    }
}

#[cfg(test)]
mod tests;
