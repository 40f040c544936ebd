//! Policies and what they are about.

use access_policy::{Policies, PolicyError};

use super::{Compiled, unless, wrong};
use crate::config;
use crate::policy::Shadow;

/// The policies, and what is asked beside them.
pub(super) fn enforced(
    policy: &config::Policy,
    servers: &[config::Server],
    warnings: &mut Vec<String>,
) -> Compiled<(Policies, Shadow)> {
    let policies = policies(policy, servers)?;
    warnings.extend(policies.warnings().iter().cloned());
    let shadow = shadow(policy, &policies, servers)?;
    if matches!(shadow, Shadow::Unenforced) {
        let warning = "`policy.enforcement: shadow`: what policy denies goes on, with all scopes of the caller, and \
                       nothing is hidden in lists; the log says what would be denied";
        warnings.push(warning.to_owned());
    }
    Ok((policies, shadow))
}

/// The policies alone.
pub(super) fn policies(policy: &config::Policy, servers: &[config::Server]) -> Compiled<Policies> {
    let servers: Vec<_> = servers.iter().map(catalogue).collect();
    Policies::compile(&policy.cedar, &policy.entities, &servers).map_err(|error| wrong(&error.field(), error))
}

fn shadow(policy: &config::Policy, policies: &Policies, servers: &[config::Server]) -> Compiled<Shadow> {
    let in_text = !policies.shadows().is_empty();
    let unenforced = policy.enforcement == config::Enforcement::Shadow;
    let servers = || servers.iter().map(catalogue).collect::<Vec<_>>();
    match (unenforced, policy.shadow.is_empty(), in_text) {
        (false, true, false) => Ok(Shadow::None),
        (true, true, false) => Ok(Shadow::Unenforced),
        (false, true, true) => {
            let candidate = Policies::with_shadows(&policy.cedar, &policy.entities, &servers());
            let candidate = candidate.map_err(|error| wrong(&error.field(), error))?;
            Ok(Shadow::Candidate(Box::new(candidate)))
        }
        (false, false, false) => {
            let field = |error: &PolicyError| error.field().replace("policy.cedar", "policy.shadow");
            let candidate = Policies::compile(&policy.shadow, &policy.entities, &servers());
            let candidate = candidate.map_err(|error| wrong(&field(&error), error))?;
            let marked = "all of them are candidates; take `@mode(\"shadow\")` off";
            unless(candidate.shadows().is_empty(), "policy.shadow", marked)?;
            Ok(Shadow::Candidate(Box::new(candidate)))
        }
        (false, false, true) => {
            let problem =
                "`policy.cedar` has policies with `@mode(\"shadow\")`, and there is one shadow: move them here";
            Err(wrong("policy.shadow", problem))
        }
        (true, ..) => {
            let problem = "with `shadow` nothing is enforced that candidates could be compared with: leave \
                           `policy.shadow` empty and take `@mode(\"shadow\")` off";
            Err(wrong("policy.enforcement", problem))
        }
    }
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
