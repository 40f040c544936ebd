//! Requests in words.

use testbed::{A2aVersion, Agent, AgentRow, Ask, Call, OutboundRow, OutboundToken, Row, TokenKind, Way};

/// A request in words: what a table says of it before it is made.
pub(crate) struct Told {
    pub(crate) request: &'static str,
    pub(crate) who: String,
    pub(crate) what: String,
    /// Its answer is a list, of which something may be missing.
    pub(crate) lists: bool,
}

/// What can be told.
pub(crate) trait Tell {
    fn told(&self) -> Told;
}

/// What fits into the column "what".
const WHAT: usize = 24;

impl Tell for Row {
    fn told(&self) -> Told {
        let agent = match self.agent {
            Agent::Assistant => "assistant",
            Agent::Batch => "batch",
            Agent::Stranger => "a stranger",
            Agent::Nobody => "no workload",
        };
        let server = self.server.name();
        let what = match self.call {
            Call::Tool { name, arguments } => {
                let arguments: Vec<_> = arguments.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
                format!("{server}: {name}\n{}", arguments.join("\n"))
            }
            Call::Read { uri } => format!("{server}: resources/read\n{}", broken_at_slashes(uri)),
            Call::ListTools => format!("{server}: tools/list"),
            Call::ListResources => format!("{server}: resources/list"),
        };
        Told {
            request: self.request,
            who: format!("{}\nvia {agent}", user(self.user.name, self.token)),
            what,
            lists: matches!(self.call, Call::ListTools | Call::ListResources),
        }
    }
}

impl Tell for AgentRow {
    fn told(&self) -> Told {
        let mut who = format!("{}\nvia {}", user(self.user.name, self.token), self.caller.unwrap_or("no workload"));
        if let Some((current, earlier)) = self.actors.split_first() {
            who.push_str(&format!("\n act {current}"));
            earlier.iter().for_each(|actor| who.push_str(&format!("\n  ◄ {actor}")));
        }
        let details = match self.ask {
            Ask::Card => String::new(),
            Ask::Send { text, notify: None } | Ask::Stream { text } => format!("\n {text}"),
            Ask::Send { text, notify: Some(url) } => format!("\n {text}\n tell{}", broken_at_slashes(url)),
            Ask::GetTask { id } | Ask::CancelTask { id } => format!("\n {id}"),
            Ask::ListTasks { context } => format!("\n {}", context.unwrap_or("of all conversations")),
        };
        let what = format!("{}: {}{details}", self.agent.name(), self.ask.method(A2aVersion::default()));
        Told { request: self.request, who, what, lists: false }
    }
}

impl Tell for OutboundRow {
    fn told(&self) -> Told {
        let (who, what) = match self.way {
            Way::Tool => (
                "alice\nvia assistant".to_owned(),
                "hr: suggest_day_off\nhr then: weather GET\n /v1/forecast".to_owned(),
            ),
            Way::Out { caller, token } => {
                let token = match token {
                    OutboundToken::Hrs => "hr's token",
                    OutboundToken::HrsForAnotherTool => "hr's token of\nget_time_off",
                    OutboundToken::Docs => "docs' token",
                    OutboundToken::Alices => "alice's token",
                    OutboundToken::Apis => "the API's token",
                    OutboundToken::Tampered | OutboundToken::OtherKey => "a token that\nlooks like hr's",
                    OutboundToken::None => "no token",
                };
                (format!("{}\n{token}", caller.name()), "weather: GET\n /v1/forecast".to_owned())
            }
        };
        Told { request: self.request, who, what, lists: false }
    }
}

/// A user as the token makes her look.
fn user(name: &str, token: TokenKind) -> String {
    match token {
        TokenKind::Good => name.to_owned(),
        TokenKind::OneTimePassword => format!("{name}, amr otp"),
        TokenKind::None => "nobody".to_owned(),
        TokenKind::Expired | TokenKind::OtherAudience | TokenKind::OtherKey | TokenKind::Unsigned => {
            format!("\"{name}\"")
        }
    }
}

/// A URI in lines that each fit, ended by slashes.
fn broken_at_slashes(uri: &str) -> String {
    let mut lines = vec![String::from(" ")];
    for part in uri.split_inclusive('/') {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= WHAT => line.push_str(part),
            _ => lines.push(format!("  {part}")),
        }
    }
    lines.join("\n")
}
