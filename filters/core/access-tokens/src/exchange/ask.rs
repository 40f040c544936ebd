//! What a token is wanted for, and what is therefore asked.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

use super::error::ExchangeError;
use super::{ActorToken, ExchangeConfig, ExchangeGrant, SubjectToken};
use crate::token::VerifiedToken;

/// A call that a token is wanted for.
#[derive(Clone, Copy)]
pub struct ExchangeAsk<'a> {
    /// The caller's token, verified.
    pub subject: &'a VerifiedToken,
    /// Its text; nothing where it is not at hand.
    pub subject_token: Option<&'a str>,
    /// The SPIFFE ID of the peer that acts.
    pub actor: Option<&'a str>,
    /// The name of the server that is called.
    pub server: &'a str,
    /// What it speaks.
    pub protocol: &'a str,
    /// Its resource identifier.
    pub server_audience: &'a str,
    /// For whom the token has to be, where policy says it.
    pub audience: Option<&'a str>,
    /// What the token may be good for at most, where policy says it.
    pub scopes: Option<&'a BTreeSet<String>>,
    /// How long it may live at most, in seconds, where policy says it.
    pub ttl_seconds: Option<u64>,
}

/// What is asked: the same question has the same answer, whoever waits for it.
pub(super) struct Question<'a> {
    pub(super) subject: &'a VerifiedToken,
    pub(super) subject_token: Option<&'a str>,
    pub(super) actor: Option<&'a str>,
    pub(super) server: &'a str,
    pub(super) protocol: &'a str,
    pub(super) audience: Option<&'a str>,
    pub(super) resources: Vec<&'a str>,
    pub(super) scopes: BTreeSet<String>,
    pub(super) ttl_seconds: Option<u64>,
}

// === impl Question ===

impl<'a> Question<'a> {
    pub(super) fn of(config: &'a ExchangeConfig, ask: &ExchangeAsk<'a>) -> Result<Self, ExchangeError> {
        if ask.actor.is_none() && matches!(config.actor_token, ActorToken::Minted(_)) {
            return Err(ExchangeError::NoActor);
        }
        let (audience, resources) = match (ask.audience, &config.audience) {
            // Where an assertion comes first, `audience` names the server that takes it.
            (Some(granted), _) if matches!(config.grant, ExchangeGrant::IdJag { .. }) => (None, vec![granted]),
            (Some(granted), _) => (Some(granted), Vec::new()),
            (None, None) if config.resources.is_empty() => (None, vec![ask.server_audience]),
            (None, audience) => (audience.as_deref(), config.resources.iter().map(String::as_str).collect()),
        };
        // The server's own scopes, or the caller's: and of these what policy leaves.
        let most = config.scopes.as_ref().unwrap_or_else(|| ask.subject.scopes());
        let scopes = most.iter().filter(|scope| ask.scopes.is_none_or(|granted| granted.contains(*scope)));
        Ok(Self {
            subject: ask.subject,
            subject_token: match config.subject {
                SubjectToken::Presented { .. } => ask.subject_token,
                SubjectToken::Minted(_) => None,
            },
            actor: ask.actor,
            server: ask.server,
            protocol: ask.protocol,
            audience,
            resources,
            scopes: scopes.cloned().collect(),
            ttl_seconds: ask.ttl_seconds,
        })
    }

    /// Whom the token may be for.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'a str> {
        self.audience.into_iter().chain(self.resources.iter().copied())
    }

    /// `scope` of the request.
    pub(super) fn scope(&self) -> String {
        self.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Everything that the answer depends on. Each part has its length before it, so that none can reach into the next.
    pub(super) fn key(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        };
        let optional = |part: Option<&str>| part.map(|part| format!("={part}")).unwrap_or_default();
        add(self.subject.fingerprint());
        add(optional(self.actor).as_bytes());
        add(self.server.as_bytes());
        add(self.protocol.as_bytes());
        add(optional(self.audience).as_bytes());
        add(&self.resources.len().to_be_bytes());
        for resource in &self.resources {
            add(resource.as_bytes());
        }
        add(self.scope().as_bytes());
        add(optional(self.ttl_seconds.map(|seconds| seconds.to_string()).as_deref()).as_bytes());
        hash.finalize().into()
    }
}

impl fmt::Debug for ExchangeAsk<'_> {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ExchangeAsk");
        fields.field("actor", &self.actor).field("server", &self.server).field("audience", &self.audience);
        fields.field("scopes", &self.scopes).field("ttl_seconds", &self.ttl_seconds).finish_non_exhaustive()
    }
}
