//! A scene as a table.

use std::env;
use std::fmt;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};
use serde_json::Value;
use testbed::{Agent, Call, Played, Row, SendError, TokenKind};

/// The rows of a scene, told.
pub(crate) struct Telling(Table);

/// Request, who, what, decision, why, with a blank at each side; between two is one more.
const WIDTHS: [u16; 5] = [22, 17, 26, 11, 40];
/// All of it.
const WIDTH: u16 = 120;
/// What fits into the column "what".
const WHAT: usize = 24;

// === impl Telling ===

impl Telling {
    pub(crate) fn new() -> Self {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            table.force_no_tty();
        }
        let title = |title| Cell::new(title).add_attribute(Attribute::Bold);
        table.set_header(["Request", "Who", "What", "Decision", "Why; what the server received"].map(title));
        if table.width().is_none_or(|terminal| terminal >= WIDTH) {
            table.set_constraints(WIDTHS.map(|width| ColumnConstraint::Absolute(Width::Fixed(width))));
        }
        Self(table)
    }

    /// Adds a row; `as_expected` is false when it went wrong.
    pub(crate) fn add(&mut self, row: &Row, played: &Played, as_expected: bool) {
        let passed = played.answer.as_ref().is_ok_and(|answer| answer.status < 300);
        let mut outcome = match &played.answer {
            Ok(answer) if passed => format!("✓ allowed\n  {}", answer.status),
            Ok(answer) if answer.status == 403 => "✗ denied\n  403".to_owned(),
            Ok(answer) => format!("✗ refused\n  {}", answer.status),
            Err(_) => "✗ refused\n  by TLS".to_owned(),
        };
        if !as_expected {
            outcome.push_str("\n  WRONG");
        }
        self.0.add_row([
            Cell::new(row.request).add_attribute(Attribute::Italic),
            Cell::new(who(row)),
            Cell::new(what(row)),
            Cell::new(outcome).fg(if passed { Color::Green } else { Color::Red }),
            Cell::new(why(row, played)),
        ]);
    }
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

fn who(row: &Row) -> String {
    let user = match row.token {
        TokenKind::Good => row.user.name.to_owned(),
        TokenKind::OneTimePassword => format!("{}, amr otp", row.user.name),
        TokenKind::None => "nobody".to_owned(),
        _ => format!("\"{}\"", row.user.name),
    };
    let agent = match row.agent {
        Agent::Assistant => "assistant",
        Agent::Batch => "batch",
        Agent::Stranger => "a stranger",
        Agent::Nobody => "no workload",
    };
    format!("{user}\nvia {agent}")
}

fn what(row: &Row) -> String {
    let server = row.server.name();
    match row.call {
        Call::Tool { name, arguments } => {
            let arguments: Vec<_> = arguments.iter().map(|(name, value)| format!(" {name}: {value}")).collect();
            format!("{server}: {name}\n{}", arguments.join("\n"))
        }
        Call::Read { uri } => format!("{server}: resources/read\n{}", broken_at_slashes(uri)),
        Call::ListTools => format!("{server}: tools/list"),
        Call::ListResources => format!("{server}: resources/list"),
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

/// Policies and reason from the guard's audit line; then what the server received, or what the caller was shown.
fn why(row: &Row, played: &Played) -> String {
    let mut lines = strings(&played.audited("policies"));
    lines.extend(played.audited("reason").as_str().map(str::to_owned));
    if let Err(SendError::Alert(alert)) = &played.answer {
        lines.push(format!("no connection: {alert:?}"));
    }
    match row.call {
        Call::ListTools | Call::ListResources => {
            lines.extend(played.listed().into_iter().map(|item| format!("  shows {item}")));
        }
        Call::Tool { .. } | Call::Read { .. } => lines.extend(received(played)),
    }
    lines.join("\n")
}

/// The claims that say what the smaller token is good for.
fn received(played: &Played) -> Vec<String> {
    let text = |value: Value| value.as_str().unwrap_or("-").to_owned();
    let number = |name| played.claim(name).as_i64().unwrap_or_default();
    if played.received.is_empty() {
        return Vec::new();
    }
    let actor = played.claim("act").get("sub").cloned().unwrap_or_default();
    vec![
        format!("  sub   {}", text(played.claim("sub"))),
        format!("  act   {}", text(actor).trim_start_matches("spiffe://")),
        format!("  aud   {}", strings(&played.claim("aud")).join(", ").trim_start_matches("https://")),
        format!("  scope {}, {} s", text(played.claim("scope")), number("exp") - number("iat")),
    ]
}

/// A string, or the strings of a list.
fn strings(value: &Value) -> Vec<String> {
    let one = value.as_str().into_iter();
    one.chain(value.as_array().into_iter().flatten().filter_map(Value::as_str)).map(str::to_owned).collect()
}
