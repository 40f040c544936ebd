//! `meshwarden replay`.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

use crate::cli::ReplayArguments;
use crate::configuration::Configuration;
use crate::failure::{Failure, Outcome, read};
use crate::request::AuditLine;
use crate::table::{Mood, cell, drawn, table};
use crate::verdict::{Judge, Verdict};

/// Lines that have everything in common that is shown of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    /// `denied`, `allowed` or `can't be told`: the gravest first.
    now: &'static str,
    then: &'static str,
    who: String,
    what: String,
    why: String,
}

/// All lines, counted.
#[derive(Default)]
struct Day {
    same: usize,
    changed: BTreeMap<Group, usize>,
    before_policy: usize,
    other_policies: usize,
    without_arguments: usize,
    without_claims: usize,
}

pub(crate) fn run(arguments: &ReplayArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let configuration = Configuration::load(&arguments.configuration)?;
    let taken = configuration.taken()?;
    let claims: BTreeMap<String, Map<String, Value>> = match &arguments.claims {
        Some(file) => serde_json::from_str(&read(file)?).map_err(|error| Failure::content(file, error))?,
        None => BTreeMap::new(),
    };
    let judge = Judge::new(&configuration, &taken, claims.clone());
    let mut day = Day::default();
    for (number, text) in (1_usize..).zip(read(&arguments.audit)?.lines()) {
        let Some(json) = AuditLine::json(text) else { continue };
        let line = AuditLine::read(json).map_err(|problem| Failure::Content {
            file: format!("{}:{number}", arguments.audit.display()),
            problem: format!("no audit line: {problem}"),
        })?;
        day.add(&judge, &line, &claims);
    }
    if arguments.json {
        writeln!(out, "{:#}", day.json())?;
    } else {
        day.show(out, configuration.replaced.is_some())?;
    }
    Ok(if day.changed.is_empty() { Outcome::Fine } else { Outcome::Findings })
}

// === impl Day ===

impl Day {
    fn add(&mut self, judge: &Judge<'_>, line: &AuditLine, claims: &BTreeMap<String, Map<String, Value>>) {
        let then = match line.decision.as_str() {
            // What failed afterwards was authorized.
            "allow" | "error" => "allowed",
            "deny" => "denied",
            _ => return count(&mut self.before_policy),
        };
        if !judge.was_in_force(line) {
            count(&mut self.other_policies);
        }
        if line.arguments.is_none() && line.arguments_sha256.is_some() {
            count(&mut self.without_arguments);
        }
        if line.user().is_some_and(|(issuer, subject)| !claims.contains_key(&format!("{issuer}#{subject}"))) {
            count(&mut self.without_claims);
        }
        let (now, why) = match judge.judge(line) {
            Verdict::Allowed { why } => ("allowed", why),
            Verdict::Denied { why } => ("denied", why),
            Verdict::Open { on } => ("can't be told", on),
        };
        if now == then {
            return count(&mut self.same);
        }
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let short = |name: String| name.trim_start_matches("User::").trim_matches('"').to_owned();
        let target = line.resource.clone().or_else(|| line.server.clone()).unwrap_or_default();
        let group = Group {
            now,
            then,
            who: short(text(&line.principal)),
            what: format!("{} {target}", text(&line.action)),
            why,
        };
        count(self.changed.entry(group).or_default());
    }

    fn sum(&self, now: &str) -> usize {
        self.changed.iter().filter(|(group, _)| group.now == now).map(|(_, lines)| lines).sum()
    }

    fn show(&self, out: &mut impl Write, compared: bool) -> std::io::Result<()> {
        if !self.changed.is_empty() {
            let mut table = table(["Lines", "Who", "What", "Then", "Now", "Why; on what it depends"]);
            for (group, lines) in &self.changed {
                let mood = match group.now {
                    "allowed" => Mood::Good,
                    "denied" => Mood::Bad,
                    _ => Mood::Doubtful,
                };
                let plain = |text: &str| cell(text, Mood::Plain);
                let lines = plain(&lines.to_string());
                let [who, what, then, why] = [group.who.as_str(), &group.what, group.then, &group.why].map(plain);
                table.add_row([lines, who, what, then, cell(group.now, mood), why]);
            }
            out.write_all(drawn(&table).as_bytes())?;
        }
        let (denied, allowed, open) = (self.sum("denied"), self.sum("allowed"), self.sum("can't be told"));
        writeln!(
            out,
            "{} as before, {denied} would be denied, {allowed} would be allowed, {open} can't be told",
            self.same
        )?;
        if self.before_policy > 0 {
            writeln!(out, "{} were refused before any policy, and are not counted", self.before_policy)?;
        }
        if self.without_claims > 0 {
            writeln!(out, "{} have no claims but issuer and subject (`--claims` gives them)", self.without_claims)?;
        }
        if self.without_arguments > 0 {
            writeln!(
                out,
                "{} have only a hash of their arguments (`audit.arguments: full` would show them)",
                self.without_arguments
            )?;
        }
        if compared && self.other_policies > 0 {
            let other = self.other_policies;
            writeln!(
                out,
                "{other} were decided by other policies than CONFIG has: what they say of those was not used"
            )?;
        }
        writeln!(out, "no line tells the caller's address, and groups and catalogue are taken to be those of that day")
    }

    fn json(&self) -> Value {
        let group = |(group, lines): (&Group, &usize)| json!({"lines": lines, "who": group.who, "what": group.what, "then": group.then, "now": group.now, "why": group.why});
        json!({
            "same": self.same,
            "changed": self.changed.iter().map(group).collect::<Vec<_>>(),
            "refused_before_policy": self.before_policy,
            "without_claims": self.without_claims,
            "without_arguments": self.without_arguments,
            "of_other_policies": self.other_policies,
        })
    }
}

fn count(counter: &mut usize) {
    *counter = counter.saturating_add(1);
}
