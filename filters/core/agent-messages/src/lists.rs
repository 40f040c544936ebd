//! Responses that list things: an item stays only if the caller could call it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::batch::Unanswered;
use crate::call::{AgentCall, Operation, Revision, TASK_ID};
use crate::error::ResponseError;
use crate::json::parse_json;
use crate::jsonrpc::RequestId;
use crate::limits::Limits;
use crate::pointer::Pointer;
use crate::spelling::is_plain;

/// What a list lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// `tools/list`.
    Tools,
    /// `prompts/list`.
    Prompts,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
    /// `tasks/list` (2025-11-25).
    Tasks,
    /// A list of an extension's.
    Extra(ExtraList),
}

/// What the answer to a method of an extension lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraList {
    /// The member of the result that holds the items.
    pub member: String,
    /// Where in each item its target is.
    pub item: Pointer,
    /// What the target is.
    pub kind: ItemKind,
}

/// What an item of an extension's list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource.
    Resource,
    /// A task.
    Task,
}

/// The call that a response answers, as far as filtering needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredCall {
    id: Option<RequestId>,
    list: Option<ListKind>,
    /// Other lists than MCP's that may be in it.
    extra_lists: Vec<ListKind>,
    revision: Revision,
    /// Of a batch: the requests in it.
    pub(crate) batch: Vec<AnsweredCall>,
    /// It can be told to caches, as lists are.
    cacheable: bool,
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
    /// Its id.
    Task(&'a str),
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

// === impl AnsweredCall ===

impl AnsweredCall {
    /// Remembers what a response to the call may hold.
    #[must_use]
    pub fn of(call: &AgentCall) -> Self {
        let batch = match call.operation() {
            Operation::Batch { calls, .. } => calls.iter().filter(|call| call.id().is_some()).map(Self::of).collect(),
            _ => Vec::new(),
        };
        let cached_by_mcp =
            call.revision() == Revision::Modern && matches!(call.method(), "resources/read" | "server/discover");
        Self {
            id: call.id().cloned(),
            list: call.list().cloned(),
            extra_lists: call.extra_lists().to_vec(),
            revision: call.revision(),
            batch,
            // An extension may do what MCP does.
            cacheable: cached_by_mcp || (call.is_extra() && call.id().is_some()),
        }
    }

    /// What no request of ours could be answered with.
    pub(crate) const NOBODYS: Self = Self {
        id: None,
        list: None,
        extra_lists: Vec::new(),
        revision: Revision::Legacy,
        batch: Vec::new(),
        cacheable: false,
    };

    /// Whether the response may hold several messages.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        !self.batch.is_empty()
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn has_id(&self, id: &Value) -> bool {
        self.id.as_ref().is_some_and(|own| own.is(id))
    }

    /// Whether a response could show what the caller may not see, or let a cache show it to somebody else.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.list.is_some() || self.cacheable
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
    let change = match Unanswered::of(answered) {
        None => {
            let message = value.as_object_mut().ok_or(ResponseError::NotTheResponse)?;
            check_answer(message, answered)?;
            filter_message(message, answered, keep)?
        }
        Some(mut unanswered) => filter_messages(&mut value, answered, keep, |message| unanswered.take(message))?,
    };
    if !change.rewritten {
        return Ok(Filtered::Unchanged);
    }
    Ok(Filtered::Rewritten { body: value.to_string().into_bytes(), hidden: change.hidden })
}

/// A result has the list that was asked for; an error may be for a request whose id could not be read.
pub(crate) fn check_answer(message: &Map<String, Value>, answered: &AnsweredCall) -> Result<(), ResponseError> {
    let ours = message.get("id").is_some_and(|id| answered.has_id(id));
    let right = match (message.get("result"), message.get("error")) {
        (Some(Value::Object(result)), None) => {
            ours && answered.list.as_ref().is_none_or(|list| result.contains_key(list.member()))
        }
        (None, Some(Value::Object(_))) => ours || message.get("id").is_none_or(Value::is_null),
        _ => false,
    };
    if right { Ok(()) } else { Err(ResponseError::NotTheResponse) }
}

/// The same for a message, or several of them, each of which `check` may refuse.
pub(crate) fn filter_messages(
    value: &mut Value,
    answered: &AnsweredCall,
    keep: &mut dyn FnMut(ListItem<'_>) -> bool,
    mut check: impl FnMut(&Map<String, Value>) -> Result<(), ResponseError>,
) -> Result<Change, ResponseError> {
    let messages = match value {
        Value::Array(messages) => messages.as_mut_slice(),
        message => std::slice::from_mut(message),
    };
    let mut all = Change { rewritten: false, hidden: 0 };
    for message in messages {
        let message = message.as_object_mut().ok_or(ResponseError::NotTheResponse)?;
        check(message)?;
        let change = filter_message(message, answered, keep)?;
        all.rewritten |= change.rewritten;
        all.hidden = all.hidden.saturating_add(change.hidden);
    }
    Ok(all)
}

/// Filters every list in a message's result, whatever was asked: on a session's stream, answers come to requests that
/// were made elsewhere.
pub(crate) fn filter_message(
    message: &mut Map<String, Value>,
    answered: &AnsweredCall,
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
    for list in ListKind::OF_MCP.iter().chain(&answered.extra_lists) {
        let Some(items) = result.get_mut(list.member()) else { continue };
        listed = true;
        let hidden = filter_items(list, items, keep)?;
        change.hidden = change.hidden.saturating_add(hidden);
    }
    // Who asks decides on what there is to see, on every page of a list and for what is read: a cache must not show one
    // caller's to another (MCP 2026-07-28, "Caching"). What may not be cached at all says nothing of it.
    let cached = listed || result.contains_key("cacheScope") || (answered.cacheable && result.contains_key("ttlMs"));
    if cached && answered.revision == Revision::Modern {
        let before = result.insert("cacheScope".into(), "private".into());
        change.rewritten = before != Some("private".into());
    }
    change.rewritten |= change.hidden > 0;
    Ok(change)
}

fn filter_items(
    list: &ListKind,
    items: &mut Value,
    keep: &mut dyn FnMut(ListItem<'_>) -> bool,
) -> Result<usize, ResponseError> {
    let unreadable = || ResponseError::List { list: list.member().to_owned() };
    let items = items.as_array_mut().ok_or_else(unreadable)?;
    let before = items.len();
    let mut kept = Vec::with_capacity(before);
    for item in items.drain(..) {
        if keep(list.item(&item).ok_or_else(unreadable)?) {
            kept.push(item);
        }
    }
    *items = kept;
    Ok(before.saturating_sub(items.len()))
}

// === impl ListKind ===

impl ListKind {
    /// The lists that MCP itself has.
    pub(crate) const OF_MCP: [Self; 5] =
        [Self::Tools, Self::Prompts, Self::Resources, Self::ResourceTemplates, Self::Tasks];

    /// What the answer to an extension's method lists. One of MCP's own lists may be in it too.
    #[must_use]
    pub fn of_extension(list: ExtraList) -> Self {
        let own = Self::OF_MCP.into_iter().find(|own| own.member() == list.member);
        own.filter(|own| own.items() == Some((list.item.as_str(), list.kind))).unwrap_or(Self::Extra(list))
    }

    /// The member of the result that holds the items.
    pub(crate) fn member(&self) -> &str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Tasks => "tasks",
            Self::Extra(list) => &list.member,
        }
    }

    /// Where in each item its target is, and what the target is; of a template only a part of it is known.
    fn items(&self) -> Option<(&str, ItemKind)> {
        match self {
            Self::Tools => Some(("/name", ItemKind::Tool)),
            Self::Prompts => Some(("/name", ItemKind::Prompt)),
            Self::Resources => Some(("/uri", ItemKind::Resource)),
            Self::ResourceTemplates => None,
            Self::Tasks => Some(("/taskId", ItemKind::Task)),
            Self::Extra(list) => Some((list.item.as_str(), list.kind)),
        }
    }

    fn item<'a>(&self, value: &'a Value) -> Option<ListItem<'a>> {
        let member = |name| value.get(name).and_then(Value::as_str);
        match self {
            Self::Tools => member("name").map(ListItem::Tool),
            Self::Prompts => member("name").map(ListItem::Prompt),
            Self::Resources => member("uri").map(ListItem::Resource),
            Self::ResourceTemplates => member("uriTemplate").map(ListItem::ResourceTemplate),
            Self::Tasks => member(TASK_ID).map(ListItem::Task),
            Self::Extra(list) => {
                let target = list.item.find(value.as_object()?).ok()??.as_str()?;
                Some(match list.kind {
                    ItemKind::Tool => ListItem::Tool(target),
                    ItemKind::Prompt => ListItem::Prompt(target),
                    ItemKind::Resource => ListItem::Resource(target),
                    ItemKind::Task => ListItem::Task(target),
                })
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::{
        AnsweredCall, ExtraList, Filtered, ItemKind, ListItem, ListKind, ResponseError, Revision, filter_response,
    };
    use crate::json::JsonError;
    use crate::jsonrpc::RequestId;
    use crate::limits::Limits;
    use crate::pointer::Pointer;

    pub(crate) const LIMITS: Limits =
        Limits { max_body_bytes: 4_096, max_json_depth: 16, max_json_nodes: 1_000, max_sse_event_bytes: 512 };

    pub(crate) fn answered(list: Option<ListKind>, revision: Revision) -> AnsweredCall {
        AnsweredCall {
            id: RequestId::of(&json!(7)),
            list,
            extra_lists: Vec::new(),
            revision,
            batch: Vec::new(),
            cacheable: false,
        }
    }

    /// Keeps what is called `seen…`.
    pub(crate) fn seen(item: ListItem<'_>) -> bool {
        match item {
            ListItem::Tool(name)
            | ListItem::Prompt(name)
            | ListItem::Resource(name)
            | ListItem::ResourceTemplate(name)
            | ListItem::Task(name) => name.starts_with("seen"),
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
            (ListKind::Tasks, "tasks", "taskId"),
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
            let error = ResponseError::List { list: "tools".to_owned() };
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

    fn skills() -> ListKind {
        let item = Pointer::parse("/about/uri").unwrap();
        ListKind::of_extension(ExtraList { member: "skills".to_owned(), item, kind: ItemKind::Resource })
    }

    #[test]
    fn a_list_of_an_extension_is_filtered_by_what_its_items_stand_for() {
        let call = AnsweredCall { extra_lists: vec![skills()], ..answered(Some(skills()), Revision::Legacy) };
        let page = |skills: Value| json!({"jsonrpc": "2.0", "id": 7, "result": {"skills": skills, "nextCursor": ""}});
        let filtered = |skills| filter_response(&call, page(skills).to_string().as_bytes(), &LIMITS, &mut seen);
        let all = json!([{"about": {"uri": "hidden"}}, {"about": {"uri": "seen"}, "more": 1}]);
        assert_eq!(rewritten(filtered(all)), (page(json!([{"about": {"uri": "seen"}, "more": 1}])), 1));
        for odd in [json!({}), json!(["seen"]), json!([{"uri": "seen"}]), json!([{"about": {"uri": "seen", "URI": 1}}])]
        {
            assert_eq!(filtered(odd), Err(ResponseError::List { list: "skills".to_owned() }));
        }
        let other = json!({"jsonrpc": "2.0", "id": 7, "result": {"tools": []}});
        let other = filter_response(&call, other.to_string().as_bytes(), &LIMITS, &mut seen);
        assert_eq!(other, Err(ResponseError::NotTheResponse));
    }

    #[test]
    fn an_extension_can_list_what_mcp_lists() {
        let list = |item, kind| {
            let item = Pointer::parse(item).unwrap();
            ListKind::of_extension(ExtraList { member: "resources".to_owned(), item, kind })
        };
        assert_eq!(list("/uri", ItemKind::Resource), ListKind::Resources);
        assert!(matches!(list("/name", ItemKind::Resource), ListKind::Extra(_)));
        assert!(matches!(list("/uri", ItemKind::Tool), ListKind::Extra(_)));
    }

    #[test]
    fn a_modern_result_that_can_be_cached_is_private() {
        let filtered = |cacheable, result: Value| {
            let call = AnsweredCall { cacheable, ..answered(None, Revision::Modern) };
            let body = json!({"jsonrpc": "2.0", "id": 7, "result": result}).to_string();
            filter_response(&call, body.as_bytes(), &LIMITS, &mut seen)
        };
        for (cacheable, read) in [
            (true, json!({"contents": [], "ttlMs": 5, "cacheScope": "public"})),
            (true, json!({"contents": [], "ttlMs": 5})),
            (false, json!({"cacheScope": "public"})),
        ] {
            let (value, hidden) = rewritten(filtered(cacheable, read));
            assert_eq!((value["result"]["cacheScope"].as_str(), hidden), (Some("private"), 0));
        }
        // What asks for more input says nothing of caches; nor does a task, which has a time to live too.
        assert_eq!(filtered(true, json!({"resultType": "input_required"})), Ok(Filtered::Unchanged));
        assert_eq!(filtered(false, json!({"taskId": "t", "ttlMs": 5})), Ok(Filtered::Unchanged));
    }
}
