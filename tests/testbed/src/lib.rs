//! Certificates, tokens, upstream servers and Envoy processes, for the demo, the tests and the benchmark.

mod a2a_agent;
mod acme;
mod acme_servers;
mod agents;
mod agents_story;
mod audit;
mod authorization_server;
mod client;
mod clock;
mod conformance;
mod discovery;
mod dpop;
mod envoy;
mod envoy_config;
mod external;
mod external_story;
mod foreign;
mod foreign_issuer;
mod foreign_server;
mod foreign_sts;
mod form;
mod hop;
mod http_with_sse;
mod jose;
mod key_server;
mod library;
mod mcp_server;
mod mesh_token;
mod oauth;
mod outbound;
mod outbound_story;
mod pages;
mod parameters;
mod permissive;
mod pki;
mod play;
mod recorder;
mod recording;
mod relay;
mod story;
mod sts;
mod tls_front;
mod tokens;
mod upstream;
mod world;

pub use rmcp;

pub use a2a_agent::{A2aAgent, Task};
pub use acme::{ALICE, BOB, Identities, MARIA, SCOPES, Server, User};
pub use acme_servers::{docs, hr, tickets};
pub use agents::AgentsWorld;
pub use agents_story::{AGENTS_STORY, AgentRow, Colleague};
pub use authorization_server::{AuthorizationOptions, AuthorizationServer};
pub use client::{
    A2aVersion, Answer, Ask, Authorized, Body, Caller, Connection, Exchange, HttpCall, Listening, McpCall, Protocol,
    PublicClient, RawConnection, Revision, SdkClient, SdkRevision, SendError, send_plain,
};
pub use clock::Clock;
pub use conformance::{Checks, ConformanceSuite, Scenarios};
pub use discovery::Discovery;
pub use dpop::{ProofKey, token_hash};
pub use envoy::{
    Envoy, EnvoyOptions, NotServing, Refusal, envoy_path, envoy_version, expect_refused, filters_folder, func_e_path,
};
pub use envoy_config::{EnvoyConfig, Placeholder, merge, workspace_root};
pub use external::{ASSISTANT, ExternalWorld, PUBLIC_HOST, public_path, public_url};
pub use external_story::{Step, play_external};
pub use foreign::{Ended, Foreign, ForeignProgram, Installed};
pub use foreign_issuer::ForeignIssuer;
pub use foreign_server::{ForeignServer, Maker};
pub use foreign_sts::ForeignTokenService;
pub use form::Form;
pub use hop::{Adds, Hop};
pub use jose::{SigningKey, decode, verify_es256, verify_with_set};
pub use key_server::KeyServer;
pub use library::Library;
pub use mcp_server::{Answering, Document, Errand, McpServer, PromptEntry, ToolEntry};
pub use mesh_token::{MeshTokens, NotThisCall};
pub use outbound::{OutboundWorld, WEATHER_HOST};
pub use outbound_story::{OUTBOUND_STORY, Outbound, OutboundRow, OutboundToken, Way};
pub use pages::filters_of_page;
pub use pki::{Authority, Credential, Leaf, Validity};
pub use play::Played;
pub use recorder::{Received, Recorder};
pub use recording::{Executed, RecordingServer, Sdk};
pub use story::{Agent, Call, Expected, Row, STORY, Scene, TokenKind};
pub use sts::{ClientAuthentication, Fault, Issued, ServiceClient, TokenService, TokenServiceOptions};
pub use tls_front::TlsFront;
pub use tokens::{IdentityProvider, Token, now, tampered};
pub use upstream::{Answers, Canned, Script, Upstream};
pub use world::{SESSION_KEY, World, WorldBuilder};
