//! A report that build servers read.

use std::fmt::Write as _;

use crate::sandboxes::Ran;

pub(crate) fn report(all: &[Ran]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for ran in all {
        let name = escaped(&ran.name);
        let (tests, failures) = (ran.verdicts.len(), ran.failed());
        let _ = writeln!(text, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">");
        for verdict in &ran.verdicts {
            let case = escaped(&verdict.name);
            let _ = write!(text, "    <testcase classname=\"{name}\" name=\"{case}\"");
            if verdict.differences.is_empty() {
                text.push_str("/>\n");
                continue;
            }
            let differences = verdict.differences.iter();
            let lines = differences.map(|one| format!("{}: expected {}, found {}", one.what, one.expected, one.found));
            let lines: Vec<String> = lines.collect();
            let message = escaped(lines.first().map_or("", String::as_str));
            let _ = writeln!(text, ">\n      <failure message=\"{message}\">{}</failure>", escaped(&lines.join("\n")));
            text.push_str("    </testcase>\n");
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// For text and for attributes of XML; what XML 1.0 (section 2.2) can't hold is replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
