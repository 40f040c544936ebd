//! What a token endpoint answers, held to what was asked (RFC 6749 section 5, RFC 8693 section 2.2).

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::{AnswerError, ExchangeError, ServerError};
use super::token::ExchangedToken;
use super::types::TokenType;
use crate::claims;
use crate::error::Part;
use crate::header::media_type;
use crate::json::{self, NotAnObject};

/// What an answer must not go beyond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) issued: Issued,
    pub(super) scopes: BTreeSet<String>,
    /// Whom the token may be for: what was asked as audience and as resource.
    pub(super) targets: BTreeSet<String>,
    /// `sub`, where the server has the same names for users.
    pub(super) subject: Option<String>,
    /// For which resources an assertion may be good.
    pub(super) resources: Option<BTreeSet<String>>,
    /// SHA-256 of the token that was sent, and of the caller's.
    pub(super) sent: [[u8; 32]; 2],
    /// How long it may live at most, in seconds.
    pub(super) ttl_seconds: Option<u64>,
}

/// What kind of token an answer has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Issued {
    /// An access token; the server says so (RFC 8693), and exactly so where a type was asked for.
    AccessToken { requested: Option<TokenType> },
    /// An access token; this grant has no other (RFC 7523).
    Bearer,
    /// An assertion for another authorization server.
    IdJag,
}

/// More bytes than any such answer has.
const MAX_ANSWER_BYTES: usize = 65_536;
/// Servers refuse headers that are much larger.
const MAX_TOKEN_BYTES: usize = 16_384;
/// `typ` of an ID-JAG.
const ID_JAG: &str = "oauth-id-jag+jwt";

/// Reads an answer at `now` (Unix seconds); `None` is that none came.
pub(super) fn read(
    answer: Option<(u16, &[u8])>,
    expected: &Expected,
    now: u64,
) -> Result<ExchangedToken, ExchangeError> {
    let (status, body) = answer.ok_or(ExchangeError::Unreachable)?;
    match status {
        200 => Ok(success(&members(body)?, expected, now)?),
        // The proxy's own answers: nobody could be reached, or not in time.
        502..=504 => Err(ExchangeError::Unreachable),
        408 | 429 | 500..=599 => Err(ExchangeError::Unavailable { status }),
        400..=499 => match members(body).ok().as_ref().and_then(|members| members.get("error")?.as_str()) {
            Some(code) => Err(ExchangeError::Refused(ServerError::of(code))),
            None => Err(AnswerError::Status(status).into()),
        },
        _ => Err(AnswerError::Status(status).into()),
    }
}

fn members(body: &[u8]) -> Result<Map<String, Value>, AnswerError> {
    if body.len() > MAX_ANSWER_BYTES {
        return Err(AnswerError::TooLong { limit: MAX_ANSWER_BYTES });
    }
    json::object(body).map_err(|error| match error {
        NotAnObject::Syntax => AnswerError::NotJson,
        NotAnObject::Duplicate(_) => AnswerError::Duplicate,
    })
}

fn success(members: &Map<String, Value>, expected: &Expected, now: u64) -> Result<ExchangedToken, AnswerError> {
    let text = text(members, "access_token")?.ok_or(AnswerError::Missing("access_token"))?;
    if text.len() > MAX_TOKEN_BYTES || !is_token68(text) {
        return Err(AnswerError::TokenText);
    }
    let issued = self::text(members, "issued_token_type")?;
    let token_type = self::text(members, "token_type")?.ok_or(AnswerError::Missing("token_type"))?;
    expected.issued.check(issued, token_type)?;
    let fingerprint: [u8; 32] = Sha256::digest(text).into();
    if expected.sent.contains(&fingerprint) {
        return Err(AnswerError::SameToken);
    }
    let claims = jwt_claims(text, expected.issued)?;
    let lives = match members.get("expires_in") {
        None => None,
        Some(seconds) => Some(seconds.as_u64().ok_or(AnswerError::Malformed("expires_in"))?),
    };
    let by_answer = lives.map(|seconds| now.saturating_add(seconds));
    let by_claims = match &claims {
        None => None,
        Some(claims) => date(claims, "exp")?,
    };
    let expires_at = [by_answer, by_claims].into_iter().flatten().min();
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(AnswerError::Expired);
    }
    if let Some(limit) = expected.ttl_seconds
        && expires_at.is_none_or(|expires_at| expires_at > now.saturating_add(limit))
    {
        return Err(AnswerError::LivesTooLong { limit });
    }
    let mut scopes = match members.get("scope") {
        // As it was asked (RFC 6749 section 5.1).
        None => expected.scopes.clone(),
        Some(Value::String(_)) => claims::scopes(members).map_err(|_| AnswerError::Malformed("scope"))?,
        Some(_) => return Err(AnswerError::Malformed("scope")),
    };
    if !scopes.is_subset(&expected.scopes) {
        return Err(AnswerError::Scope);
    }
    if let Some(claims) = claims {
        if claims.contains_key("scope") || claims.contains_key("scp") {
            scopes = claims::scopes(&claims).map_err(|_| AnswerError::Claims)?;
            if !scopes.is_subset(&expected.scopes) {
                return Err(AnswerError::Scope);
            }
        }
        expected.check(&claims)?;
    }
    let scope = scopes.into_iter().collect::<Vec<_>>().join(" ");
    Ok(ExchangedToken { text: text.to_owned(), scope, expires_at })
}

// === impl Issued ===

impl Issued {
    fn check(self, issued: Option<&str>, token_type: &str) -> Result<(), AnswerError> {
        let bearer = token_type.eq_ignore_ascii_case("bearer");
        let (is_right, usable) = match self {
            Self::AccessToken { requested } => {
                let issued = TokenType::of(issued.ok_or(AnswerError::Missing("issued_token_type"))?);
                let right = match requested {
                    Some(requested) => issued == Some(requested),
                    None => matches!(issued, Some(TokenType::AccessToken | TokenType::Jwt)),
                };
                (right, bearer)
            }
            Self::Bearer => (true, bearer),
            Self::IdJag => {
                let issued = issued.ok_or(AnswerError::Missing("issued_token_type"))?;
                (TokenType::of(issued) == Some(TokenType::IdJag), token_type.eq_ignore_ascii_case("n_a"))
            }
        };
        match (is_right, usable) {
            (false, _) => Err(AnswerError::IssuedTokenType),
            (true, false) => Err(AnswerError::TokenType),
            (true, true) => Ok(()),
        }
    }
}

// === impl Expected ===

impl Expected {
    /// What is given for an assertion is good for no more than that is.
    pub(super) fn narrow(&mut self, assertion: &ExchangedToken) {
        self.scopes.retain(|scope| assertion.scope.split(' ').any(|granted| granted == scope));
    }

    /// A token that can be read is held to what was asked; nobody but its audience can check its signature, and it comes
    /// from the server itself.
    fn check(&self, claims: &Map<String, Value>) -> Result<(), AnswerError> {
        let audiences = claims::audiences(claims).map_err(|_| AnswerError::Audience)?;
        if !audiences.is_subset(&self.targets) {
            return Err(AnswerError::Audience);
        }
        if let (Some(asked), Some(resource)) = (&self.resources, claims.get("resource")) {
            let resources = claims::strings(resource).ok_or(AnswerError::Claims)?;
            if !resources.is_subset(asked) {
                return Err(AnswerError::Audience);
            }
        }
        match &self.subject {
            Some(subject) if claims.get("sub").and_then(Value::as_str) != Some(subject) => Err(AnswerError::Subject),
            _ => Ok(()),
        }
    }
}

/// The claims of a token that is a JWT; a token that is none says nothing. What looks like one has to be one.
fn jwt_claims(text: &str, issued: Issued) -> Result<Option<Map<String, Value>>, AnswerError> {
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return if issued == Issued::IdJag { Err(AnswerError::Claims) } else { Ok(None) };
    };
    let header = match json::object_of(Part::Header, header) {
        Ok(header) => header,
        Err(_) if issued != Issued::IdJag && !header.starts_with("ey") => return Ok(None),
        Err(_) => return Err(AnswerError::Claims),
    };
    let typ = header.get("typ").and_then(Value::as_str).map(media_type);
    if issued == Issued::IdJag && typ.as_deref() != Some(ID_JAG) {
        return Err(AnswerError::IssuedTokenType);
    }
    json::object_of(Part::Payload, payload).map(Some).map_err(|_| AnswerError::Claims)
}

/// RFC 9110 section 11.2, as bearer tokens are (RFC 6750 section 2.1).
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.bytes().all(plain)
}

fn text<'a>(members: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, AnswerError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(AnswerError::Malformed(name)),
    }
}

fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, AnswerError> {
    claims.get(name).map(|value| value.as_u64().ok_or(AnswerError::Claims)).transpose()
}

#[cfg(test)]
mod tests;
