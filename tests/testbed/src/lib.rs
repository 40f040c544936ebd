//! Certificates, tokens, upstream servers and Envoy processes, for the demo, the tests and the benchmark.

mod acme_servers;
mod jose;
mod mcp_server;
mod pki;
mod recorder;
mod tokens;
mod upstream;

pub use acme_servers::{docs, hr, tickets};
pub use jose::{SigningKey, decode, verify_es256};
pub use mcp_server::{Document, McpServer, PromptEntry, ToolEntry};
pub use pki::{Authority, Credential, Leaf, Validity};
pub use recorder::{Received, Recorder};
pub use tokens::{IdentityProvider, Token, now, tampered};
pub use upstream::{Answers, Canned, Script, Upstream};
