//! A scene as a table.

use std::env;
use std::fmt;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width};
use serde_json::Value;
use testbed::{Played, Received, SendError, Step};

use crate::told::Told;

/// The rows of a scene, told.
pub(crate) struct Telling(Table);

/// Request, who, what, decision, why, with a blank at each side; between two is one more.
const WIDTHS: [u16; 5] = [22, 17, 26, 11, 40];
/// Step, sent, came back.
const STEP_WIDTHS: [u16; 3] = [26, 42, 50];
/// All of it.
const WIDTH: u16 = 120;

// === impl Telling ===

impl Telling {
    pub(crate) fn new() -> Self {
        Self::with(["Request", "Who", "What", "Decision", "Why; what the server received"], WIDTHS)
    }

    /// A table of steps, of which each follows from the one before.
    pub(crate) fn of_steps() -> Self {
        Self::with(["Step", "Sent", "Came back; what the server received"], STEP_WIDTHS)
    }

    fn with<const N: usize>(titles: [&str; N], widths: [u16; N]) -> Self {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            table.force_no_tty();
        }
        table.set_header(titles.map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        if table.width().is_none_or(|terminal| terminal >= WIDTH) {
            table.set_constraints(widths.map(|width| ColumnConstraint::Absolute(Width::Fixed(width))));
        }
        Self(table)
    }

    pub(crate) fn step(&mut self, step: &Step) {
        let [_, sent, came_back] = STEP_WIDTHS;
        let lines = |lines: &[String], width| {
            let folded: Vec<_> = lines.iter().flat_map(|line| folded(line, usize::from(width) - 2)).collect();
            Cell::new(folded.join("\n"))
        };
        let title = Cell::new(&step.title).add_attribute(Attribute::Italic);
        self.0.add_row([title, lines(&step.sent, sent), lines(&step.came_back, came_back)]);
    }

    /// Adds a row; `as_expected` is false when it went wrong.
    pub(crate) fn add(&mut self, told: Told, played: &Played, as_expected: bool) {
        let decision = played.audited("decision");
        let mut outcome = match (&played.answer, decision.as_str()) {
            (Ok(answer), Some("allow")) => format!("✓ allowed\n  {}", answer.status),
            (Ok(answer), Some("deny")) => format!("✗ denied\n  {}", answer.status),
            (Ok(answer), _) => format!("✗ refused\n  {}", answer.status),
            (Err(_), _) => "✗ refused\n  by TLS".to_owned(),
        };
        if !as_expected {
            outcome.push_str("\n  WRONG");
        }
        let color = if decision == "allow" { Color::Green } else { Color::Red };
        let why = why(told.lists, played);
        self.0.add_row([
            Cell::new(told.request).add_attribute(Attribute::Italic),
            Cell::new(told.who),
            Cell::new(told.what),
            Cell::new(outcome).fg(color),
            Cell::new(why),
        ]);
    }
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lines().try_for_each(|line| writeln!(f, "{}", line.trim_end()))
    }
}

/// Policies and reason from the guard's audit line; then what the server received, or what the caller was shown.
fn why(lists: bool, played: &Played) -> String {
    let mut lines = strings(&played.audited("policies"));
    lines.extend(played.audited("reason").as_str().map(str::to_owned));
    if let Err(SendError::Alert(alert)) = &played.answer {
        lines.push(format!("no connection: {alert:?}"));
    }
    if lists {
        lines.extend(played.listed().into_iter().map(|item| format!("  shows {item}")));
    } else {
        lines.extend(played.received.iter().flat_map(received));
    }
    lines.join("\n")
}

/// The claims that say what the smaller token is good for.
fn received(request: &Received) -> Vec<String> {
    let Some(claims) = request.claims() else { return vec!["  no token".to_owned()] };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |name| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let mut lines = vec![format!("  sub   {}", text(claims.get("sub")))];
    let mut actor = claims.get("act");
    let mut mark = "act  ";
    while let Some(current) = actor {
        lines.push(format!("  {mark} {}", text(current.get("sub")).trim_start_matches("spiffe://")));
        (mark, actor) = ("    ◄", current.get("act"));
    }
    let audiences = claims.get("aud").map(strings).unwrap_or_default().join(", ");
    lines.push(format!("  aud   {}", audiences.trim_start_matches("https://")));
    lines.push(format!("  scope {}, {} s", text(claims.get("scope")), number("exp") - number("iat")));
    lines
}

/// A line in pieces that fit, each but the first a little further in.
fn folded(line: &str, width: usize) -> Vec<String> {
    let (mut pieces, mut rest) = (Vec::new(), line.to_owned());
    let margin = " ".repeat(line.len() - line.trim_start().len() + 2);
    while rest.chars().count() > width {
        // After the last mark that leaves something on both sides.
        let marks = rest.char_indices().take(width).filter(|(_, mark)| " /=,-?".contains(*mark));
        let last = marks.map(|(at, mark)| at + mark.len_utf8()).filter(|&at| at > margin.len()).last();
        let full = || rest.char_indices().nth(width).map_or(rest.len(), |(at, _)| at);
        let tail = rest.split_off(last.unwrap_or_else(full));
        pieces.push(rest);
        rest = format!("{margin}{}", tail.trim_start());
    }
    pieces.push(rest);
    pieces
}

/// A string, or the strings of a list.
fn strings(value: &Value) -> Vec<String> {
    let one = value.as_str().into_iter();
    one.chain(value.as_array().into_iter().flatten().filter_map(Value::as_str)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_folded_at_a_mark_and_keeps_its_margin() {
        assert_eq!(folded("  short", 10), ["  short"]);
        assert_eq!(folded("  aud https://a.example/hr/mcp", 20), ["  aud https://", "    a.example/hr/mcp"]);
        assert_eq!(folded("abcdefghij", 6), ["abcdef", "  ghij"]);
    }
}
