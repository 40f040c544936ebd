//! Which stories there are: one for each file of `envoy-configs/`.

use anyhow::Result;
use testbed::{Form, OutboundWorld};

use crate::{demo, external};

/// A story that can be played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Story {
    #[default]
    AgentToMcp,
    SeparateFilters,
    NativeJwtAuthn,
    ExternalAgentToMcp,
    AgentToAgent,
    McpToExternalApi,
    McpToPartnerApi,
}

// === impl Story ===

impl Story {
    pub(crate) const ALL: [Self; 7] = [
        Self::AgentToMcp,
        Self::SeparateFilters,
        Self::NativeJwtAuthn,
        Self::ExternalAgentToMcp,
        Self::AgentToAgent,
        Self::McpToExternalApi,
        Self::McpToPartnerApi,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|story| story.name() == name)
    }

    /// As its file in `envoy-configs/` is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AgentToMcp => "agent-to-mcp",
            Self::SeparateFilters => "separate-filters",
            Self::NativeJwtAuthn => "native-jwt-authn",
            Self::ExternalAgentToMcp => "external-agent-to-mcp",
            Self::AgentToAgent => "agent-to-agent",
            Self::McpToExternalApi => "mcp-to-external-api",
            Self::McpToPartnerApi => "mcp-to-partner-api",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::AgentToMcp => "a company's agents call its MCP servers (played when none is named)",
            Self::SeparateFilters => "the same, past four filters with one task each",
            Self::NativeJwtAuthn => "the same, where Envoy's own filter checks the tokens",
            Self::ExternalAgentToMcp => "an agent comes from outside, with nothing but a URL",
            Self::AgentToAgent => "agents hand work to each other",
            Self::McpToExternalApi => "an MCP server calls an API outside",
            Self::McpToPartnerApi => "the same, where the API has an authorization server of its own",
        }
    }

    /// Plays it; `false` when something went otherwise than it must.
    pub(crate) fn play(self, keep: bool) -> Result<bool> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::AgentToMcp => demo::agent_to_mcp(Form::Guard, keep).await,
                Self::SeparateFilters => demo::agent_to_mcp(Form::Separate, keep).await,
                Self::NativeJwtAuthn => demo::agent_to_mcp(Form::Native, keep).await,
                Self::ExternalAgentToMcp => external::play(keep).await,
                Self::AgentToAgent => demo::agent_to_agent(keep).await,
                Self::McpToExternalApi => demo::mcp_to_external_api(self.name(), OutboundWorld::start(), keep).await,
                Self::McpToPartnerApi => {
                    demo::mcp_to_external_api(self.name(), OutboundWorld::exchanging(), keep).await
                }
            }
        })
    }
}

pub(crate) fn usage() -> String {
    let stories = Story::ALL.map(|story| format!("  {:22} {}", story.name(), story.about()));
    format!(
        "usage: testbed demo [STORY] [--keep]\n\
        Plays a story through a real Envoy and prints what came of it. Stories:\n\
        {}\n  \
        --keep                 leaves everything running, with something to try",
        stories.join("\n")
    )
}
