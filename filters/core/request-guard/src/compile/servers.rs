//! The servers behind the listener.

use std::rc::Rc;

use agent_messages::{Binding, ParamHeaders};
use peer_identity::SpiffeId;

use super::extra_methods::extra_methods;
use super::{Compiled, UNJUDGED, wrong};
use crate::config::{self, AllServerRequests, Protocol};
use crate::mirrored::MirroredArguments;
use crate::origin::{AllowedOrigins, Origin};
use crate::server::{Announced, Server, ServerRequests, Servers, Terms};

/// Compiles the servers; `metadata` is what each of them says of itself. `judged` are those protocols that the filter
/// reads; nothing means that it reads no messages.
pub(super) fn servers(
    servers: &[config::Server],
    metadata: Option<Announced<'_>>,
    judged: Option<&[Protocol]>,
) -> Compiled<Servers> {
    if servers.is_empty() {
        return Err(wrong("servers", "name at least one server; a request for no server is refused"));
    }
    let mut compiled: Vec<Rc<Server>> = Vec::with_capacity(servers.len());
    for (at, server) in servers.iter().enumerate() {
        let field = |name: &str| format!("servers[{at}].{name}");
        if let Some(judged) = judged
            && !judged.contains(&server.protocol)
        {
            return Err(wrong(&field("protocol"), protocol_problem(server.protocol, judged)));
        }
        if !is_server_name(&server.name) {
            return Err(wrong(
                &field("name"),
                format!("`{}` is no server name: use lower-case letters, digits, `-`, `_` and `.`", server.name),
            ));
        }
        if compiled.iter().any(|other| other.name == server.name) {
            return Err(wrong(&field("name"), format!("`{}` is the name of an earlier server", server.name)));
        }
        if let Some(hosts) = &server.matches.hosts {
            if hosts.is_empty() {
                return Err(wrong(&field("match.hosts"), "name at least one host, or leave `hosts` out"));
            }
            if let Some(odd) = hosts.iter().find(|host| crate::server::host_of(host.as_bytes()).as_ref() != Some(host))
            {
                let problem = format!("`{odd}` is no host: write it in lower case, without scheme, port and path");
                return Err(wrong(&field("match.hosts"), problem));
            }
        }
        if let Some(prefix) = &server.matches.path_prefix
            && crate::path::Path::parse(prefix.as_bytes()).is_none_or(|(_, query)| !query.is_empty())
        {
            return Err(wrong(&field("match.path_prefix"), format!("`{prefix}` is no path: start it with `/`")));
        }
        agent(at, server)?;
        let terms = Terms {
            presenters: presenters(at, server, judged)?,
            origins: origins(at, server)?,
            mirrored: mirrored(at, server)?,
            extra_methods: extra_methods(at, server)?,
            server_requests: server_requests(at, server)?,
        };
        let compile = Server::compile(server, terms, metadata);
        compiled.push(compile.map(Rc::new).map_err(|_| {
            let problem = format!("`{}` is no resource identifier: write an https URL", server.audience);
            wrong(&field("audience"), problem)
        })?);
    }
    if let Some(Announced { metadata, .. }) = metadata
        && metadata.authorization_servers.is_empty()
    {
        let field = "tokens.resource_metadata.authorization_servers";
        return Err(wrong(field, "name at least one authorization server (RFC 9728 as MCP requires it)"));
    }
    Ok(Servers(compiled))
}

/// What only an agent has.
fn agent(at: usize, server: &config::Server) -> Compiled<()> {
    let field = |name: &str| format!("servers[{at}].{name}");
    if server.protocol != Protocol::A2a {
        if server.public_card {
            return Err(wrong(&field("public_card"), "it is for `a2a`: other servers have no card; leave it out"));
        }
        if server.bindings.is_some() {
            return Err(wrong(&field("bindings"), "it is for `a2a`: other protocols have one binding; leave it out"));
        }
    }
    let Some(bindings) = &server.bindings else { return Ok(()) };
    if bindings.is_empty() {
        return Err(wrong(
            &field("bindings"),
            "name at least one of `JSONRPC`, `HTTP+JSON` and `GRPC`, or leave it out",
        ));
    }
    if bindings
        .iter()
        .enumerate()
        .any(|(at, binding)| bindings.iter().skip(at.saturating_add(1)).any(|other| other == binding))
    {
        return Err(wrong(&field("bindings"), "a binding is named twice; name each once"));
    }
    let prefix = server.matches.path_prefix.as_deref().unwrap_or("/");
    if bindings.contains(&Binding::Grpc) && prefix != "/" {
        let problem = format!("gRPC is never below `{prefix}`: leave `match.path_prefix` out, or `GRPC`");
        return Err(wrong(&field("bindings"), problem));
    }
    Ok(())
}

/// Who presents tokens that others were called with is asked where nothing else is: on the way out.
fn presenters(at: usize, server: &config::Server, judged: Option<&[Protocol]>) -> Compiled<Option<Vec<SpiffeId>>> {
    let field = format!("servers[{at}].presenters");
    let Some(presenters) = &server.presenters else { return Ok(None) };
    if judged != Some(UNJUDGED) {
        return Err(wrong(&field, "it is for `jwt_auth` with both `tokens` and `downscope`; leave it out"));
    }
    if presenters.is_empty() {
        return Err(wrong(&field, "name the workloads that `audience` is the name of, or leave `presenters` out"));
    }
    let parse = |(n, id): (usize, &String)| {
        SpiffeId::parse(id).map_err(|error| wrong(&format!("servers[{at}].presenters[{n}]"), error))
    };
    presenters.iter().enumerate().map(parse).collect::<Compiled<_>>().map(Some)
}

fn origins(at: usize, server: &config::Server) -> Compiled<AllowedOrigins> {
    let parse = |(n, origin): (usize, &String)| {
        Origin::parse(origin).ok_or_else(|| {
            let problem = format!(
                "`{origin}` is no origin: write scheme and host in lower case, and a port only where it is not the \
                 scheme's own, as in `https://app.acme.example`"
            );
            wrong(&format!("servers[{at}].allowed_origins[{n}]"), problem)
        })
    };
    let origins = server.allowed_origins.as_ref();
    origins.map(|all| all.iter().enumerate().map(parse).collect()).transpose().map(AllowedOrigins::of)
}

fn mirrored(at: usize, server: &config::Server) -> Compiled<MirroredArguments> {
    let of_tool = |(tool, entry): (&String, &config::Tool)| {
        let all = entry.param_headers.iter().map(|(name, pointer)| (name.as_str(), pointer.as_str()));
        let headers = ParamHeaders::compile(all)
            .map_err(|(name, problem)| wrong(&format!("servers[{at}].tools.{tool}.param_headers.{name}"), problem))?;
        Ok((tool.clone(), headers))
    };
    server.tools.iter().map(of_tool).collect::<Compiled<_>>().map(MirroredArguments::of)
}

/// What a server asks a client for, in all revisions that have such requests.
const SERVER_REQUESTS: [&str; 8] = [
    "elicitation/create",
    "ping",
    "roots/list",
    "sampling/createMessage",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
];

fn server_requests(at: usize, server: &config::Server) -> Compiled<ServerRequests> {
    let field = format!("servers[{at}].server_requests");
    let requests = match &server.server_requests {
        config::ServerRequests::All(AllServerRequests::Allow) => return Ok(ServerRequests::All),
        config::ServerRequests::All(AllServerRequests::Refuse) => Vec::new(),
        config::ServerRequests::Only(methods) if methods.is_empty() => {
            return Err(wrong(&field, "name at least one method, or write `refuse`"));
        }
        config::ServerRequests::Only(methods) => methods.clone(),
    };
    if server.protocol != Protocol::Mcp {
        return Err(wrong(&field, "only servers of MCP ask their clients for something; leave it out"));
    }
    match requests.iter().find(|method| !SERVER_REQUESTS.contains(&method.as_str())) {
        Some(odd) => Err(wrong(&field, format!("`{odd}` is none of `{}`", SERVER_REQUESTS.join("`, `")))),
        None => Ok(ServerRequests::Only(requests)),
    }
}

/// Server names become a part of Cedar ids (`Tool::"<server>/<tool>"`) and of audit lines.
fn is_server_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    (1..=63).contains(&name.len()) && name.bytes().all(plain)
}

fn protocol_problem(protocol: Protocol, judged: &[Protocol]) -> &'static str {
    match protocol {
        _ if judged.contains(&Protocol::Http) => {
            "with both `tokens` and `downscope` the API has no policies: write `http`, or use `agent_guard`"
        }
        Protocol::Http | Protocol::Mcp | Protocol::A2a => {
            "`http` is for `jwt_auth` alone; this filter judges messages of `mcp` and `a2a`"
        }
    }
}
