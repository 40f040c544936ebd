//! A token service that other people made.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use crate::foreign::{Foreign, ForeignProgram};
use crate::recorder::Recorder;
use crate::tokens::IdentityProvider;
use crate::upstream::Upstream;

/// ZITADEL's library with one client, which authenticates with a secret in the header, and one audience: at
/// `/oauth/token`, behind a recorder. Its tokens are JWT, signed with a key of its own. It stops when dropped.
pub struct ForeignTokenService {
    front: Upstream,
    _program: ForeignProgram,
}

// === impl ForeignTokenService ===

impl ForeignTokenService {
    /// The name that it gives itself.
    pub const ISSUER: &str = "https://sts.zitadel.example";
    /// `client_id`. Both it and the secret have what a header needs in the encoding of forms.
    pub const CLIENT_ID: &str = "acme mesh";
    /// `client_secret`.
    pub const CLIENT_SECRET: &str = "s&cret: +%";

    /// Starts one that takes tokens of these issuers; `None`, with the reason printed, where it can't be had.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(audience: &str, trusted: &[&IdentityProvider]) -> Result<Option<Self>> {
        let Some(installed) = Foreign::ZitadelOidc.find().await else { return Ok(None) };
        let keys: Vec<_> = trusted.iter().map(|issuer| (issuer.issuer(), issuer.jwks().to_string())).collect();
        let mut arguments = vec![Self::ISSUER, Self::CLIENT_ID, Self::CLIENT_SECRET, audience];
        arguments.extend(keys.iter().flat_map(|(issuer, keys)| [*issuer, keys.as_str()]));
        let program = installed.start("server", &arguments).await?;
        let port: u16 = program.first_line.trim().parse().with_context(|| program.first_line.clone())?;
        let front = Upstream::relay((Ipv4Addr::LOCALHOST, port).into()).await?;
        Ok(Some(Self { front, _program: program }))
    }

    /// Where it listens, in plain HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.front.address()
    }

    /// What it was asked.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        self.front.recorder()
    }
}
