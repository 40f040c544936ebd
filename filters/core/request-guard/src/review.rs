//! What a configuration says of policy, for tools that read it outside a proxy.

use access_policy::{Policies, Server};
use serde_json::Value;

use crate::compile::{self, ConfigurationError};
use crate::host::Host;

/// Which filter a configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// `agent_guard`.
    AgentGuard,
    /// `cedar_authz`.
    CedarAuthz,
}

/// A configuration that the filter takes.
#[derive(Debug)]
pub struct Review {
    /// The policies, compiled.
    pub policies: Policies,
    /// The servers, as policies know them.
    pub servers: Vec<Server>,
    /// The text of the policies.
    pub cedar: String,
    /// The operator's entities.
    pub entities: Value,
    /// What works and should not stay.
    pub warnings: Vec<String>,
}

/// Compiles a configuration as the filter does.
///
/// # Errors
/// What the filter would refuse, with the path of the field and what to do.
pub fn review(filter: Filter, configuration: Value, host: &Host<'_>) -> Result<Review, ConfigurationError> {
    let warnings = match filter {
        Filter::AgentGuard => compile::guard(configuration.clone(), host)?.warnings,
        Filter::CedarAuthz => compile::cedar_authz(configuration.clone(), host)?.warnings,
    };
    let (servers, policies, policy) = compile::policies_of(filter, configuration)?;
    Ok(Review { policies, servers, cedar: policy.cedar, entities: policy.entities, warnings })
}

// === impl Filter ===

impl Filter {
    /// The name of its plugin.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentGuard => "agent_guard",
            Self::CedarAuthz => "cedar_authz",
        }
    }
}
