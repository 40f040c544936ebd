//! A real MCP server, made with the official Rust SDK: what it offers is data.

use std::pin::Pin;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, ContentBlock, CustomRequest,
    CustomResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, Implementation, JsonObject, ListPromptsResult,
    ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams, Prompt, PromptMessage,
    ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse,
    ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities, ServerConfig, SubscriptionFilter, Tool,
    UpdateTaskParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use serde_json::{Value, json};

use crate::library::Library;

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
    /// What it has beside, if anything.
    pub library: Option<Library>,
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
        let plain = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts();
        let capabilities = match self.library {
            None => plain.build(),
            Some(_) => plain.enable_resources_subscribe().enable_tasks().enable_skills_with_directory_read().build(),
        };
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

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.library("tasks/get")?.task(&request.task_id)
    }

    async fn update_task(&self, request: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.library("tasks/update")?.known(&request.task_id).map(drop)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.library("tasks/cancel")?.known(&request.task_id).map(drop)
    }

    async fn list_skills(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        Ok(ListSkillsResult::with_all_items(self.library("skills/list")?.skills()))
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        self.library("skills/get")?.skill(&request.uri).map(GetSkillResult::new)
    }

    async fn read_resource_directory(
        &self,
        _: ReadResourceDirectoryRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(self.library("resources/directory/read")?.directory()))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let other = self.library(&request.method)?.other(&request.method, &request.params.unwrap_or_default());
        other.unwrap_or_else(|| Err(unknown(&request.method)))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.library.as_ref().map(|_| requested.clone())
    }

    /// Tells of every resource once, and that is all.
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let resources = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        for uri in resources {
            let told = context.sink().notify_resource_updated(uri).await;
            told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
        Ok(())
    }
}

impl McpServer {
    fn library(&self, method: &str) -> Result<&Library, ErrorData> {
        self.library.as_ref().ok_or_else(|| unknown(method))
    }
}

fn unknown(method: &str) -> ErrorData {
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method.to_owned(), None)
}
