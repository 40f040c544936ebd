//! `meshwarden test`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use access_policy::{Effect, Sandbox, SandboxError, SandboxFiles, Statement, Verdict, statements};
use serde_json::{Value, json};

use crate::cli::TestArguments;
use crate::failure::{Failure, Outcome, read};
use crate::junit;
use crate::table::{Mood, cell, coloured, drawn, table};

const CASES: &str = "cases.json";

/// A sandbox that was run.
pub(crate) struct Ran {
    pub(crate) name: String,
    pub(crate) verdicts: Vec<Verdict>,
    /// Each enforced policy, with how many cases it determined.
    coverage: Vec<(Statement, usize)>,
}

pub(crate) fn run(arguments: &TestArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let mut all = Vec::new();
    for folder in &arguments.folders {
        for sandbox in sandboxes(folder)? {
            all.push(ran(&sandbox)?);
        }
    }
    if let Some(file) = &arguments.junit {
        let report = junit::report(&all);
        fs::write(file, report).map_err(|error| Failure::Read { path: file.clone(), error })?;
    }
    if arguments.json {
        writeln!(out, "{:#}", json(&all))?;
    } else {
        all.iter().try_for_each(|one| differences(out, one))?;
        coverage(out, &all)?;
    }
    let failed = all.iter().map(Ran::failed).sum::<usize>();
    Ok(if failed == 0 { Outcome::Fine } else { Outcome::Findings })
}

/// The folder itself, or the sandboxes directly in it, in the order of their names.
fn sandboxes(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if folder.join(CASES).is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let unreadable = |error| Failure::Read { path: folder.to_owned(), error };
    let entries = fs::read_dir(folder).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut found: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    found.retain(|path| path.join(CASES).is_file());
    found.sort();
    if found.is_empty() { Err(Failure::content(folder, "no sandbox: there is no cases.json")) } else { Ok(found) }
}

fn ran(folder: &Path) -> Result<Ran, Failure> {
    let text = |file: &str| read(&folder.join(file));
    let (policies, entities) = (text("policies.cedar")?, text("entities.json")?);
    let (servers, cases) = (text("servers.json")?, text(CASES)?);
    let files = SandboxFiles { policies: &policies, entities: &entities, servers: &servers, cases: &cases };
    let name = folder
        .canonicalize()
        .ok()
        .as_deref()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let sandbox = Sandbox::read(&name, &files).map_err(|error| match error {
        SandboxError::Json { file, line, column, problem } => {
            Failure::Content { file: format!("{}:{line}:{column}", folder.join(file).display()), problem }
        }
        other => Failure::content(folder, other),
    })?;
    let verdicts = sandbox.run();
    let mut decided: BTreeMap<&str, usize> = BTreeMap::new();
    for id in verdicts.iter().flat_map(|verdict| &verdict.policies) {
        let count = decided.entry(id).or_default();
        *count = count.saturating_add(1);
    }
    // What compiles has been parsed.
    let enforced = statements(&policies).unwrap_or_default().into_iter().filter(|one| !one.shadow);
    let coverage = enforced.map(|one| {
        let count = decided.get(one.id.as_str()).copied().unwrap_or_default();
        (one, count)
    });
    Ok(Ran { name, coverage: coverage.collect(), verdicts })
}

/// Expected and found, as a diff, of every case that failed.
fn differences(out: &mut impl Write, ran: &Ran) -> std::io::Result<()> {
    for verdict in ran.verdicts.iter().filter(|verdict| !verdict.differences.is_empty()) {
        writeln!(out, "{} {}: {}", coloured("✗", Mood::Bad), ran.name, verdict.name)?;
        for difference in &verdict.differences {
            writeln!(out, "    {}", difference.what)?;
            writeln!(out, "{}", coloured(&format!("    - {}", difference.expected), Mood::Bad))?;
            writeln!(out, "{}", coloured(&format!("    + {}", difference.found), Mood::Good))?;
        }
    }
    Ok(())
}

fn coverage(out: &mut impl Write, all: &[Ran]) -> std::io::Result<()> {
    let mut table = table(["Sandbox", "Policy", "Line", "Effect", "Decided"]);
    for ran in all {
        for (statement, decided) in &ran.coverage {
            let (told, mood) = match decided {
                0 => ("never".to_owned(), Mood::Doubtful),
                1 => ("1 case".to_owned(), Mood::Good),
                many => (format!("{many} cases"), Mood::Good),
            };
            let line = statement.line.to_string();
            let plain =
                [ran.name.as_str(), &statement.id, &line, effect(statement.effect)].map(|text| cell(text, Mood::Plain));
            table.add_row(plain.into_iter().chain([cell(told, mood)]));
        }
    }
    out.write_all(drawn(&table).as_bytes())?;
    for ran in all {
        let (many, failed) = (ran.verdicts.len(), ran.failed());
        let idle = ran.coverage.iter().filter(|(_, decided)| *decided == 0).count();
        let verdict = match failed {
            0 => coloured("all pass", Mood::Good),
            failed => coloured(&format!("{failed} failed"), Mood::Bad),
        };
        let policies = ran.coverage.len();
        writeln!(
            out,
            "{}: {many} cases and items of lists, {verdict}; {idle} of {policies} policies never decided",
            ran.name
        )?;
    }
    Ok(())
}

fn json(all: &[Ran]) -> Value {
    let sandbox = |ran: &Ran| {
        let difference =
            |one: &access_policy::Difference| json!({"what": one.what, "expected": one.expected, "found": one.found});
        let case = |verdict: &Verdict| {
            let differences: Vec<_> = verdict.differences.iter().map(difference).collect();
            json!({"name": verdict.name, "policies": verdict.policies, "differences": differences})
        };
        let policy = |(one, decided): &(Statement, usize)| json!({"id": one.id, "line": one.line, "effect": effect(one.effect), "decided": decided});
        let cases: Vec<_> = ran.verdicts.iter().map(case).collect();
        let policies: Vec<_> = ran.coverage.iter().map(policy).collect();
        json!({"name": ran.name, "failed": ran.failed(), "cases": cases, "policies": policies})
    };
    json!({ "sandboxes": all.iter().map(sandbox).collect::<Vec<_>>() })
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    }
}

// === impl Ran ===

impl Ran {
    pub(crate) fn failed(&self) -> usize {
        self.verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).count()
    }
}
