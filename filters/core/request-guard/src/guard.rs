//! One compiled configuration, shared by all streams of a worker.

use access_policy::Policies;
use access_tokens::{Mint, TokenVerifier};
use agent_messages::Limits;
use peer_identity::{Source, TrustDomain};
use serde_json::Value;

use crate::compile::{self, ConfigurationError};
use crate::config::Audit;
use crate::path::Path;
use crate::server::Server;

/// Everything a request is judged by. Made of a configuration that is wholly right, or not at all.
pub struct Guard {
    pub(crate) servers: Vec<Server>,
    pub(crate) sources: Vec<Source>,
    pub(crate) trust_domains: Vec<TrustDomain>,
    pub(crate) identity_required: bool,
    pub(crate) tokens_required: bool,
    pub(crate) max_token_bytes: usize,
    pub(crate) verifier: TokenVerifier,
    pub(crate) policies: Policies,
    pub(crate) downscope: Downscope,
    pub(crate) limits: Limits,
    pub(crate) hide_denied: bool,
    pub(crate) audit: Audit,
    pub(crate) warnings: Vec<String>,
}

/// What happens to the caller's token.
pub(crate) enum Downscope {
    /// A smaller one of our own goes on in its place.
    Mint(Box<Mint>),
    /// Nothing goes on in its place.
    Remove,
    /// It goes on. MCP forbids that; an operator has to say the word "danger".
    ForwardClientToken,
}

// === impl Guard ===

impl Guard {
    /// Compiles a configuration; `environment` gives the value of an environment variable.
    ///
    /// # Errors
    /// Anything that is not wholly right, with the path of the field and what to do.
    pub fn configure(
        configuration: Value,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigurationError> {
        compile::guard(configuration, environment)
    }

    /// What works and should not stay, for the log.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The first server that a request to this host and path is for.
    pub(crate) fn server_for(&self, host: &str, path: Path<'_>) -> Option<usize> {
        self.servers.iter().position(|server| server.serves(host, path))
    }
}
