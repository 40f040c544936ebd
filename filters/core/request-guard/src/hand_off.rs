//! What one stage leaves for the next in the stream's filter state: one versioned key each.
//!
//! Filter state belongs to the proxy: nothing that a client sends can write it, and a header is never a hand-off.
//! A hand-off that is missing, unknown or malformed is a denial. So is one that lacks a member: serde takes an absent
//! member for `null` unless it is told otherwise, and nothing granted, nothing bound would be everything.

use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use access_tokens::{Target, VerifiedToken, VerifiedTransaction};
use agent_messages::AgentCall;
use peer_identity::{PeerIdentity, Source};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::possession::DpopChallenge;
use crate::rejection::Rejection;
use crate::server::Server;

/// Which hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOff {
    /// Who the peer is; `spiffe_identity` writes it.
    Peer,
    /// Who the user is; `jwt_auth` writes it.
    Token,
    /// What is asked; `mcp_parser` writes it.
    Call,
    /// What policy says; `cedar_authz` writes it.
    Decision,
}

/// The hand-offs that the host found, as bytes; the stage that needs one reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct HandOffs<'a> {
    /// Of `spiffe_identity`.
    pub peer: Option<&'a [u8]>,
    /// Of `jwt_auth`.
    pub token: Option<&'a [u8]>,
    /// Of `mcp_parser`.
    pub call: Option<&'a [u8]>,
    /// Of `cedar_authz`.
    pub decision: Option<&'a [u8]>,
}

/// What is wrong with a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandOffProblem {
    /// The stage that writes it did not run.
    Missing,
    /// It is not in the form of this version.
    Malformed,
    /// It is about another server than the others are.
    OtherServer,
    /// It does not let the request go on.
    NotAllowed,
}

/// The peer, or that none had to be there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PeerHandOff {
    Absent,
    Known { spiffe_id: String, source: SourceName },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceName {
    Tls,
    Waypoint,
    Xfcc,
    JwtSvid,
}

/// The user's token, or that none had to be there, and for which server it was verified.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenHandOff {
    pub(crate) server: String,
    pub(crate) audience: String,
    /// The URL of the protected resource metadata, for challenges of later stages.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) resource_metadata: Option<String>,
    /// The same, of proofs of possession.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) dpop: Option<DpopChallenge>,
    pub(crate) token: UserToken,
    /// The transaction that the request belongs to.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) transaction: Option<Rc<VerifiedTransaction>>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UserToken {
    Absent,
    Verified(Rc<VerifiedToken>),
}

/// The call, and which server it is for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallHandOff {
    pub(crate) server: String,
    pub(crate) call: AgentCall,
}

/// The decision. Access logs show it too, so there is no secret in it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionHandOff {
    pub(crate) decision: String,
    pub(crate) request_id: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) server: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) principal: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) actor: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) action: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) resource: Option<String>,
    pub(crate) policies: Vec<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) policy_digest: Option<String>,
    /// Only where a later stage makes the smaller token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) grant: Option<GrantHandOff>,
}

/// With what an allowed call may go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantHandOff {
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) scopes: Option<BTreeSet<String>>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) audience: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) ttl_seconds: Option<u64>,
    pub(crate) protocol: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) target: Option<Target<String>>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) arguments_sha256: Option<[u8; 32]>,
}

// === impl HandOff ===

impl HandOff {
    /// The property that a stage sets; the filter state is called `wasm.` and this.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Peer => "meshwarden.peer.v1",
            Self::Token => "meshwarden.token.v1",
            Self::Call => "meshwarden.call.v1",
            Self::Decision => "meshwarden.decision.v1",
        }
    }

    fn writer(self) -> &'static str {
        match self {
            Self::Peer => "spiffe_identity",
            Self::Token => "jwt_auth",
            Self::Call => "mcp_parser",
            Self::Decision => "cedar_authz",
        }
    }

    /// Reads a hand-off that has to be there.
    pub(crate) fn read<T: DeserializeOwned>(self, bytes: Option<&[u8]>) -> Result<T, Rejection> {
        let bytes = bytes.ok_or_else(|| self.rejected(HandOffProblem::Missing))?;
        serde_json::from_slice(bytes).map_err(|_| self.rejected(HandOffProblem::Malformed))
    }

    pub(crate) fn rejected(self, problem: HandOffProblem) -> Rejection {
        Rejection::HandOff(self, problem)
    }

    /// In words, for the operator.
    pub(crate) fn reason(self, problem: HandOffProblem) -> String {
        let (key, writer) = (self.key(), self.writer());
        match problem {
            HandOffProblem::Missing => format!("`{key}` is missing: put {writer} of this version before this filter"),
            HandOffProblem::Malformed => format!("`{key}` is not in the form of this version of {writer}"),
            HandOffProblem::OtherServer => {
                format!("`{key}` is about another server: give all filters of the chain the same `servers`")
            }
            HandOffProblem::NotAllowed => format!("`{key}` does not allow the request"),
        }
    }
}

/// A hand-off as it is written.
pub(crate) fn written<T: Serialize>(hand_off: &T) -> Result<Vec<u8>, Rejection> {
    // Text keys and finite numbers only: it always has a JSON form.
    serde_json::to_vec(hand_off).map_err(|_| Rejection::UnexpectedEvent)
}

// === impl TokenHandOff ===

impl TokenHandOff {
    pub(crate) fn of(
        server: &Server,
        dpop: Option<DpopChallenge>,
        token: Option<Rc<VerifiedToken>>,
        transaction: Option<Rc<VerifiedTransaction>>,
    ) -> Self {
        Self {
            server: server.name.clone(),
            audience: server.audience.clone(),
            resource_metadata: server.metadata_url().map(str::to_owned),
            dpop,
            token: token.map_or(UserToken::Absent, UserToken::Verified),
            transaction,
        }
    }
}

// === impl PeerHandOff ===

impl PeerHandOff {
    pub(crate) fn of(peer: Option<&PeerIdentity>) -> Self {
        match peer {
            None => Self::Absent,
            Some(peer) => Self::Known { spiffe_id: peer.id().as_str().to_owned(), source: peer.source().into() },
        }
    }

    pub(crate) fn peer(self) -> Result<Option<PeerIdentity>, Rejection> {
        match self {
            Self::Absent => Ok(None),
            Self::Known { spiffe_id, source } => PeerIdentity::handed_over(&spiffe_id, source.into())
                .map(Some)
                .map_err(|_| HandOff::Peer.rejected(HandOffProblem::Malformed)),
        }
    }
}

// === impl SourceName ===

impl From<Source> for SourceName {
    fn from(source: Source) -> Self {
        match source {
            Source::Tls => Self::Tls,
            Source::Waypoint => Self::Waypoint,
            Source::Xfcc => Self::Xfcc,
            Source::JwtSvid => Self::JwtSvid,
        }
    }
}

impl From<SourceName> for Source {
    fn from(source: SourceName) -> Self {
        match source {
            SourceName::Tls => Self::Tls,
            SourceName::Waypoint => Self::Waypoint,
            SourceName::Xfcc => Self::Xfcc,
            SourceName::JwtSvid => Self::JwtSvid,
        }
    }
}

impl fmt::Display for HandOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

#[cfg(test)]
mod tests;
