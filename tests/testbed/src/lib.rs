//! Certificates, tokens, upstream servers and Envoy processes, for the demo, the tests and the benchmark.

mod acme;
mod acme_servers;
mod client;
mod envoy;
mod envoy_config;
mod form;
mod jose;
mod mcp_server;
mod pki;
mod play;
mod recorder;
mod story;
mod tokens;
mod upstream;
mod world;

pub use rmcp;

pub use acme::{ALICE, BOB, Identities, MARIA, SCOPES, Server, User};
pub use acme_servers::{docs, hr, tickets};
pub use client::{
    Answer, Body, Caller, Connection, HttpCall, McpCall, Protocol, RawConnection, Revision, SdkClient, SdkRevision,
    SendError, send_plain,
};
pub use envoy::{Envoy, EnvoyOptions, NotServing, Refusal, envoy_path, expect_refused, filters_folder};
pub use envoy_config::{EnvoyConfig, Placeholder, merge, workspace_root};
pub use form::Form;
pub use jose::{SigningKey, decode, verify_es256};
pub use mcp_server::{Document, McpServer, PromptEntry, ToolEntry};
pub use pki::{Authority, Credential, Leaf, Validity};
pub use play::Played;
pub use recorder::{Received, Recorder};
pub use story::{Agent, Call, Expected, Row, STORY, Scene, TokenKind};
pub use tokens::{IdentityProvider, Token, now, tampered};
pub use upstream::{Answers, Canned, Script, Upstream};
pub use world::{World, WorldBuilder};
