//! MCP servers that other people made.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};

use crate::foreign::{Foreign, ForeignProgram};

/// With what, or by whom, an MCP server is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The official SDK for TypeScript, second generation. It has all that the conformance suite asks for, in both
    /// families of revisions, with sessions in the older one.
    TypescriptSdk,
    /// The official SDK for Python. It has most of that.
    PythonSdk,
    /// MCP's own people, who show everything with it: the first generation of the TypeScript SDK, with sessions, up to
    /// revision 2025-11-25. It has tools such as `echo` and `get-sum`.
    Everything,
}

/// A running server, at `/mcp` in plain HTTP. It stops when dropped.
pub struct ForeignServer {
    address: SocketAddr,
    _program: ForeignProgram,
}

// === impl Maker ===

impl Maker {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TypescriptSdk, Self::PythonSdk, Self::Everything];
}

// === impl ForeignServer ===

impl ForeignServer {
    /// Starts one that answers for `host` and for this machine; `None`, with the reason printed, where its packages
    /// can't be had.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(maker: Maker, host: &str) -> Result<Option<Self>> {
        let (foreign, program) = match maker {
            Maker::TypescriptSdk => (Foreign::McpTypescript, "server.mjs"),
            Maker::PythonSdk => (Foreign::McpPython, "server.py"),
            Maker::Everything => (Foreign::McpTypescript, "everything.mjs"),
        };
        let Some(installed) = foreign.find().await else { return Ok(None) };
        let program = installed.start(program, &[host]).await?;
        let port = program.first_line.trim().parse().with_context(|| format!("no port: {}", program.first_line))?;
        Ok(Some(Self { address: (Ipv4Addr::LOCALHOST, port).into(), _program: program }))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
