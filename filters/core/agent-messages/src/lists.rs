//! Responses that list things: an item stays only if the caller could call it.

use serde_json::{Map, Value};

use crate::call::{AgentCall, ListKind, Revision};
use crate::error::ResponseError;
use crate::json::parse_json;
use crate::jsonrpc::RequestId;
use crate::limits::Limits;
use crate::spelling::is_plain;

/// The call that a response answers, as far as filtering needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCall {
    id: Option<RequestId>,
    list: Option<ListKind>,
    revision: Revision,
}

/// One thing in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListItem<'a> {
    /// Its name.
    Tool(&'a str),
    /// Its name.
    Prompt(&'a str),
    /// Its URI.
    Resource(&'a str),
    /// Its URI template.
    ResourceTemplate(&'a str),
}

/// What became of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// Every byte may go on.
    Unchanged,
    /// This goes on instead.
    Rewritten {
        /// The whole response.
        body: Vec<u8>,
        /// How many items were taken out.
        hidden: usize,
    },
}

/// What happened to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) rewritten: bool,
    pub(crate) hidden: usize,
}

pub(crate) const LISTS: [ListKind; 4] =
    [ListKind::Tools, ListKind::Prompts, ListKind::Resources, ListKind::ResourceTemplates];

// === impl AnsweredCall ===

impl AnsweredCall {
    /// Remembers what a response to the call may hold.
    #[must_use]
    pub fn of(call: &AgentCall) -> Self {
        Self { id: call.id().cloned(), list: call.list(), revision: call.revision() }
    }

    /// What the response lists.
    #[must_use]
    pub fn list(&self) -> Option<ListKind> {
        self.list
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }
}

/// Filters a whole JSON response to a call. Items for which `keep` says no are taken out; all else stays, cursors of
/// further pages among it.
///
/// # Errors
/// The response is not the one to this call, or its items can't be told: it must not go on.
pub fn filter_response(
    answered: &AnsweredCall,
    body: &[u8],
    limits: &Limits,
    keep: &mut dyn FnMut(ListItem<'_>) -> bool,
) -> Result<Filtered, ResponseError> {
    let mut value = parse_json(body, limits.max_json_depth, limits.max_json_nodes)?;
    let message = value.as_object_mut().ok_or(ResponseError::NotTheResponse)?;
    check_answer(message, answered)?;
    let change = filter_message(message, answered.revision, keep)?;
    if !change.rewritten {
        return Ok(Filtered::Unchanged);
    }
    Ok(Filtered::Rewritten { body: value.to_string().into_bytes(), hidden: change.hidden })
}

/// A result has the list that was asked for; an error may be for a request whose id could not be read.
fn check_answer(message: &Map<String, Value>, answered: &AnsweredCall) -> Result<(), ResponseError> {
    let ours = message.get("id").is_some_and(|id| answered.id.as_ref().is_some_and(|own| own.is(id)));
    let right = match (message.get("result"), message.get("error")) {
        (Some(Value::Object(result)), None) => {
            ours && answered.list.is_none_or(|list| result.contains_key(list.member()))
        }
        (None, Some(Value::Object(_))) => ours || message.get("id").is_none_or(Value::is_null),
        _ => false,
    };
    if right { Ok(()) } else { Err(ResponseError::NotTheResponse) }
}

/// Filters every list in a message's result, whatever was asked: on a session's stream, answers come to requests that
/// were made elsewhere.
pub(crate) fn filter_message(
    message: &mut Map<String, Value>,
    revision: Revision,
    keep: &mut dyn FnMut(ListItem<'_>) -> bool,
) -> Result<Change, ResponseError> {
    if !is_plain(message) {
        return Err(ResponseError::NotTheResponse);
    }
    let mut change = Change { rewritten: false, hidden: 0 };
    let Some(Value::Object(result)) = message.get_mut("result") else {
        return Ok(change);
    };
    let mut listed = false;
    for list in LISTS {
        let Some(items) = result.get_mut(list.member()) else { continue };
        listed = true;
        let hidden = filter_items(list, items, keep)?;
        change.hidden = change.hidden.saturating_add(hidden);
    }
    // Now the list is this caller's own, and no cache may give it to another.
    if listed && revision == Revision::Modern {
        let before = result.insert("cacheScope".to_owned(), "private".into());
        change.rewritten = before != Some("private".into());
    }
    change.rewritten |= change.hidden > 0;
    Ok(change)
}

fn filter_items(
    list: ListKind,
    items: &mut Value,
    keep: &mut dyn FnMut(ListItem<'_>) -> bool,
) -> Result<usize, ResponseError> {
    let unreadable = ResponseError::List { list: list.member() };
    let items = items.as_array_mut().ok_or(unreadable.clone())?;
    let before = items.len();
    let mut kept = Vec::with_capacity(before);
    for item in items.drain(..) {
        if keep(list.item(&item).ok_or(unreadable.clone())?) {
            kept.push(item);
        }
    }
    *items = kept;
    Ok(before.saturating_sub(items.len()))
}

// === impl ListKind ===

impl ListKind {
    fn item(self, value: &Value) -> Option<ListItem<'_>> {
        let member = |name| value.get(name).and_then(Value::as_str);
        match self {
            Self::Tools => member("name").map(ListItem::Tool),
            Self::Prompts => member("name").map(ListItem::Prompt),
            Self::Resources => member("uri").map(ListItem::Resource),
            Self::ResourceTemplates => member("uriTemplate").map(ListItem::ResourceTemplate),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::{AnsweredCall, Filtered, ListItem, ListKind, ResponseError, Revision, filter_response};
    use crate::json::JsonError;
    use crate::jsonrpc::RequestId;
    use crate::limits::Limits;

    pub(crate) const LIMITS: Limits =
        Limits { max_body_bytes: 4_096, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 512 };

    pub(crate) fn answered(list: Option<ListKind>, revision: Revision) -> AnsweredCall {
        AnsweredCall { id: RequestId::of(&json!(7)), list, revision }
    }

    /// Keeps what is called `seen…`.
    pub(crate) fn seen(item: ListItem<'_>) -> bool {
        match item {
            ListItem::Tool(name)
            | ListItem::Prompt(name)
            | ListItem::Resource(name)
            | ListItem::ResourceTemplate(name) => name.starts_with("seen"),
        }
    }

    fn filter(list: ListKind, revision: Revision, body: &Value) -> Result<Filtered, ResponseError> {
        filter_response(&answered(Some(list), revision), body.to_string().as_bytes(), &LIMITS, &mut seen)
    }

    #[track_caller]
    fn rewritten(result: Result<Filtered, ResponseError>) -> (Value, usize) {
        match result {
            Ok(Filtered::Rewritten { body, hidden }) => (serde_json::from_slice(&body).unwrap(), hidden),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_caller_could_not_call_is_not_seen() {
        for (list, member, key) in [
            (ListKind::Tools, "tools", "name"),
            (ListKind::Prompts, "prompts", "name"),
            (ListKind::Resources, "resources", "uri"),
            (ListKind::ResourceTemplates, "resourceTemplates", "uriTemplate"),
        ] {
            let body = json!({"jsonrpc": "2.0", "id": 7, "result": {
                member: [{key: "hidden"}, {key: "seen", "more": [1]}], "nextCursor": "", "_meta": {}}});
            let expected = json!({"jsonrpc": "2.0", "id": 7, "result": {
                member: [{key: "seen", "more": [1]}], "nextCursor": "", "_meta": {}}});
            assert_eq!(rewritten(filter(list, Revision::Legacy, &body)), (expected, 1));
        }
    }

    #[test]
    fn a_list_that_is_all_seen_stays_as_it_is() {
        let body = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": [{"name": "seen"}]}});
        assert_eq!(filter(ListKind::Tools, Revision::Legacy, &body), Ok(Filtered::Unchanged));
    }

    #[test]
    fn a_modern_list_is_private_on_every_page() {
        for scope in [json!({"cacheScope": "public"}), json!({})] {
            let mut body = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": [], "ttlMs": 5}});
            body["result"].as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
            let (value, hidden) = rewritten(filter(ListKind::Tools, Revision::Modern, &body));
            assert_eq!((value["result"]["cacheScope"].as_str(), hidden), (Some("private"), 0));
        }
        let body = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": [], "cacheScope": "private"}});
        assert_eq!(filter(ListKind::Tools, Revision::Modern, &body), Ok(Filtered::Unchanged));
    }

    #[test]
    fn errors_pass() {
        for body in [
            json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -32603, "message": "x"}}),
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "x"}}),
            json!({"jsonrpc": "2.0", "error": {"code": -32603, "message": "x"}}),
        ] {
            assert_eq!(filter(ListKind::Tools, Revision::Legacy, &body), Ok(Filtered::Unchanged));
        }
    }

    #[test]
    fn what_is_not_the_answer_is_refused() {
        for body in [
            json!([]),
            json!({}),
            json!({"jsonrpc": "2.0", "id": 8, "result": {"tools": []}}),
            json!({"jsonrpc": "2.0", "id": "7", "result": {"tools": []}}),
            json!({"jsonrpc": "2.0", "id": 7, "result": {"prompts": []}}),
            json!({"jsonrpc": "2.0", "id": 7, "result": []}),
            json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": []}, "error": {}}),
            json!({"jsonrpc": "2.0", "id": 8, "error": {}}),
        ] {
            assert_eq!(filter(ListKind::Tools, Revision::Legacy, &body), Err(ResponseError::NotTheResponse), "{body}");
        }
    }

    #[test]
    fn a_list_whose_items_can_not_be_told_is_refused() {
        for tools in [json!({}), json!(null), json!(["a"]), json!([{"title": "a"}]), json!([{"name": 1}])] {
            let body = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": tools}});
            let error = ResponseError::List { list: "tools" };
            assert_eq!(filter(ListKind::Tools, Revision::Legacy, &body), Err(error), "{body}");
        }
    }

    #[test]
    fn another_list_beside_the_one_that_was_asked_for_is_filtered_too() {
        let body = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": [], "prompts": [{"name": "hidden"}]}});
        let (value, hidden) = rewritten(filter(ListKind::Tools, Revision::Legacy, &body));
        assert_eq!((value["result"]["prompts"].clone(), hidden), (json!([]), 1));
    }

    #[test]
    fn a_list_hidden_behind_an_equal_name_is_refused() {
        let body = br#"{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"hidden"}]}}"#;
        let call = answered(Some(ListKind::Tools), Revision::Legacy);
        let error = ResponseError::Json(JsonError::DuplicateName { name: "tools".to_owned() });
        assert_eq!(filter_response(&call, body, &LIMITS, &mut seen), Err(error));
    }
}
