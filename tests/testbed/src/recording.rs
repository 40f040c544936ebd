//! MCP servers that execute whatever they are asked and remember what that was, each made with another SDK.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::client::get_plain;
use crate::foreign::{Foreign, ForeignProgram};

/// With what a server is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sdk {
    /// The official one for TypeScript, second generation.
    Typescript,
    /// The official one for Python.
    Python,
    /// The official one for Rust.
    Rust,
}

/// A running server, at `/mcp` in plain HTTP. It stops when dropped.
pub struct RecordingServer {
    address: SocketAddr,
    _running: Running,
}

/// What a server did.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// `tools/call`, `prompts/get` or `resources/read`.
    pub method: String,
    /// A name or a URI.
    pub target: String,
    /// Empty where there were none.
    pub arguments: Map<String, Value>,
}

/// Held for what its end ends.
enum Running {
    Program { _program: Box<ForeignProgram> },
    Task(JoinHandle<()>),
}

// === impl RecordingServer ===

impl RecordingServer {
    /// Starts one that answers for `hosts` and for this machine; `None`, with the reason printed, where its packages
    /// can't be had.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(sdk: Sdk, hosts: &[&str]) -> Result<Option<Self>> {
        let (foreign, program) = match sdk {
            Sdk::Typescript => (Foreign::McpTypescript, "recording.mjs"),
            Sdk::Python => (Foreign::McpPython, "recording.py"),
            Sdk::Rust => return Self::rust(hosts).await.map(Some),
        };
        let Some(installed) = foreign.find().await else { return Ok(None) };
        let program = installed.start(program, &[]).await?;
        let port = program.first_line.trim().parse().with_context(|| format!("no port: {}", program.first_line))?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Some(Self { address, _running: Running::Program { _program: Box::new(program) } }))
    }

    async fn rust(hosts: &[&str]) -> Result<Self> {
        let recording = Recording::default();
        let executed = Arc::clone(&recording.0);
        let hosts = [hosts, &["127.0.0.1", "localhost"]].concat();
        let config = StreamableHttpServerConfig::default()
            .with_allowed_hosts(hosts)
            .with_legacy_session_mode(false)
            .with_json_response(true);
        let service: StreamableHttpService<Recording, LocalSessionManager> =
            StreamableHttpService::new(move || Ok(recording.clone()), Arc::default(), config);
        let tell = move || async move {
            Value::Array(std::mem::take(&mut *executed.lock().unwrap_or_else(PoisonError::into_inner))).to_string()
        };
        let router = Router::new().route_service("/mcp", service).route("/executed", get(tell));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // Ends only when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, _running: Running::Task(task) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done since this was last asked.
    ///
    /// # Errors
    /// It does not say.
    pub async fn executed(&self) -> Result<Vec<Executed>> {
        let text = get_plain(self.address, "/executed").await?;
        let told: Vec<Value> = serde_json::from_str(&text).with_context(|| text.clone())?;
        told.iter().map(|one| Executed::read(one).with_context(|| text.clone())).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

// === impl Executed ===

impl Executed {
    fn read(told: &Value) -> Option<Self> {
        let text = |name| told.get(name).and_then(Value::as_str).map(str::to_owned);
        let arguments = told.get("arguments")?.as_object()?.clone();
        Some(Self { method: text("method")?, target: text("target")?, arguments })
    }
}

/// The one in Rust.
#[derive(Debug, Clone, Default)]
struct Recording(Arc<Mutex<Vec<Value>>>);

// === impl Recording ===

impl Recording {
    fn did(&self, method: &str, target: &str, arguments: Option<Map<String, Value>>) {
        let one = json!({ "method": method, "target": target, "arguments": arguments.unwrap_or_default() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }
}

impl ServerHandler for Recording {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.did("tools/call", &request.name, request.arguments);
        Ok(CallToolResult::success(Vec::new()).into())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.did("prompts/get", &request.name, request.arguments);
        Ok(GetPromptResult::new(Vec::new()).into())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.did("resources/read", &request.uri, None);
        Ok(ReadResourceResult::new(Vec::new()).into())
    }
}
