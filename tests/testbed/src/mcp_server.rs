//! A real MCP server, made with the official Rust SDK: what it offers is data.

use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, Implementation, JsonObject, ListPromptsResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, Prompt, PromptMessage, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

/// A tool and what it answers.
#[derive(Clone)]
pub struct ToolEntry {
    /// Its name.
    pub name: &'static str,
    /// What a model is told of it.
    pub description: &'static str,
    /// Its parameters, all required strings.
    pub parameters: &'static [&'static str],
    /// The answer to given arguments, as text for the model.
    pub answer: fn(&JsonObject) -> String,
}

/// A resource and its text.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its URI.
    pub uri: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// A prompt without arguments.
#[derive(Debug, Clone)]
pub struct PromptEntry {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// A server with tools, resources and prompts.
#[derive(Clone)]
pub struct McpServer {
    /// How it presents itself.
    pub name: &'static str,
    /// Its tools.
    pub tools: Arc<[ToolEntry]>,
    /// Its resources.
    pub documents: Arc<[Document]>,
    /// Its prompts.
    pub prompts: Arc<[PromptEntry]>,
    /// What it does elsewhere, if anything.
    pub errand: Option<Errand>,
}

/// A tool that asks elsewhere for its answer.
#[derive(Clone)]
pub struct Errand {
    /// Its name.
    pub name: &'static str,
    /// What a model is told of it.
    pub description: &'static str,
    /// Goes and asks, with the headers of the request that the server was called with.
    pub run: Arc<dyn Fn(HeaderMap) -> Answering + Send + Sync>,
}

/// An answer on its way, as text for the model.
pub type Answering = Pin<Box<dyn Future<Output = String> + Send>>;

// === impl ToolEntry ===

impl ToolEntry {
    fn tool(&self) -> Tool {
        let properties: JsonObject =
            self.parameters.iter().map(|&name| (name.to_owned(), json!({ "type": "string" }))).collect();
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("required".to_owned(), self.parameters.into());
        Tool::new(self.name, self.description, schema)
    }
}

// === impl Errand ===

impl Errand {
    fn tool(&self) -> Tool {
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        Tool::new(self.name, self.description, schema)
    }
}

// === impl McpServer ===

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new(self.name, env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let errand = self.errand.iter().map(Errand::tool);
        Ok(ListToolsResult::with_all_items(self.tools.iter().map(ToolEntry::tool).chain(errand).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(errand) = self.errand.as_ref().filter(|errand| errand.name == request.name) {
            let headers = context.extensions.get::<Parts>().map(|parts| parts.headers.clone()).unwrap_or_default();
            let answer = (errand.run)(headers).await;
            return Ok(CallToolResult::success(vec![ContentBlock::text(answer)]).into());
        }
        let Some(tool) = self.tools.iter().find(|tool| tool.name == request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None));
        };
        let answer = (tool.answer)(&request.arguments.unwrap_or_default());
        Ok(CallToolResult::success(vec![ContentBlock::text(answer)]).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = self.documents.iter().map(|document| Resource::new(document.uri, document.name));
        Ok(ListResourcesResult::with_all_items(resources.collect()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some(document) = self.documents.iter().find(|document| document.uri == request.uri) else {
            return Err(ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": request.uri }))));
        };
        Ok(ReadResourceResult::new(vec![ResourceContents::text(document.text, document.uri)]).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = self.prompts.iter().map(|prompt| Prompt::new(prompt.name, None::<String>, None));
        Ok(ListPromptsResult::with_all_items(prompts.collect()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let Some(prompt) = self.prompts.iter().find(|prompt| prompt.name == request.name) else {
            return Err(ErrorData::invalid_params(format!("Unknown prompt: {}", request.name), None));
        };
        Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, prompt.text)]).into())
    }
}
