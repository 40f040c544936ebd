//! Parameters that are judged: their names and texts have one meaning.

use crate::error::{MessageError, ParamsProblem};

/// Longer names, identifiers and URIs are no real ones.
const MAX_TEXT_BYTES: usize = 8_192;

/// What is wrong with a text that names something.
pub(crate) fn text_problem(text: &str) -> Option<ParamsProblem> {
    if text.is_empty() {
        Some(ParamsProblem::Empty)
    } else if text.len() > MAX_TEXT_BYTES {
        Some(ParamsProblem::TooLong)
    } else if text.chars().any(char::is_control) {
        Some(ParamsProblem::ControlCharacter)
    } else {
        None
    }
}

/// Whether some parser takes the name for the member: in another case, or in snake_case.
pub(crate) fn could_be(name: &str, member: &str) -> bool {
    let letters = |name| folded(name).filter(|char| !matches!(char, '_' | '-'));
    letters(name).eq(letters(member))
}

/// Unicode simple case folding, as far as it leads to ASCII: the long s and the Kelvin sign fold too.
fn folded(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|char| match char {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        char => char.to_ascii_lowercase(),
    })
}

pub(crate) fn wrong(member: &'static str, problem: ParamsProblem) -> MessageError {
    MessageError::Params { member, problem }
}
