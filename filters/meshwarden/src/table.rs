//! Tables and colours: both on a terminal, plain text otherwise.

use std::env;
use std::io::IsTerminal as _;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

/// How something is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Bad,
    Doubtful,
    Plain,
}

/// Whether colours are wanted and can be seen (no-color.org).
pub(crate) fn in_colour() -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !unwanted
}

pub(crate) fn table<T: ToString>(titles: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !in_colour() {
        table.force_no_tty();
        // The same wherever it is written to.
        table.set_width(120);
    }
    table.set_header(titles.into_iter().map(|title| Cell::new(title.to_string()).add_attribute(Attribute::Bold)));
    table
}

pub(crate) fn cell(text: impl ToString, mood: Mood) -> Cell {
    let cell = Cell::new(text.to_string());
    match mood {
        Mood::Good => cell.fg(Color::Green),
        Mood::Bad => cell.fg(Color::Red),
        Mood::Doubtful => cell.fg(Color::Yellow),
        Mood::Plain => cell,
    }
}

/// Without spaces at the ends of lines.
pub(crate) fn drawn(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// A piece of a line in its colour.
pub(crate) fn coloured(text: &str, mood: Mood) -> String {
    let code = match mood {
        _ if !in_colour() => return text.to_owned(),
        Mood::Good => "32",
        Mood::Bad => "31",
        Mood::Doubtful => "33",
        Mood::Plain => return text.to_owned(),
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
