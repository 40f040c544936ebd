//! The story of agents from outside: how one finds its way in, and how far each gets.

mod telling;

use anyhow::{Context, Result, ensure};
use rmcp::model::{CallToolRequestParams, ReadResourceRequestParams};
use rmcp::service::ServiceError;
use serde_json::{Value, json};

use self::telling::{challenged, plain, server_received, told};
use crate::acme::Server;
use crate::client::{Authorized, PublicClient};
use crate::external::{ASSISTANT, ExternalWorld, public_url};

/// One thing that happens.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it is about.
    pub title: String,
    /// What was sent: one thing a line.
    pub sent: Vec<String>,
    /// What came back, and what a server received.
    pub came_back: Vec<String>,
}

/// The story as it is played.
struct Play<'a> {
    world: &'a ExternalWorld,
    steps: Vec<Step>,
}

const OWN_TIME_OFF: (&str, [(&str, &str); 1]) = ("get_time_off", [("employee_id", "E1001")]);
const BOBS_TIME_OFF: (&str, [(&str, &str); 1]) = ("get_time_off", [("employee_id", "E1002")]);
const SALARIES: (&str, [(&str, &str); 2]) =
    ("query_compensation", [("department", "engineering"), ("position", "developer")]);

/// Plays it; nothing else may call at the same time.
///
/// # Errors
/// Something goes otherwise than it must.
pub async fn play_external(world: &ExternalWorld) -> Result<Vec<Step>> {
    let mut play = Play { world, steps: Vec::new() };
    let (hr, docs) = (public_url(Server::Hr), public_url(Server::Docs));

    let assistant = world.assistant()?;
    let at_hr = play.way_in(&assistant, &hr).await?;
    play.allowed("Alice asks for her own days off", &at_hr, OWN_TIME_OFF.0, &OWN_TIME_OFF.1).await?;
    play.denied("And for Bob's", &at_hr, BOBS_TIME_OFF.0, &BOBS_TIME_OFF.1).await?;
    play.denied("And for salaries", &at_hr, SALARIES.0, &SALARIES.1).await?;

    let error = assistant.connect_with(&docs, &at_hr.token().await?).await.err().context("let in with HR's token")?;
    let challenge = error.auth_challenge().context("no challenge")?;
    play.stopped("Try the same token at the other server", &format!("POST {docs}"), challenged(401, challenge))?;
    let at_docs = assistant.connect(&docs).await?;
    drop((assistant.exchanges(), world.received()));
    let sent = "resources/read doc://hr/policies/work-from-home";
    let policy = ReadResourceRequestParams::new("doc://hr/policies/work-from-home");
    at_docs.mcp.read_resource(policy).await?;
    let received = server_received(&world.received(), &at_docs.token().await?)?;
    play.step("Get a token for that one, and read", sent, received);
    let plans = ReadResourceRequestParams::new("doc://exec/reorganization-2027");
    let error = at_docs.mcp.read_resource(plans).await.err().context("confidential, and yet read")?;
    let lines = play.reasons(&error).await?;
    play.stopped("And the reorganization plans", "resources/read doc://exec/reorganization-2027", lines)?;

    let stranger = world.stranger()?.connect(&hr).await?;
    play.denied("An agent that nobody knows, with Alice's consent", &stranger, OWN_TIME_OFF.0, &OWN_TIME_OFF.1).await?;
    play.step_up(&hr).await?;
    Ok(play.steps)
}

// === impl Play ===

impl Play<'_> {
    fn step(&mut self, title: &str, sent: &str, came_back: Vec<String>) {
        self.steps.push(Step { title: title.to_owned(), sent: vec![sent.to_owned()], came_back });
    }

    /// A step that must not have brought anything to a server.
    fn stopped(&mut self, title: &str, sent: &str, mut came_back: Vec<String>) -> Result<()> {
        let received = self.world.received();
        ensure!(received.is_empty(), "{title}: stopped, and yet a server received {received:#?}");
        came_back.push("no server received anything".to_owned());
        self.step(title, sent, came_back);
        Ok(())
    }

    /// From a URL to a list of tools.
    async fn way_in(&mut self, agent: &PublicClient, server: &str) -> Result<Authorized> {
        drop((self.world.received(), self.world.assistants_site().take()));
        let challenge = agent.knock(server).await?;
        let came_back = challenged(401, &challenge);
        self.stopped("An agent knocks, without a certificate, without a token", &format!("POST {server}"), came_back)?;
        let inside = agent.authorize(server, &challenge, &[]).await?;
        for exchange in agent.exchanges() {
            if exchange.url.path() == "/authorize" {
                let document = self.world.assistants_site().take_one().path;
                ensure!(ASSISTANT.ends_with(&document), "the authorization server asked for {document}");
                let came_back = vec!["200, who the agent is and where it may be answered".to_owned()];
                self.step("The authorization server looks up the agent", &format!("GET {ASSISTANT}"), came_back);
            }
            self.steps.push(told(&exchange));
        }
        let tools: Vec<_> = inside.mcp.list_all_tools().await?.into_iter().map(|tool| tool.name.to_string()).collect();
        self.step("With the token, the agent sees what it may use", "tools/list", vec![tools.join(", ")]);
        Ok(inside)
    }

    async fn allowed(
        &mut self,
        title: &str,
        agent: &Authorized,
        tool: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<()> {
        drop(self.world.received());
        let mut came_back = vec![call(agent, tool, arguments).await?];
        came_back.extend(server_received(&self.world.received(), &agent.token().await?)?);
        self.step(title, &sent(tool, arguments), came_back);
        Ok(())
    }

    async fn denied(
        &mut self,
        title: &str,
        agent: &Authorized,
        tool: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<()> {
        drop(self.world.received());
        let error = call(agent, tool, arguments).await.err().with_context(|| format!("{title}: allowed"))?;
        let lines = self.reasons(&error).await?;
        self.stopped(title, &sent(tool, arguments), lines)
    }

    /// An agent that asked for too little asks again, for exactly what it lacks.
    async fn step_up(&mut self, server: &str) -> Result<()> {
        let modest = self.world.assistant()?;
        let modest = modest.authorize(server, &modest.knock(server).await?, &["profile"]).await?;
        let (tool, arguments) = OWN_TIME_OFF;
        drop(self.world.received());
        let error = call(&modest, tool, &arguments).await.err().context("allowed without the scope")?;
        let challenge = error.auth_challenge().context("no challenge")?.to_owned();
        let came_back = challenged(403, &challenge);
        self.stopped("The assistant again, with the scope profile only", &sent(tool, &arguments), came_back)?;
        modest.step_up(&challenge).await?;
        self.allowed("It asks Alice for that scope too, and tries again", &modest, tool, &arguments).await
    }

    /// What the caller is told, and what the operator reads.
    async fn reasons(&self, error: &ServiceError) -> Result<Vec<String>> {
        let text = telling::cause(error);
        let (status, body) = text.split_once(": ").with_context(|| text.clone())?;
        let body: Value = serde_json::from_str(body).with_context(|| text.clone())?;
        let message = body.pointer("/error/message").map(plain).unwrap_or_default();
        let request_id = body.pointer("/error/data/request_id").map(plain).unwrap_or_default();
        let audit = self.world.envoy().audit_of(&request_id).await?;
        let policies = audit.get("policies").map(plain).filter(|policies| !policies.is_empty());
        let reason = match (policies, audit.get("reason").map(plain)) {
            (None, _) => "no policy permits it".to_owned(),
            (Some(policies), None) => policies,
            (Some(policies), Some(reason)) => format!("{policies} ({reason})"),
        };
        Ok(vec![format!("{status}: {message}"), format!("in the audit: {reason}")])
    }
}

async fn call(agent: &Authorized, tool: &'static str, arguments: &[(&str, &str)]) -> Result<String, ServiceError> {
    let arguments = arguments.iter().map(|&(name, value)| (name.to_owned(), json!(value))).collect();
    let result = agent.mcp.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    let text = result.content.first().and_then(|content| content.as_text()).map(|text| text.text.clone());
    Ok(text.unwrap_or_default())
}

fn sent(tool: &str, arguments: &[(&str, &str)]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
    format!("tools/call {tool}{}", arguments.join(","))
}
