//! What clients make of an answer.

use crate::reading::{Reading, Tree};

/// Lists, and the member that names an item of each.
const LISTS: [(&str, &str); 5] = [
    ("tools", "name"),
    ("prompts", "name"),
    ("resources", "uri"),
    ("resourceTemplates", "uriTemplate"),
    ("tasks", "taskId"),
];

/// The data of every event, as the HTML standard has it parsed; an incomplete event at the end is dropped.
pub(crate) fn events(stream: &[u8]) -> Vec<Vec<u8>> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut events = Vec::new();
    let mut data: Option<Vec<u8>> = None;
    for line in lines(stream) {
        if line.is_empty() {
            events.extend(data.take().filter(|data| !data.is_empty()));
        } else if let Some(value) = data_of(line) {
            match &mut data {
                None => data = Some(value.to_vec()),
                Some(data) => data.extend([b"\n", value].concat()),
            }
        }
    }
    events
}

/// Complete lines: a CR, an LF, or both together end one.
fn lines(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        let (line, end_and_more) = rest.split_at(end);
        lines.push(line);
        rest = end_and_more.strip_prefix(b"\r\n").or_else(|| end_and_more.get(1..)).unwrap_or_default();
    }
    lines
}

fn data_of(line: &[u8]) -> Option<&[u8]> {
    let mut parts = line.splitn(2, |&byte| byte == b':');
    let field = parts.next()?;
    let value = parts.next().unwrap_or_default();
    (field == b"data").then(|| value.strip_prefix(b" ").unwrap_or(value))
}

/// Every item that a message, or a batch of them, lists: as some client finds it.
pub(crate) fn listed(json: &[u8]) -> Vec<String> {
    let Some(tree) = Tree::parse(json) else { return Vec::new() };
    let one = [tree.clone()];
    let messages = if let Tree::List(messages) = &tree { messages.as_slice() } else { &one };
    let mut items = Vec::new();
    for (message, reading) in messages.iter().flat_map(|message| Reading::ALL.map(|reading| (message, reading))) {
        for (list, member) in LISTS {
            let Some(list) = reading.at(message, &["result", list]) else { continue };
            let names = list.list().iter().filter_map(|item| reading.member(item, member)?.text());
            items.extend(names.map(str::to_owned));
        }
    }
    items
}
