//! `meshwarden check`.

use std::io::Write;

use serde_json::json;

use crate::cli::CheckArguments;
use crate::configuration::{Configuration, Refusal, Taken};
use crate::failure::{Failure, Outcome};
use crate::finding::Finding;
use crate::lints::findings;
use crate::table::{Mood, coloured};

pub(crate) fn run(arguments: &CheckArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let configuration = Configuration::load(&arguments.configuration)?;
    let (taken, refusal) = match configuration.compile() {
        Ok(taken) => (Some(taken), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let found = taken.as_ref().map(findings).unwrap_or_default();
    if arguments.json {
        let refused = refusal.as_ref().map(|refusal| {
            let place = refusal.place.map(|(line, column)| configuration.place(line, column));
            json!({"field": refusal.field, "problem": refusal.problem, "place": place})
        });
        let placed: Vec<_> = found.iter().map(|finding| placed(&configuration, finding)).collect();
        let warnings = taken.as_ref().map(|taken| taken.review.warnings.clone()).unwrap_or_default();
        let filter = configuration.filter.as_str();
        let all = json!({"filter": filter, "refused": refused, "findings": placed, "warnings": warnings});
        writeln!(out, "{all:#}")?;
    } else {
        introduce(out, arguments, &configuration)?;
        match (&taken, &refusal) {
            (Some(taken), _) => accepted(out, &configuration, taken, &found)?,
            (None, Some(refusal)) => refused(out, &configuration, refusal)?,
            (None, None) => {}
        }
    }
    Ok(if refusal.is_none() && found.is_empty() { Outcome::Fine } else { Outcome::Findings })
}

fn introduce(out: &mut impl Write, arguments: &CheckArguments, configuration: &Configuration) -> std::io::Result<()> {
    let file = arguments.configuration.file.display();
    let filter = configuration.filter.as_str();
    let found = if configuration.found.is_empty() { "the whole file" } else { &configuration.found };
    writeln!(out, "{file}: {filter}, taken from {found}")?;
    match configuration.others {
        0 => Ok(()),
        others => writeln!(out, "{file}: holds {others} more, which are not looked at"),
    }
}

fn refused(out: &mut impl Write, configuration: &Configuration, refusal: &Refusal) -> std::io::Result<()> {
    let place = refusal.place.map(|(line, column)| format!("{}: ", configuration.place(line, column)));
    let word = coloured("refused", Mood::Bad);
    writeln!(out, "{}{word}: {refusal}", place.unwrap_or_default())
}

fn accepted(
    out: &mut impl Write,
    configuration: &Configuration,
    taken: &Taken,
    found: &[Finding],
) -> std::io::Result<()> {
    for variable in configuration.missing_variables() {
        writeln!(out, "note: `{variable}` is not set here; a stand-in was checked in its place")?;
    }
    for warning in &taken.review.warnings {
        writeln!(out, "note: the filter will warn: {warning}")?;
    }
    for finding in found {
        let place =
            finding.line.zip(finding.column).map(|(line, column)| format!("{}: ", configuration.place(line, column)));
        let policy = finding.policy.as_ref().map(|id| format!("policy `{id}`: ")).unwrap_or_default();
        let lint = coloured(finding.lint.as_str(), Mood::Doubtful);
        writeln!(out, "{}{policy}{} [{lint}]", place.unwrap_or_default(), finding.problem)?;
        writeln!(out, "    {}", finding.advice)?;
    }
    let (servers, policies) = (taken.review.servers.len(), taken.statements.len());
    let verdict = match found.len() {
        0 => coloured("nothing found", Mood::Good),
        1 => coloured("1 finding", Mood::Doubtful),
        many => coloured(&format!("{many} findings"), Mood::Doubtful),
    };
    let counted = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
    let (servers, policies) = (counted(servers, "server", "servers"), counted(policies, "policy", "policies"));
    writeln!(out, "{servers}, {policies}: {verdict}")
}

fn placed(configuration: &Configuration, finding: &Finding) -> serde_json::Value {
    let place = finding.line.zip(finding.column).map(|(line, column)| configuration.place(line, column));
    let mut json = serde_json::to_value(finding).unwrap_or_default();
    if let Some(members) = json.as_object_mut() {
        members.shift_remove("line");
        members.shift_remove("column");
        members.insert("place".to_owned(), place.into());
    }
    json
}
