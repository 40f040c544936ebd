//! What is done to good calls. A caller who was talked into something would try these.

use super::draft::{Draft, Members, member, quoted};
use super::numbers::Numbers;
use super::{FORBIDDEN_TARGET, FORBIDDEN_TOOL};

type Change = fn(&mut Draft, &mut Numbers);

/// Each with its name. Some change nothing that matters: servers take them, and so should the guard.
pub(super) const CHANGES: [(&str, Change); 33] = [
    ("a name twice", twice),
    ("a name in another case", another_case),
    ("an escaped name", escaped_name),
    ("an escaped value", escaped_value),
    ("a byte order mark", |draft, _| draft.finish.push(|text| [b"\xef\xbb\xbf", text.as_slice()].concat())),
    ("UTF-16", utf_16),
    ("a byte that is no UTF-8", |draft, _| draft.finish.push(|text| replaced(&text, b"test", b"te\xffst"))),
    ("a batch", batch),
    ("another method header", |draft, numbers| {
        let method = *numbers.one_of(&["tools/list", "tools/call", "ping", "TOOLS/CALL", "tools/call ", ""]);
        draft.set_header("mcp-method", method);
    }),
    ("another name header", |draft, numbers| {
        let name =
            *numbers.one_of(&["add", "ADD", "add ", "=?base64?YWRk?=", "=?BASE64?YWRk?=", "=?base64?YWRk", "add, add"]);
        draft.set_header("mcp-name", name);
    }),
    ("a header twice", |draft, numbers| {
        let header = numbers.one_of(&draft.headers).clone();
        draft.headers.push(header);
    }),
    ("a header less", |draft, numbers| {
        let name = *numbers.one_of(&["mcp-method", "mcp-name", "mcp-protocol-version", "content-type"]);
        draft.remove_header(name);
    }),
    ("another revision", |draft, numbers| {
        let versions = [
            "2024-11-05",
            "2025-03-26",
            "2025-06-18",
            "2025-11-25",
            "2026-07-28",
            "2099-01-01",
            "2026-07-28, 2025-11-25",
        ];
        draft.set_header("mcp-protocol-version", *numbers.one_of(&versions));
    }),
    ("an odd number", |draft, numbers| {
        let odd = [
            "1e0",
            "1E2",
            "1.0",
            "100.0",
            "100.5",
            "-0",
            "-0.0",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1",
            "9007199254740991",
            "9007199254740993",
            "18446744073709551615",
            "18446744073709551616",
            "123456789012345678901234567890",
            "1.7976931348623157e308",
            "01",
            "+1",
            ".5",
            "5.",
            "NaN",
            "Infinity",
            "0x10",
            "1_000",
            "\"1000\"",
            "1e2000",
        ];
        set_argument(draft, "amount", numbers.one_of::<&str>(&odd));
    }),
    ("deep arguments", |draft, numbers| {
        let depth = *numbers.one_of(&[5, 20, 28, 40, 100]);
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        draft.arguments.get_or_insert_with(Vec::new).push(member("deep", deep));
    }),
    ("another content type", |draft, numbers| {
        let types = [
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/json;charset=UTF-8",
            "application/json; charset=utf-16le",
            "text/plain",
            "application/json, text/plain",
            "application/vnd.api+json",
            "application/json; boundary=x",
            "text/json",
            "",
        ];
        draft.set_header("content-type", *numbers.one_of(&types));
    }),
    ("a content encoding", |draft, numbers| {
        draft.set_header("content-encoding", *numbers.one_of(&["gzip", "identity", "deflate", "br", "identity, gzip"]));
    }),
    ("another member", |draft, numbers| {
        let name = *numbers.one_of(&[
            "extra",
            "method",
            "name",
            "task",
            "__proto__",
            "constructor",
            "uri",
            "result",
            "arguments",
            "cursor",
        ]);
        let value =
            (*numbers.one_of(&["1", "{}", "[]", "null", "\"delete_all\"", r#"{"target":"production"}"#])).to_owned();
        draft.some_object(numbers).push(member(name, value));
    }),
    ("another argument", |draft, numbers| {
        let name = *numbers.one_of(&[
            "__proto__",
            "a.b",
            "",
            "toString",
            "Target",
            "target ",
            "TARGET",
            "x",
            "naïve",
            "a\u{301}",
        ]);
        let value = (*numbers.one_of(&["1", "null", "\"production\"", "{\"target\":\"production\"}", "[1]", "true"]))
            .to_owned();
        draft.arguments.get_or_insert_with(Vec::new).push(member(name, value));
    }),
    ("a null", |draft, numbers| {
        let name = (*numbers.one_of(&["id", "method", "name", "uri", "jsonrpc", "_meta", "target"])).to_owned();
        Draft::set(draft.some_object(numbers), &name, "null");
    }),
    ("null arguments", |draft, numbers| {
        draft.arguments = None;
        draft.params.push(member("arguments", *numbers.one_of(&["null", "[]", "\"\"", "0", "{}"])));
    }),
    ("a value of another type", |draft, numbers| {
        let value = (*numbers.one_of(&["[\"add\"]", "{\"a\":1}", "5", "true", "[]", "\"\""])).to_owned();
        let name = (*numbers.one_of(&["name", "uri", "target", "amount", "method"])).to_owned();
        Draft::set(draft.some_object(numbers), &name, &value);
    }),
    ("another look of a name", |draft, numbers| {
        let names = [
            "Delete_All",
            "delete_all ",
            " delete_all",
            "delete_all\u{200b}",
            "de\u{301}lete_all",
            "d\u{e9}lete_all",
            "ｄelete_all",
            "delete\u{5f}all",
            "delete_all\\u0000",
            "delete_all\\n",
            "dele\u{ad}te_all",
            "dеlete_all",
            "hr/delete_all",
            "delete_all/",
            "*",
        ];
        let name = *numbers.one_of(&names);
        Draft::set(&mut draft.params, "name", &format!("\"{name}\""));
        if numbers.one_in(2) {
            draft.remove_header("mcp-name");
        }
    }),
    ("a lone surrogate", |draft, numbers| {
        if numbers.one_in(2) {
            Draft::set(&mut draft.params, "name", r#""delete_all\ud800""#);
        } else {
            set_argument(draft, "target", r#""production\udc00""#);
        }
    }),
    ("a long name", |draft, numbers| {
        let name = "n".repeat(*numbers.one_of(&[300, 8_192, 9_000]));
        Draft::set(&mut draft.params, "name", &quoted(&name));
        draft.remove_header("mcp-name");
    }),
    ("an odd id", |draft, numbers| {
        let ids = [
            "\"a\"",
            "\"\"",
            "-1",
            "1.5",
            "1e3",
            "1.0",
            "9007199254740993",
            "18446744073709551616",
            "true",
            "[]",
            "{}",
            "null",
        ];
        Draft::set(&mut draft.message, "id", numbers.one_of::<&str>(&ids));
    }),
    ("no id", |draft, _| draft.message.retain(|(name, _)| name != "\"id\"")),
    ("an odd _meta", |draft, numbers| {
        let odd = [
            "null",
            "[]",
            "{}",
            "\"\"",
            r#"{"progressToken":1}"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
            r#"{"io.modelcontextprotocol/protocolVersion":5}"#,
            r#"{"IO.modelcontextprotocol/protocolVersion":"2026-07-28"}"#,
        ];
        draft.params.retain(|(name, _)| name != "\"_meta\"");
        draft.params.push(member("_meta", *numbers.one_of(&odd)));
    }),
    ("white space", |draft, numbers| {
        let spaces: [fn(Vec<u8>) -> Vec<u8>; 6] = [
            |text| [b" \r\n\t", text.as_slice(), b"\n\n"].concat(),
            |text| replaced(&text, b":", b" :\t "),
            |text| [b"\x0c", text.as_slice()].concat(),
            |text| [b"\xc2\xa0", text.as_slice()].concat(),
            |text| [text.as_slice(), b"\0"].concat(),
            |text| replaced(&text, b",", b",\n"),
        ];
        draft.finish.push(*numbers.one_of(&spaces));
    }),
    ("more or less than JSON", |draft, numbers| {
        let odd: [fn(Vec<u8>) -> Vec<u8>; 6] = [
            |text| [text.as_slice(), b"{}"].concat(),
            |text| [text.as_slice(), b" // x"].concat(),
            |text| replaced(&text, b"}", b",}"),
            |text| replaced(&text, b"\"", b"'"),
            |text| text.get(..text.len().saturating_sub(1)).unwrap_or_default().to_vec(),
            |text| [b"data: ", text.as_slice()].concat(),
        ];
        draft.finish.push(*numbers.one_of(&odd));
    }),
    ("another order", |draft, _| {
        draft.message.reverse();
        draft.params.reverse();
        draft.arguments.iter_mut().for_each(|arguments| arguments.reverse());
    }),
    ("another method", |draft, numbers| {
        let methods = [
            "tools/Call",
            "TOOLS/CALL",
            "tools/call ",
            "tools\\/call",
            "tools\\u002fcall",
            "tools/call\\u0000",
            "tools//call",
            "call",
        ];
        Draft::set(&mut draft.message, "method", &format!("\"{}\"", numbers.one_of(&methods)));
    }),
    ("another way of sending", |draft, numbers| match numbers.below(4) {
        0 => draft.path = (*numbers.one_of(&["/mcp?x=1", "/mcp/", "/MCP", "/mcp?name=add", "/mcp%20"])).to_owned(),
        1 => draft.set_header("x-http-method-override", "GET"),
        2 => draft.set_header("mcp-session-id", "1234"),
        _ => draft.in_pieces = true,
    }),
];

/// The evil value of a member, and a harmless one.
fn values(name: &str) -> (String, String) {
    match name {
        "\"name\"" => (quoted(FORBIDDEN_TOOL), quoted("add")),
        "\"target\"" => (quoted(FORBIDDEN_TARGET), quoted("test")),
        "\"amount\"" => ("1000".to_owned(), "1".to_owned()),
        "\"method\"" => (quoted("tools/call"), quoted("tools/list")),
        "\"id\"" => ("1".to_owned(), "2".to_owned()),
        _ => ("{}".to_owned(), "null".to_owned()),
    }
}

/// One harmless, one not, in either order.
fn twice(draft: &mut Draft, numbers: &mut Numbers) {
    let members = draft.some_object(numbers);
    let Some(at) = some_member(members, numbers) else { return };
    let name = members[at].0.clone();
    let (evil, harmless) = values(&name);
    let (first, second) = if numbers.one_in(2) { (evil, harmless) } else { (harmless, evil) };
    members[at].1 = first;
    let again = if numbers.one_in(3) { name.replacen('a', "\\u0061", 1) } else { name };
    members.push((again, second));
}

/// Beside the right one, or in its place.
fn another_case(draft: &mut Draft, numbers: &mut Numbers) {
    let members = draft.some_object(numbers);
    let Some(at) = some_member(members, numbers) else { return };
    let name = members[at].0.clone();
    let other = match numbers.below(4) {
        0 => name.to_uppercase(),
        1 => name.replacen('s', "\u{17f}", 1),
        2 => name.replacen('k', "\u{212a}", 1),
        _ => {
            name.chars().enumerate().map(|(at, char)| if at == 1 { char.to_ascii_uppercase() } else { char }).collect()
        }
    };
    let (evil, _) = values(&name);
    if numbers.one_in(3) {
        members[at].0 = other;
    } else {
        members.insert(numbers.below(members.len() + 1), (other, evil));
    }
}

fn escaped_name(draft: &mut Draft, numbers: &mut Numbers) {
    let members = draft.some_object(numbers);
    let Some(at) = some_member(members, numbers) else { return };
    members[at].0 = escaped(&members[at].0, numbers);
}

fn escaped_value(draft: &mut Draft, numbers: &mut Numbers) {
    let members = draft.some_object(numbers);
    let Some(at) = some_member(members, numbers) else { return };
    if members[at].1.starts_with('"') {
        members[at].1 = escaped(&members[at].1, numbers);
    }
}

/// One letter of a text, as an escape of either case.
fn escaped(text: &str, numbers: &mut Numbers) -> String {
    let letters: Vec<(usize, char)> =
        text.char_indices().filter(|(_, char)| char.is_ascii_alphabetic() || *char == '_').collect();
    // Not one that belongs to an escape.
    if letters.is_empty() || text.contains('\\') {
        return text.to_owned();
    }
    let (at, char) = *numbers.one_of(&letters);
    let code = u32::from(char);
    let escape = if numbers.one_in(2) { format!("\\u{code:04x}") } else { format!("\\u{code:04X}") };
    let (before, after) = text.split_at(at);
    format!("{before}{escape}{}", after.strip_prefix(char).unwrap_or(after))
}

fn utf_16(draft: &mut Draft, numbers: &mut Numbers) {
    draft.finish.push(if numbers.one_in(2) {
        |bytes| String::from_utf8_lossy(&bytes).encode_utf16().flat_map(u16::to_le_bytes).collect()
    } else {
        |bytes| String::from_utf8_lossy(&bytes).encode_utf16().flat_map(u16::to_be_bytes).collect()
    });
    if numbers.one_in(2) {
        draft.set_header("content-type", "application/json; charset=utf-16");
    }
}

fn batch(draft: &mut Draft, numbers: &mut Numbers) {
    const EVIL: &[u8] =
        br#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"delete_all","arguments":{}}}"#;
    let ways: [fn(Vec<u8>) -> Vec<u8>; 3] = [
        |text| [b"[", text.as_slice(), b"]"].concat(),
        |text| [b"[", text.as_slice(), b",", EVIL, b"]"].concat(),
        |text| [b"[", EVIL, b",", text.as_slice(), b"]"].concat(),
    ];
    draft.finish.push(*numbers.one_of(&ways));
}

fn some_member(members: &Members, numbers: &mut Numbers) -> Option<usize> {
    (!members.is_empty()).then(|| numbers.below(members.len()))
}

fn set_argument(draft: &mut Draft, name: &str, value: &str) {
    let arguments = draft.arguments.get_or_insert_with(Vec::new);
    arguments.retain(|(other, _)| *other != quoted(name));
    arguments.push(member(name, value));
}

/// Every place of `from`.
fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(to);
        rest = rest.get(at + from.len()..).unwrap_or_default();
    }
    [out.as_slice(), rest].concat()
}
