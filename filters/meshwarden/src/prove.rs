//! `meshwarden prove`.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use access_policy::Effect;
use access_policy::proofs::{Comparison, Counterexample, Invariant, Proof, Prover, invariants};
use serde_json::{Value, json};

use crate::cli::{ConfigurationArguments, ProveArguments};
use crate::configuration::{Configuration, Taken};
use crate::failure::{Failure, Outcome, read};
use crate::table::{Mood, coloured};
use crate::words;

/// A claim, and what came of it.
struct Line {
    /// What is proven if it is.
    claim: String,
    reason: Option<String>,
    proof: Proof,
    /// What stands before the policies that decide the counterexample.
    decided: &'static str,
}

pub(crate) fn run(arguments: &ProveArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let taken = Configuration::load(&arguments.configuration)?.taken()?;
    let demanded = demanded(&arguments.invariants)?;
    if demanded.is_empty() && arguments.against.is_none() && arguments.invariants.is_some() {
        return Err(Failure::NothingToProve);
    }
    let other = arguments.against.as_ref().map(|file| {
        let other = ConfigurationArguments { file: file.clone(), cedar: None };
        Configuration::load(&other)?.taken()
    });
    let other = other.transpose()?;
    let mut prover = Prover::start(&env::var_os("CVC5").unwrap_or_else(|| OsString::from("cvc5")))?;

    let mut lines = cannot_fail(&mut prover, &taken, &demanded)?;
    if let Some(other) = &other {
        lines.extend(others_that_fail(&mut prover, other)?);
    }
    let some_fail = lines.iter().any(|line| line.proof != Proof::Proven);
    for invariant in &demanded {
        lines.push(kept(&mut prover, &taken, invariant)?);
    }
    if let Some(other) = &other {
        let different = prover.compare(&taken.review.policies, &taken.review.servers, &other.review.policies)?;
        lines.extend(compared(different));
    }
    if arguments.json {
        let all: Vec<Value> = lines.iter().map(Line::json).collect();
        writeln!(out, "{:#}", Value::Array(all))?;
    } else {
        lines.iter().try_for_each(|line| line.write(out))?;
        if some_fail {
            writeln!(
                out,
                "note: proofs take a policy that fails for one that does not apply; the filter denies instead"
            )?;
        }
    }
    Ok(if lines.iter().all(|line| line.proof == Proof::Proven) { Outcome::Fine } else { Outcome::Findings })
}

/// What the folder demands, file by file in the order of their names.
fn demanded(folder: &Option<PathBuf>) -> Result<Vec<Invariant>, Failure> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let unread = |error| Failure::Read { path: folder.clone(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        files.push(entry.map_err(unread)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cedar"));
    files.sort_unstable();
    let mut all: Vec<Invariant> = Vec::new();
    for file in files {
        for invariant in of_file(&file)? {
            if all.iter().any(|known| known.id == invariant.id) {
                return Err(Failure::content(&file, format!("another invariant has the `@id` `{}`", invariant.id)));
            }
            all.push(invariant);
        }
    }
    Ok(all)
}

fn of_file(file: &Path) -> Result<Vec<Invariant>, Failure> {
    invariants(&read(file)?).map_err(|error| Failure::content(file, error))
}

fn cannot_fail(prover: &mut Prover, taken: &Taken, demanded: &[Invariant]) -> Result<Vec<Line>, Failure> {
    let policies = &taken.review.policies;
    let failing = |of: &str, (id, proof)| Line::new(format!("{of} `{id}` never fails"), proof);
    let mut lines: Vec<Line> = prover.can_fail(policies)?.into_iter().map(|one| failing("policy", one)).collect();
    if lines.is_empty() {
        lines.push(Line::new("no policy can fail".to_owned(), Proof::Proven));
    }
    let of_invariants = prover.invariants_can_fail(policies, demanded)?;
    lines.extend(of_invariants.into_iter().map(|one| failing("invariant", one)));
    Ok(lines)
}

fn others_that_fail(prover: &mut Prover, other: &Taken) -> Result<Vec<Line>, Failure> {
    let failing = |(id, proof)| Line::new(format!("policy `{id}` of the other configuration never fails"), proof);
    Ok(prover.can_fail(&other.review.policies)?.into_iter().map(failing).collect())
}

fn kept(prover: &mut Prover, taken: &Taken, invariant: &Invariant) -> Result<Line, Failure> {
    let proof = prover.keep(&taken.review.policies, &taken.review.servers, invariant)?;
    let (claim, decided) = match invariant.effect {
        Effect::Forbid => (format!("`{}` is never allowed", invariant.id), "allowed by"),
        Effect::Permit => (format!("`{}` is always allowed", invariant.id), "forbidden by"),
    };
    Ok(Line { reason: invariant.reason.clone(), decided, ..Line::new(claim, proof) })
}

fn compared(different: Vec<Comparison>) -> Vec<Line> {
    if different.is_empty() {
        return vec![Line::new("the other policies allow the same".to_owned(), Proof::Proven)];
    }
    let lines = |Comparison { environment, no_stricter, no_looser }: Comparison| {
        let (who, what) = (environment.principal.to_lowercase(), environment.resource.to_lowercase());
        let article = if what == "agent" { "an" } else { "a" };
        let on = format!("`{}` of a {who} on {article} {what}", environment.action);
        let line = |claim, proof, decided| Line { decided, ..Line::new(claim, proof) };
        [
            line(format!("{on}: the other policies allow all that these allow"), no_stricter, "allowed here by"),
            line(format!("{on}: the other policies allow nothing else"), no_looser, "allowed there by"),
        ]
    };
    different.into_iter().flat_map(lines).collect()
}

/// Each thing that is so of a request, in plain words.
fn told(found: &Counterexample) -> Vec<String> {
    let name = |(ty, id): &(String, String)| {
        if id.is_empty() { format!("some {}", ty.to_lowercase()) } else { words::entity_name(ty, id) }
    };
    let mut lines = vec![
        format!("the caller is {}", name(&found.principal)),
        format!("the method is {} on {}", found.action, name(&found.resource)),
    ];
    lines.extend(found.actor.as_ref().map(|actor| format!("the agent is {}", name(actor))));
    lines.extend(words::list(&found.facts));
    lines
}

// === impl Line ===

impl Line {
    fn new(claim: String, proof: Proof) -> Self {
        Self { claim, reason: None, proof, decided: "" }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let verdict = match &self.proof {
            Proof::Proven => coloured("proven", Mood::Good),
            Proof::Refuted(_) => coloured("not so", Mood::Bad),
            Proof::Open(_) => coloured("unknown", Mood::Doubtful),
        };
        writeln!(out, "{verdict}: {}", self.claim)?;
        if let Some(reason) = self.reason.as_ref().filter(|_| self.proof != Proof::Proven) {
            writeln!(out, "    ({reason})")?;
        }
        match &self.proof {
            Proof::Proven => Ok(()),
            Proof::Open(problem) => writeln!(out, "    {problem}"),
            Proof::Refuted(found) => {
                told(found).iter().try_for_each(|line| writeln!(out, "    {line}"))?;
                if !found.by.is_empty() && !self.decided.is_empty() {
                    writeln!(out, "    {} {}", self.decided, found.by.join(", "))?;
                }
                match found.failing.as_slice() {
                    [] => Ok(()),
                    failing => writeln!(out, "    {} fails on it, which is a denial", failing.join(", ")),
                }
            }
        }
    }

    fn json(&self) -> Value {
        let (verdict, problem, found) = match &self.proof {
            Proof::Proven => ("proven", None, None),
            Proof::Refuted(found) => ("refuted", None, Some(found)),
            Proof::Open(problem) => ("unknown", Some(problem), None),
        };
        let found = found.map(|found| json!({"request": told(found), "by": found.by, "failing": found.failing}));
        json!({"claim": self.claim, "verdict": verdict, "problem": problem, "counterexample": found})
    }
}
