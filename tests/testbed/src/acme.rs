//! Who is who in the story: the servers, the users, the agents, and who vouches for them.

use anyhow::Result;
use serde_json::json;

use crate::acme_servers::{docs, hr, tickets};
use crate::jose::SigningKey;
use crate::mcp_server::McpServer;
use crate::pki::{Authority, Credential, Leaf, Validity};
use crate::tokens::{IdentityProvider, Token};

/// One of the company's MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// Human resources: days off and salaries.
    Hr,
    /// Documents.
    Docs,
    /// Tickets.
    Tickets,
}

/// A person, as the identity provider knows her.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// `sub`.
    pub name: &'static str,
    /// `employee_id`.
    pub employee_id: &'static str,
    /// `department`.
    pub department: &'static str,
    /// `groups`.
    pub groups: &'static [&'static str],
}

/// An engineer.
pub const ALICE: User = User { name: "alice", employee_id: "E1001", department: "engineering", groups: &["employees"] };
/// A salesman.
pub const BOB: User = User { name: "bob", employee_id: "E1002", department: "sales", groups: &["employees"] };
/// The head of engineering.
pub const MARIA: User =
    User { name: "maria", employee_id: "E2001", department: "engineering", groups: &["employees", "managers"] };

/// What users' tokens allow at most.
pub const SCOPES: &str = "hr.read docs.read tickets.write";

/// Everybody's certificates and keys.
pub struct Identities {
    /// The company's own authority.
    pub acme: Authority,
    /// Another company's, under its own name.
    pub evil: Authority,
    /// The gateway's certificate, for the hosts of all servers.
    pub gateway: Credential,
    /// `spiffe://acme.example/agent/assistant`, which may act for users.
    pub assistant: Credential,
    /// `spiffe://acme.example/agent/batch`, which may not.
    pub batch: Credential,
    /// `spiffe://evil.example/agent/assistant`.
    pub stranger: Credential,
    /// The company's identity provider.
    pub idp: IdentityProvider,
    /// Somebody who calls himself the same, key id included, but has another key.
    pub impostor: IdentityProvider,
    /// Signs the smaller tokens: ES256.
    pub mesh: SigningKey,
}

/// The issuer of users' tokens.
const ISSUER: &str = "https://idp.acme.example";

// === impl Server ===

impl Server {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hr, Self::Docs, Self::Tickets];

    /// As policies and configuration call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hr => "hr",
            Self::Docs => "docs",
            Self::Tickets => "tickets",
        }
    }

    /// The host that it answers for.
    #[must_use]
    pub fn host(self) -> &'static str {
        match self {
            Self::Hr => "hr.mcp.acme.example",
            Self::Docs => "docs.mcp.acme.example",
            Self::Tickets => "tickets.mcp.acme.example",
        }
    }

    /// Its resource identifier (RFC 8707): what `aud` of a token for it says.
    #[must_use]
    pub fn audience(self) -> String {
        format!("https://{}/mcp", self.host())
    }

    /// What it offers.
    #[must_use]
    pub fn offer(self) -> McpServer {
        match self {
            Self::Hr => hr(),
            Self::Docs => docs(),
            Self::Tickets => tickets(),
        }
    }
}

// === impl Identities ===

impl Identities {
    /// New certificates; the identity provider's key is always the same.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new() -> Result<Self> {
        let acme = Authority::new("acme.example")?;
        let evil = Authority::new("evil.example")?;
        Ok(Self {
            gateway: acme.server("/gateway", &Server::ALL.map(Server::host))?,
            assistant: acme.svid("/agent/assistant")?,
            batch: acme.svid("/agent/batch")?,
            stranger: evil.svid("/agent/assistant")?,
            idp: IdentityProvider::new(ISSUER, "idp-1", SigningKey::rs256(include_str!("keys/idp.pem"))?),
            impostor: IdentityProvider::new(ISSUER, "idp-1", SigningKey::rs256(include_str!("keys/idp-other.pem"))?),
            mesh: SigningKey::es256()?,
            acme,
            evil,
        })
    }

    /// A token for all three servers, right in every respect, not yet signed.
    #[must_use]
    pub fn token(&self, user: &User) -> Token {
        self.idp
            .token(user.name)
            .claim("aud", json!(Server::ALL.map(Server::audience)))
            .claim("scope", SCOPES)
            .claim("client_id", "acme-assistant")
            .claim("employee_id", user.employee_id)
            .claim("department", user.department)
            .claim("groups", json!(user.groups))
    }

    /// A certificate of the company's authority with these URI SANs.
    ///
    /// # Errors
    /// One of them can't stand in a certificate.
    pub fn with_uris(&self, uris: &[&str]) -> Result<Credential> {
        self.acme.issue(&Leaf { uris: uris.iter().map(|&uri| uri.to_owned()).collect(), ..Leaf::default() })
    }

    /// The assistant's certificate of last week.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn expired_assistant(&self) -> Result<Credential> {
        let uris = vec!["spiffe://acme.example/agent/assistant".to_owned()];
        self.acme.issue(&Leaf { uris, validity: Validity::Expired, ..Leaf::default() })
    }
}
