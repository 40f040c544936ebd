//! Members as every parser of ProtoJSON finds them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{MessageError, ParamsProblem};
use crate::params::{could_be, text_problem, wrong};
use crate::url::http_host;

/// The judged members of an object, under their camelCase names. A null is an absent member, as in ProtoJSON.
pub(super) struct Members<'a>(BTreeMap<&'static str, &'a Value>);

// === impl Members ===

impl<'a> Members<'a> {
    /// Parsers of ProtoJSON know a member by its camelCase and by its snake_case name, Go's `encoding/json` by any
    /// case. The upstream gets what came, so no second spelling may stand beside the one that is judged.
    pub(super) fn of(object: &'a Map<String, Value>, judged: &[&'static str]) -> Result<Self, MessageError> {
        let mut members = BTreeMap::new();
        for (name, value) in object {
            let Some(&member) = judged.iter().find(|judged| could_be(name, judged)) else { continue };
            let known = name == member || *name == snake_case(member);
            if !known || members.insert(member, value).is_some() {
                return Err(wrong(member, ParamsProblem::Ambiguous));
            }
        }
        Ok(Self(members))
    }

    pub(super) fn take(&mut self, member: &str) -> Option<&'a Value> {
        self.0.remove(member).filter(|value| !value.is_null())
    }

    /// Empty is absent, as in ProtoJSON.
    pub(super) fn text(&mut self, member: &'static str) -> Result<Option<&'a str>, MessageError> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::String(text)) => match text_problem(text) {
                None => Ok(Some(text)),
                Some(ParamsProblem::Empty) => Ok(None),
                Some(problem) => Err(wrong(member, problem)),
            },
            Some(_) => Err(wrong(member, ParamsProblem::WrongType)),
        }
    }

    pub(super) fn required(&mut self, member: &'static str) -> Result<&'a str, MessageError> {
        self.text(member)?.ok_or(wrong(member, ParamsProblem::Missing))
    }

    pub(super) fn strings(&mut self, member: &'static str) -> Result<Vec<String>, MessageError> {
        let elements = match self.take(member) {
            None => return Ok(Vec::new()),
            Some(Value::Array(elements)) => elements,
            Some(_) => return Err(wrong(member, ParamsProblem::WrongType)),
        };
        let string = |element: &Value| match element.as_str() {
            None => Err(wrong(member, ParamsProblem::WrongType)),
            Some(text) => text_problem(text).map_or_else(|| Ok(text.to_owned()), |problem| Err(wrong(member, problem))),
        };
        elements.iter().map(string).collect()
    }

    pub(super) fn object(
        &mut self,
        member: &'static str,
        judged: &[&'static str],
    ) -> Result<Option<Members<'a>>, MessageError> {
        match self.take(member) {
            None => Ok(None),
            Some(Value::Object(object)) => Members::of(object, judged).map(Some),
            Some(_) => Err(wrong(member, ParamsProblem::WrongType)),
        }
    }

    /// Where push notifications go.
    pub(super) fn host(&mut self) -> Result<String, MessageError> {
        http_host(self.required("url")?).ok_or(wrong("url", ParamsProblem::Url))
    }

    /// A member that may be there again, if it says the same.
    pub(super) fn same(&mut self, member: &'static str, said: Option<&str>) -> Result<(), MessageError> {
        match self.text(member)? {
            Some(text) if said != Some(text) => Err(wrong(member, ParamsProblem::Contradicts)),
            _ => Ok(()),
        }
    }

    /// Whatever is left has no place here.
    pub(super) fn end(self) -> Result<(), MessageError> {
        match self.0.into_iter().find(|(_, value)| !value.is_null()) {
            Some((member, _)) => Err(wrong(member, ParamsProblem::Unexpected)),
            None => Ok(()),
        }
    }
}

/// The name in a2a.proto.
fn snake_case(member: &str) -> String {
    let mut name = String::with_capacity(member.len().saturating_add(4));
    for char in member.chars() {
        if char.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}
