//! Policies and what they are about.

use access_policy::Policies;

use super::{Compiled, unless, wrong};
use crate::config;

pub(super) fn policies(policy: &config::Policy, servers: &[config::Server]) -> Compiled<Policies> {
    let enforced = policy.enforcement == config::Enforcement::Enforce;
    unless(enforced, "policy.enforcement", "`shadow` is not supported yet; write `enforce`")?;
    unless(policy.shadow.is_empty(), "policy.shadow", "not supported yet; leave it empty")?;
    let servers: Vec<_> = servers.iter().map(catalogue).collect();
    Policies::compile(&policy.cedar, &policy.entities, &servers).map_err(|error| wrong(&error.field(), error))
}

pub(super) fn catalogue(server: &config::Server) -> access_policy::Server {
    let tool = |(name, tool): (&String, &config::Tool)| {
        let hints = access_policy::Hints {
            read_only: tool.hints.read_only,
            destructive: tool.hints.destructive,
            idempotent: tool.hints.idempotent,
            open_world: tool.hints.open_world,
        };
        (name.clone(), access_policy::ToolEntry { groups: tool.groups.clone(), hints, data_class: tool.data_class })
    };
    let resource = |(uri, resource): (&String, &config::Resource)| {
        let entry = access_policy::ResourceEntry { groups: resource.groups.clone(), data_class: resource.data_class };
        (uri.clone(), entry)
    };
    access_policy::Server {
        name: server.name.clone(),
        protocol: server.protocol.of_messages().unwrap_or_default(),
        groups: server.groups.clone(),
        tools: server.tools.iter().map(tool).collect(),
        resources: server.resources.iter().map(resource).collect(),
    }
}
