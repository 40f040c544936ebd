//! `testbed demo`: a story, played before your eyes.

mod demo;
mod external;
mod keep;
mod stories;
mod table;
mod told;

use std::env;
use std::process::ExitCode;

use self::stories::Story;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some((story, keep)) = read(&arguments) else {
        eprintln!("{}", stories::usage());
        return ExitCode::from(2);
    };
    match story.play(keep) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `demo [STORY] [--keep]`, in any order.
fn read(arguments: &[&str]) -> Option<(Story, bool)> {
    let ["demo", rest @ ..] = arguments else { return None };
    let (options, names): (Vec<&str>, Vec<&str>) = rest.iter().partition(|argument| argument.starts_with('-'));
    let story = match names.as_slice() {
        [] => Story::default(),
        [name] => Story::named(name)?,
        _ => return None,
    };
    match options.as_slice() {
        [] => Some((story, false)),
        ["--keep"] => Some((story, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_story_is_told_unless_another_is_named() {
        assert_eq!(read(&["demo"]), Some((Story::AgentToMcp, false)));
        assert_eq!(read(&["demo", "--keep"]), Some((Story::AgentToMcp, true)));
        assert_eq!(read(&["demo", "--keep", "agent-to-agent"]), Some((Story::AgentToAgent, true)));
        for story in Story::ALL {
            assert_eq!(read(&["demo", story.name()]), Some((story, false)));
        }
    }

    #[test]
    fn what_is_unknown_gets_the_list_of_stories() {
        for odd in
            [&["demo", "x"][..], &["demo", "--kept"], &["demo", "agent-to-mcp", "agent-to-agent"], &["play"], &[]]
        {
            assert_eq!(read(odd), None, "{odd:?}");
        }
        let usage = stories::usage();
        assert!(Story::ALL.iter().all(|story| usage.contains(story.name())), "{usage}");
    }
}
