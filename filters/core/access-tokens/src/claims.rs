//! Claims: what is required, and what the rest becomes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::error::TokenError;
use crate::jwks::decode;

/// Where an issuer puts groups and roles: a claim, or a dotted path into nested ones (`realm_access.roles`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimPaths {
    /// Of the groups.
    pub groups: Option<String>,
    /// Of the roles.
    pub roles: Option<String>,
}

/// The claims of a token whose signature may or may not be good.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audiences: BTreeSet<String>,
    pub(crate) expires_at: u64,
    pub(crate) not_before: Option<u64>,
    pub(crate) issued_at: Option<u64>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: BTreeSet<String>,
    pub(crate) transaction: Option<String>,
    pub(crate) act: Option<Value>,
    pub(crate) certificate: Option<[u8; 32]>,
    pub(crate) unsupported_confirmation: bool,
    /// Every claim that has no place of its own, as sets of strings.
    pub(crate) tags: BTreeMap<String, BTreeSet<String>>,
    raw: Map<String, Value>,
}

/// Claims with a place of their own.
const OWN: [&str; 15] =
    ["acr", "act", "amr", "aud", "azp", "client_id", "cnf", "exp", "iat", "iss", "jti", "nbf", "scope", "scp", "sub"];

/// Earlier actors are history, and history ends somewhere (RFC 8693 section 4.1).
pub(crate) const MAX_ACTORS: usize = 4;

// === impl Claims ===

impl Claims {
    /// Reads the claims. Numeric dates are whole seconds: a fraction or a negative number is refused.
    pub(crate) fn read(raw: Map<String, Value>) -> Result<Self, TokenError> {
        let required = |name| text(&raw, name)?.ok_or(TokenError::Claim(name));
        let (certificate, unsupported_confirmation) = confirmation(raw.get("cnf"))?;
        let act = raw.get("act").cloned();
        if actors(act.as_ref())?.len() > MAX_ACTORS {
            return Err(TokenError::Claim("act"));
        }
        let client_id = match text(&raw, "client_id")? {
            Some(client_id) => Some(client_id),
            None => text(&raw, "azp")?,
        };
        Ok(Self {
            issuer: required("iss")?,
            subject: required("sub")?,
            audiences: set(&raw, "aud")?.filter(|set| !set.is_empty()).ok_or(TokenError::Claim("aud"))?,
            expires_at: date(&raw, "exp")?.ok_or(TokenError::Claim("exp"))?,
            not_before: date(&raw, "nbf")?,
            issued_at: date(&raw, "iat")?,
            scopes: scopes(&raw)?,
            client_id,
            acr: text(&raw, "acr")?,
            amr: set(&raw, "amr")?.unwrap_or_default(),
            transaction: text(&raw, "txn")?,
            act,
            certificate,
            unsupported_confirmation,
            tags: raw
                .iter()
                .filter(|(name, _)| !OWN.contains(&name.as_str()))
                .filter_map(|(name, value)| Some((name.clone(), tag(value)?)))
                .collect(),
            raw,
        })
    }

    /// The strings at a path: a claim of that very name, or one nested at its dots. Anything but a string or an array
    /// of strings is nobody's group.
    pub(crate) fn at(&self, path: Option<&str>) -> BTreeSet<String> {
        let Some(path) = path else { return BTreeSet::new() };
        let nested = || {
            let mut names = path.split('.');
            let first = self.raw.get(names.next()?)?;
            names.try_fold(first, |value, name| value.get(name))
        };
        self.raw.get(path).or_else(nested).and_then(strings).unwrap_or_default()
    }
}

/// The actors from the current one to the first.
pub(crate) fn actors(act: Option<&Value>) -> Result<Vec<&str>, TokenError> {
    let mut names = Vec::new();
    let mut next = act;
    while let Some(act) = next {
        let name = act.get("sub").and_then(Value::as_str).ok_or(TokenError::Claim("act"))?;
        names.push(name);
        next = act.get("act");
    }
    Ok(names)
}

/// RFC 7800: the certificate if that is all that is asked for, else something that is not checked here.
fn confirmation(cnf: Option<&Value>) -> Result<(Option<[u8; 32]>, bool), TokenError> {
    let Some(cnf) = cnf else { return Ok((None, false)) };
    let members = cnf.as_object().ok_or(TokenError::Claim("cnf"))?;
    let thumbprint = members.get("x5t#S256").and_then(Value::as_str).and_then(decode);
    match thumbprint.map(<[u8; 32]>::try_from) {
        Some(Ok(thumbprint)) if members.len() == 1 => Ok((Some(thumbprint), false)),
        _ => Ok((None, true)),
    }
}

/// `scope` is a string (RFC 8693 section 4.2); some issuers say `scp`, as a string or an array.
fn scopes(raw: &Map<String, Value>) -> Result<BTreeSet<String>, TokenError> {
    let (name, value) = match (raw.get("scope"), raw.get("scp")) {
        (Some(value), _) => ("scope", value),
        (None, Some(value)) => ("scp", value),
        (None, None) => return Ok(BTreeSet::new()),
    };
    let words = strings(value).ok_or(TokenError::Claim(name))?;
    Ok(words.iter().flat_map(|words| words.split(' ')).filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

fn text(raw: &Map<String, Value>, name: &'static str) -> Result<Option<String>, TokenError> {
    match raw.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::Claim(name)),
    }
}

fn set(raw: &Map<String, Value>, name: &'static str) -> Result<Option<BTreeSet<String>>, TokenError> {
    raw.get(name).map(|value| strings(value).ok_or(TokenError::Claim(name))).transpose()
}

fn date(raw: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    raw.get(name).map(|value| value.as_u64().ok_or(TokenError::Claim(name))).transpose()
}

fn strings(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::String(text) => Some(BTreeSet::from([text.clone()])),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Strings, whole numbers and truth values have one spelling; everything else is dropped.
fn tag(value: &Value) -> Option<BTreeSet<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => one(value).map(|text| BTreeSet::from([text])),
    }
}
