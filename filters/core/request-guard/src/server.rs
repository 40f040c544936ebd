//! The servers behind the listener, and the documents served in their name.

use std::rc::Rc;

use agent_messages::{AgentEndpoint, Binding, ExtraMethods, Protocol, is_card};
use peer_identity::SpiffeId;
use serde_json::json;

use crate::config;
use crate::facts::Facts;
use crate::headers::Headers;
use crate::mirrored::MirroredArguments;
use crate::origin::AllowedOrigins;
use crate::path::{Path, carries_token};
use crate::rejection::Rejection;

/// The servers behind the listener; the first that matches counts.
pub(crate) struct Servers(pub(crate) Vec<Rc<Server>>);

const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// One server, compiled.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    /// Of its messages; nothing where these are not read.
    pub(crate) protocol: Option<Protocol>,
    /// Of an agent: its bindings.
    pub(crate) endpoint: AgentEndpoint,
    /// Of an agent: its card is shown to whoever has no token.
    public_card: bool,
    pub(crate) extra_methods: Rc<ExtraMethods>,
    /// Lower case; nothing matches every host.
    hosts: Option<Vec<String>>,
    path_prefix: Option<String>,
    pub(crate) audience: String,
    /// Of `audience`: where callers find the server.
    pub(crate) origin: String,
    /// The workloads that `audience` names, where they present the tokens that they were called with.
    pub(crate) presenters: Option<Vec<SpiffeId>>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) mirrored: MirroredArguments,
    pub(crate) server_requests: ServerRequests,
    metadata: Option<Metadata>,
}

/// What the operator says of a server beside its name and place.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The workloads that its audience names.
    pub(crate) presenters: Option<Vec<SpiffeId>>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) mirrored: MirroredArguments,
    pub(crate) extra_methods: ExtraMethods,
    pub(crate) server_requests: ServerRequests,
}

/// What a server may ask its clients for, in revisions in which it may (up to 2025-11-25).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum ServerRequests {
    /// Everything.
    #[default]
    All,
    /// These methods.
    Only(Vec<String>),
}

/// What the servers say of how to get in (RFC 9728).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Announced<'a> {
    pub(crate) metadata: &'a config::ResourceMetadata,
    pub(crate) dpop: Option<&'a config::Dpop>,
}

/// What RFC 9728 makes of the server.
#[derive(Debug)]
struct Metadata {
    url: String,
    /// Path-inserted, as section 3.1 builds it.
    path: String,
    document: String,
}

/// Why an `audience` can't be a resource identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAResource;

// === impl Server ===

impl Server {
    /// Compiles what the operator wrote; metadata is there when `resource_metadata` is configured.
    pub(crate) fn compile(
        server: &config::Server,
        terms: Terms,
        metadata: Option<Announced<'_>>,
    ) -> Result<Self, NotAResource> {
        let (origin, path) = resource_identifier(&server.audience)?;
        let metadata = metadata.map(|announced| Metadata {
            url: format!("{origin}{PROTECTED_RESOURCE}{path}"),
            path: format!("{PROTECTED_RESOURCE}{path}"),
            document: announced.document(&server.audience),
        });
        Ok(Self {
            name: server.name.clone(),
            protocol: server.protocol.of_messages(),
            endpoint: AgentEndpoint::new(
                server.matches.path_prefix.as_deref(),
                server.bindings.clone().unwrap_or_else(|| AgentEndpoint::JUDGED.to_vec()),
            ),
            public_card: server.public_card,
            extra_methods: Rc::new(terms.extra_methods),
            hosts: server
                .matches
                .hosts
                .as_ref()
                .map(|hosts| hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
            path_prefix: server.matches.path_prefix.clone(),
            audience: server.audience.clone(),
            origin: origin.to_owned(),
            presenters: terms.presenters,
            origins: terms.origins,
            mirrored: terms.mirrored,
            server_requests: terms.server_requests,
            metadata,
        })
    }

    /// Whether a request to this host and path is for this server.
    pub(crate) fn serves(&self, host: &str, path: Path<'_>) -> bool {
        self.serves_host(host) && self.path_prefix.as_deref().is_none_or(|prefix| path.is_under(prefix))
    }

    /// Whether the host is this server's, whatever the path.
    pub(crate) fn serves_host(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|own| own == host))
    }

    /// Whether this is a request for a card that needs no token. Policy decides on it as on any other.
    pub(crate) fn shows_card(&self, headers: &Headers<'_>) -> bool {
        self.public_card && headers.first(":method") == Some(b"GET") && headers.first(":path").is_some_and(is_card)
    }

    /// The protected resource metadata, when `path` asks for it (RFC 9728 section 3.1), path-inserted or at the root.
    pub(crate) fn metadata_at(&self, path: Path<'_>) -> Option<&str> {
        let metadata = self.metadata.as_ref()?;
        let asked = path.as_str();
        (asked == metadata.path || asked == PROTECTED_RESOURCE).then_some(metadata.document.as_str())
    }

    /// The URL of the protected resource metadata, when there is any.
    pub(crate) fn metadata_url(&self) -> Option<&str> {
        self.metadata.as_ref().map(|metadata| metadata.url.as_str())
    }
}

// === impl Announced ===

impl Announced<'_> {
    /// RFC 9728 section 2.
    fn document(&self, resource: &str) -> String {
        let mut document = json!({
            "resource": resource,
            "authorization_servers": self.metadata.authorization_servers,
            "scopes_supported": self.metadata.scopes_supported,
            "bearer_methods_supported": ["header"],
        });
        if let (Some(members), Some(dpop)) = (document.as_object_mut(), self.dpop) {
            members.insert("dpop_signing_alg_values_supported".to_owned(), json!(dpop.algorithms));
            members.insert("dpop_bound_access_tokens_required".to_owned(), dpop.required.into());
        }
        document.to_string()
    }
}

// === impl ServerRequests ===

impl ServerRequests {
    pub(crate) fn allow(&self, method: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(methods) => methods.iter().any(|own| own == method),
        }
    }
}

// === impl Servers ===

impl Servers {
    pub(crate) fn get(&self, at: usize) -> Option<&Rc<Server>> {
        self.0.get(at)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Rc<Server>> {
        self.0.iter().find(|server| server.name == name)
    }

    /// The server that a request is for, and its index.
    pub(crate) fn find(&self, headers: &Headers<'_>, facts: &mut Facts) -> Result<(usize, &Rc<Server>), Rejection> {
        let host = headers.first(":authority").and_then(host_of).ok_or(Rejection::UnknownServer)?;
        let (path, query) = headers.first(":path").and_then(Path::parse).ok_or(Rejection::AmbiguousPath)?;
        let mut servers = self.0.iter().enumerate();
        let (at, server) = servers.find(|(_, server)| server.serves(&host, path)).ok_or(Rejection::UnknownServer)?;
        facts.server_name = Some(server.name.clone());
        facts.resource_metadata = server.metadata_url().map(str::to_owned);
        if server.protocol == Some(Protocol::A2a) && facts.binding != Binding::Grpc {
            facts.binding = headers.first(":path").map_or(Binding::JsonRpc, |path| server.endpoint.binding_of(path));
        }
        server.origins.check(headers)?;
        if carries_token(query) {
            return Err(Rejection::TokenInQuery);
        }
        Ok((at, server))
    }

    /// A public document that the request asks for: metadata of a server on this host, or what `keys` has at the path.
    pub(crate) fn document<'a>(
        &'a self,
        headers: &Headers<'_>,
        keys: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<String> {
        let (host, path) = asked(headers)?;
        let mut here = self.0.iter().filter(|server| server.serves_host(&host)).peekable();
        here.peek()?;
        let document = keys(path.as_str()).or_else(|| here.find_map(|server| server.metadata_at(path)));
        document.map(str::to_owned)
    }

    /// The same for a filter that knows no servers.
    pub(crate) fn keys<'a>(headers: &Headers<'_>, keys: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
        let (_, path) = asked(headers)?;
        keys(path.as_str()).map(str::to_owned)
    }
}

/// Host and path of a `GET`.
fn asked<'a>(headers: &Headers<'a>) -> Option<(String, Path<'a>)> {
    if headers.first(":method") != Some(b"GET") {
        return None;
    }
    let host = headers.first(":authority").and_then(host_of)?;
    let (path, _) = headers.first(":path").and_then(Path::parse)?;
    Some((host, path))
}

/// A challenge, with the URL of the metadata when there is one (RFC 9728 section 5.1).
pub(crate) fn challenge(scheme: &str, metadata_url: Option<&str>, parameters: &[(&str, &str)]) -> String {
    let metadata = metadata_url.map(|url| ("resource_metadata", url));
    let parameters: Vec<String> =
        metadata.iter().chain(parameters).map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    if parameters.is_empty() { scheme.to_owned() } else { format!("{scheme} {}", parameters.join(", ")) }
}

/// `:authority` without its port, in lower case; None when it holds user information or is not ASCII.
pub(crate) fn host_of(authority: &[u8]) -> Option<String> {
    let authority = std::str::from_utf8(authority).ok()?;
    if !authority.bytes().all(|byte| byte.is_ascii_graphic()) || authority.contains('@') {
        return None;
    }
    let host = match authority.rsplit_once(':') {
        // Not a colon inside the brackets of an IPv6 address.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// Splits an `https` (or, on a test network, `http`) URL into origin and path; the path of a bare origin is empty.
fn resource_identifier(audience: &str) -> Result<(&str, &str), NotAResource> {
    let authority_at = ["https://", "http://"]
        .iter()
        .find_map(|scheme| audience.starts_with(scheme).then_some(scheme.len()))
        .ok_or(NotAResource)?;
    // What would end the URL or the quoted parameter that carries it (RFC 8707 section 2: no fragment).
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'#' | b'?' | b'@');
    if !audience.bytes().all(plain) {
        return Err(NotAResource);
    }
    let rest = audience.get(authority_at..).ok_or(NotAResource)?;
    let path_at = rest.find('/').map_or(audience.len(), |at| authority_at.saturating_add(at));
    if path_at == authority_at {
        return Err(NotAResource);
    }
    let (origin, path) = audience.split_at_checked(path_at).ok_or(NotAResource)?;
    Ok((origin, path.strip_suffix('/').unwrap_or(path)))
}

#[cfg(test)]
mod tests {
    use super::{Announced, NotAResource, Server, Terms, challenge, host_of, resource_identifier};
    use crate::config;
    use crate::path::Path;

    fn server(hosts: Option<&[&str]>, path_prefix: Option<&str>) -> Server {
        let metadata = config::ResourceMetadata {
            authorization_servers: vec!["https://idp.acme.example".to_owned()],
            scopes_supported: vec!["hr.read".to_owned()],
        };
        let server = config::Server {
            name: "hr".to_owned(),
            protocol: config::Protocol::Mcp,
            matches: config::Match {
                hosts: hosts.map(|hosts| hosts.iter().map(|&host| host.to_owned()).collect()),
                path_prefix: path_prefix.map(str::to_owned),
            },
            audience: "https://hr.mcp.acme.example/mcp".to_owned(),
            presenters: None,
            allowed_origins: None,
            groups: Vec::new(),
            tools: Default::default(),
            resources: Default::default(),
            extra_methods: Vec::new(),
            server_requests: Default::default(),
            bindings: None,
            public_card: false,
        };
        let announced = Announced { metadata: &metadata, dpop: None };
        Server::compile(&server, Terms::default(), Some(announced)).unwrap()
    }

    fn path(text: &str) -> Path<'_> {
        Path::parse(text.as_bytes()).unwrap().0
    }

    #[test]
    fn a_server_is_found_by_host_and_path() {
        let hr = server(Some(&["HR.mcp.acme.example"]), Some("/mcp"));
        assert!(hr.serves("hr.mcp.acme.example", path("/mcp")));
        assert!(!hr.serves("docs.mcp.acme.example", path("/mcp")));
        assert!(!hr.serves("hr.mcp.acme.example", path("/admin")));
        assert!(server(None, None).serves("anything", path("/at/all")));
    }

    #[test]
    fn metadata_is_at_the_inserted_path_and_at_the_root() {
        let hr = server(None, None);
        assert!(hr.metadata_at(path("/.well-known/oauth-protected-resource/mcp")).is_some());
        assert!(hr.metadata_at(path("/.well-known/oauth-protected-resource")).is_some());
        assert_eq!(hr.metadata_at(path("/.well-known/oauth-protected-resource/other")), None);
        assert_eq!(hr.metadata_at(path("/mcp")), None);
    }

    #[test]
    fn a_challenge_names_the_metadata_first() {
        assert_eq!(
            challenge("Bearer", server(None, None).metadata_url(), &[("error", "invalid_token")]),
            "Bearer resource_metadata=\"https://hr.mcp.acme.example/.well-known/oauth-protected-resource/mcp\", \
             error=\"invalid_token\""
        );
    }

    #[test]
    fn hosts_lose_their_port_and_case() {
        assert_eq!(host_of(b"HR.acme.example:8443").as_deref(), Some("hr.acme.example"));
        assert_eq!(host_of(b"[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(host_of(b"[::1]").as_deref(), Some("[::1]"));
        for odd in [&b""[..], b":80", b"a@b", b"a b", b"\xff"] {
            assert_eq!(host_of(odd), None);
        }
    }

    #[test]
    fn an_audience_is_an_absolute_url() {
        assert_eq!(resource_identifier("https://a.example/mcp/"), Ok(("https://a.example", "/mcp")));
        assert_eq!(resource_identifier("https://a.example"), Ok(("https://a.example", "")));
        for odd in ["", "a.example", "urn:a", "https://", "https:///mcp", "https://a/#x", "https://a/?x", "https://a b"]
        {
            assert_eq!(resource_identifier(odd), Err(NotAResource), "{odd}");
        }
    }
}
