//! `prove`, with a real solver: `$CVC5`, or the library of PyPI, which is installed when it is first asked for.

#![cfg(test)]

mod run;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, fs};

use run::{Ran, is_golden, meshwarden, meshwarden_with};
use serde_json::Value;

const ACME: [&str; 3] = ["tests/fixtures/prove/acme.yaml", "--cedar", "../../tests/policies/acme/policies.cedar"];

/// The solver; nothing, with the reason printed, where there is none.
fn solver() -> Option<&'static Path> {
    static SOLVER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = SOLVER.get_or_init(|| match env::var_os("CVC5") {
        Some(program) => Some(program.into()),
        None => installed().map_err(|reason| println!("skipped: there is no cvc5: {reason}")).ok(),
    });
    found.as_deref()
}

/// A program that runs the library, in a folder that is left there.
fn installed() -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (sources, folder) = (here.join("tests/cvc5"), here.join("../../.tools/cvc5"));
    let (packages, program) = (sources.join("requirements.txt"), folder.join("smtlib"));
    let wanted = fs::read_to_string(&packages).map_err(|error| error.to_string())?;
    if fs::read_to_string(folder.join("complete")).is_ok_and(|complete| complete == wanted) {
        return Ok(program);
    }
    let run = |command: &mut Command| match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned()),
        Err(error) => Err(error.to_string()),
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let python = folder.join("bin/python");
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(install).arg(&packages))?;
    let script = format!("#!/bin/sh\nexec '{}' '{}'\n", python.display(), sources.join("smtlib.py").display());
    fs::write(&program, script).map_err(|error| error.to_string())?;
    run(Command::new("chmod").arg("+x").arg(&program))?;
    // Written last: what was interrupted is made anew.
    fs::write(folder.join("complete"), wanted).map_err(|error| error.to_string())?;
    Ok(program)
}

fn prove(arguments: &[&str]) -> Option<Ran> {
    let ran = meshwarden_with(&[("CVC5", solver()?.as_os_str())], &[&["prove"], arguments].concat());
    assert_eq!(ran.err, "");
    Some(ran)
}

/// `prove` for acme with other policies.
fn with(cedar: &str) -> Vec<&str> {
    vec![ACME[0], "--cedar", cedar, "tests/fixtures/prove/invariants"]
}

#[test]
fn the_help_shows_what_an_invariant_is() {
    let ran = meshwarden(&["prove", "--help"]);
    assert_eq!(ran.code, 0);
    is_golden("prove-help.txt", &ran.out);
}

#[test]
fn acmes_policies_keep_their_invariants() {
    let Some(ran) = prove(&[&ACME[..], &["tests/fixtures/prove/invariants"]].concat()) else { return };
    is_golden("prove-acme.txt", &ran.out);
    assert_eq!(ran.code, 0);
}

#[test]
fn a_policy_that_breaks_an_invariant_is_shown_with_a_request() {
    let Some(ran) = prove(&with("tests/fixtures/prove/loose.cedar")) else { return };
    assert_eq!(ran.code, 1, "{}", ran.out);
    // Which request it is, is the solver's choice.
    for part in [
        "not so: `no-destructive-tool-without-otp` is never allowed\n    (what can't be undone needs a one-time password)\n",
        "    the method is tools/call on ",
        "    the tool is destructive\n",
        "    allowed by tickets\n",
        "    the agent is some workload\n    allowed by connect\n",
        "proven: `nothing-confidential` is never allowed\n",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
}

#[test]
fn what_must_be_allowed_and_is_not_is_shown_too() {
    let Some(ran) = prove(&with("tests/fixtures/prove/overflow.cedar")) else { return };
    let told = "not so: `assistant-connects` is always allowed\n";
    assert!(ran.out.contains(told), "{}", ran.out);
}

#[test]
fn a_policy_that_can_overflow_is_named_with_the_numbers() {
    let Some(ran) = prove(&with("tests/fixtures/prove/overflow.cedar")[..3]) else { return };
    assert_eq!(ran.code, 1, "{}", ran.out);
    for part in [
        "not so: policy `limit` never fails\n",
        "    the argument amount is ",
        "    limit fails on it, which is a denial\n",
        "note: proofs take a policy that fails for one that does not apply",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
}

#[test]
fn two_sets_that_say_the_same_otherwise_are_the_same_and_others_are_told_apart() {
    let against = |other: &str| prove(&[&ACME[..], &["--against", other]].concat());
    let Some(ran) = against("tests/fixtures/prove/rewritten.yaml") else { return };
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "proven: no policy can fail\nproven: the other policies allow the same\n")
    );
    let Some(ran) = against("tests/fixtures/prove/stricter.yaml") else { return };
    assert_eq!(ran.code, 1);
    for part in [
        "not so: `tools/call` of a user on a tool: the other policies allow all that these allow\n",
        "    allowed here by work-with-tickets\n",
        "proven: `tools/call` of a user on a tool: the other policies allow nothing else\n",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    assert!(!ran.out.contains("`connect`"), "{}", ran.out);
}

#[test]
fn the_catalogue_and_the_entities_count() {
    // Without the hints of the catalogue, every tool is destructive.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bare.yaml");
    let text = fs::read_to_string(ACME[0]).unwrap();
    fs::write(&file, text.replace("destructive: false", "destructive: true")).unwrap();
    let no_second_factor = "tests/fixtures/prove/no-second-factor.cedar";
    let arguments = |file| [file, "--cedar", no_second_factor, "tests/fixtures/prove/safe"];
    let Some(ran) = prove(&arguments(ACME[0])) else { return };
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2), "{}", ran.out);
    let Some(ran) = prove(&arguments(file.to_str().unwrap())) else { return };
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("tools/call on tool hr/get_time_off\n"), "{}", ran.out);
}

#[test]
fn machines_read_every_claim() {
    let Some(ran) = prove(&[&with("tests/fixtures/prove/loose.cedar")[..], &["--json"]].concat()) else { return };
    let all: Value = serde_json::from_str(&ran.out).unwrap();
    let verdicts: Vec<_> = all.as_array().unwrap().iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["proven", "refuted", "proven", "refuted", "proven"]);
    assert_eq!(all[1]["counterexample"]["by"], serde_json::json!(["tickets"]));
}

#[test]
fn without_a_solver_it_says_what_to_do() {
    let none = [("CVC5", Path::new("tests/fixtures/no-such-solver").as_os_str())];
    let ran = meshwarden_with(&none, &["prove", ACME[0], ACME[1], ACME[2], "tests/fixtures/prove/invariants"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("there is no `tests/fixtures/no-such-solver`") && ran.err.contains("CVC5"), "{}", ran.err);
    // What is there and is no solver proves nothing.
    for program in ["/bin/true", "/bin/cat"] {
        let broken = [("CVC5", Path::new(program).as_os_str())];
        let ran = meshwarden_with(&broken, &["prove", ACME[0], ACME[1], ACME[2], "tests/fixtures/prove/invariants"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{program}");
        assert!(ran.err.contains("the solver fails"), "{program}: {}", ran.err);
    }
}

#[test]
fn what_is_no_invariant_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let prove = || {
        let none = [("CVC5", Path::new("no-such-solver").as_os_str())];
        meshwarden_with(&none, &["prove", ACME[0], ACME[1], ACME[2], folder.path().to_str().unwrap()])
    };
    assert!(prove().err.contains("no `*.cedar`"));
    let one = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    one("a.cedar", "forbid (principal, action, resource);");
    assert!(prove().err.contains("a.cedar: the policy at line 1, column 1: has no `@id`"));
    one("a.cedar", "@id(\"x\") forbid (principal, action, resource);");
    one("b.cedar", "@id(\"x\") forbid (principal, action, resource);");
    let ran = prove();
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("b.cedar: another invariant has the `@id` `x`"), "{}", ran.err);
}
