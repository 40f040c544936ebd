//! Why a configuration of policies is refused.

use thiserror::Error;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The built-in schema is broken: never the operator's doing.
    #[error("the built-in schema: {problem}")]
    Schema {
        /// What Cedar says.
        problem: String,
    },
    /// Not the grammar of Cedar.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What Cedar says.
        problem: String,
    },
    /// There is no policy: everything would be denied, which nobody means.
    #[error("there is no policy that is enforced")]
    Empty,
    /// A link to a template that is none.
    #[error("{problem}")]
    Link {
        /// Which, counted from 0.
        index: usize,
        /// Why.
        problem: LinkProblem,
    },
    /// No `@id`.
    #[error("{policy}: has no `@id`")]
    MissingId {
        /// Where.
        policy: PolicyName,
    },
    /// Two policies of one name.
    #[error("{policy}: another policy has the same `@id`")]
    DuplicateId {
        /// Which.
        policy: PolicyName,
    },
    /// An annotation that means nothing here.
    #[error("{policy}: annotation `@{annotation}` is unknown")]
    UnknownAnnotation {
        /// Where.
        policy: PolicyName,
        /// Its name.
        annotation: String,
    },
    /// An annotation whose value means nothing.
    #[error("{policy}: annotation `@{annotation}` {problem}")]
    Annotation {
        /// Where.
        policy: PolicyName,
        /// Its name.
        annotation: &'static str,
        /// What is wrong with it.
        problem: AnnotationProblem,
    },
    /// An entity that can't exist, so that the policy would never mean what it says.
    #[error("{policy}: `{entity}` can't exist: {rule}")]
    ImpossibleEntity {
        /// Where.
        policy: PolicyName,
        /// The entity.
        entity: String,
        /// What its id must look like.
        rule: &'static str,
    },
    /// Strict validation against the schema fails: an unknown attribute, a wrong type, a policy that can never apply.
    #[error("{policy}: {problem}")]
    Invalid {
        /// Where.
        policy: PolicyName,
        /// What Cedar says.
        problem: String,
    },
    /// `entities` is not a JSON array.
    #[error("not an array of entities")]
    NotEntities,
    /// One of the operator's entities.
    #[error("{problem}")]
    Entity {
        /// Counted from 0.
        index: usize,
        /// What is wrong with it.
        problem: EntityProblem,
    },
    /// The operator's entities together: one twice, or a group within itself.
    #[error("{problem}")]
    Hierarchy {
        /// What Cedar says.
        problem: String,
    },
    /// An entry of the catalogue.
    #[error("server `{server}`: {problem}")]
    Catalogue {
        /// Its name.
        server: String,
        /// What is wrong with it.
        problem: CatalogueProblem,
    },
}

/// A policy, by its `@id` or by its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyName {
    /// It has an `@id`.
    #[error("policy `{0}`")]
    Id(String),
    /// It has none.
    #[error("the policy at line {line}, column {column}")]
    At {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
    },
}

/// What is wrong with the value of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnnotationProblem {
    /// Nothing is in it.
    #[error("is empty")]
    Empty,
    /// A name of 1 to 128 characters without control characters.
    #[error("is longer than 128 bytes or holds control characters")]
    NotAName,
    /// `shadow` is the only mode.
    #[error("can only be `shadow`")]
    NotShadow,
    /// RFC 6749 section 3.3.
    #[error("is not a list of scopes with one space between them (RFC 6749 section 3.3)")]
    NotScopes,
    /// RFC 3986 section 4.3.
    #[error("is not an absolute URI")]
    NotAbsoluteUri,
    /// Seconds.
    #[error("is not a positive whole number")]
    NotPositive,
    /// One word that can be shown in a challenge (RFC 9470 section 3).
    #[error("is not one word of visible ASCII without quotes and backslashes")]
    NotAWord,
    /// It says what an allowed call may do, and this policy allows none.
    #[error("means nothing on a `forbid`")]
    OnForbid,
}

/// What is wrong with a link to a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkProblem {
    /// It makes a policy without a name.
    #[error("`new_id` must name the policy")]
    NoId,
    /// There is no such template.
    #[error("no template has `@id(\"{template_id}\")`")]
    UnknownTemplate {
        /// What it asks for, bounded in length.
        template_id: String,
    },
    /// Cedar has two slots.
    #[error("`{slot}` is no slot; write `?principal` or `?resource`")]
    UnknownSlot {
        /// What is written, bounded in length.
        slot: String,
    },
    /// A value is no entity in Cedar's JSON format.
    #[error("the value of `{slot}` is no entity such as {{\"type\": \"Group\", \"id\": \"hr\"}}: {problem}")]
    NoEntity {
        /// Of which slot.
        slot: String,
        /// What Cedar says.
        problem: String,
    },
    /// The values are not those that the template asks for, or the name is taken.
    #[error("{0}")]
    Values(String),
}

/// What is wrong with one of the operator's entities.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EntityProblem {
    /// Not an entity in Cedar's JSON format.
    #[error("not an entity: {0}")]
    Malformed(String),
    /// Of another type than `Group`, `Role` or `Workload`.
    #[error("an entity of type `{0}` is not the operator's to state: only `Group`, `Role` and `Workload` are")]
    Type(String),
    /// Not the SPIFFE ID of a workload.
    #[error("`{0}` is not the SPIFFE ID of a workload")]
    NotSpiffe(String),
    /// Attributes and tags come from what a request proves.
    #[error("it can state parents only, no attributes and no tags")]
    Attributes,
    /// A parent of a type that this one can't be in.
    #[error("`{0}` can't be its parent")]
    Parent(String),
}

/// What is wrong with an entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatalogueProblem {
    /// The name of a server is empty or holds `/`, which separates it from the names of its tools.
    #[error("its name is empty or holds `/`")]
    Name,
    /// Two servers of one name.
    #[error("another server has the same name")]
    Duplicate,
    /// Tools or resources of an agent.
    #[error("it speaks A2A: it has no tools and no resources")]
    OfAnAgent,
    /// `*` may end a name and be nowhere else.
    #[error("`{0}`: `*` can only be the last character")]
    Star(String),
}

// === impl PolicyError ===

impl PolicyError {
    /// The field of the configuration in which it is.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::NotEntities | Self::Hierarchy { .. } => "policy.entities".to_owned(),
            Self::Entity { index, .. } => format!("policy.entities[{index}]"),
            Self::Link { index, .. } => format!("policy.template_links[{index}]"),
            Self::Catalogue { .. } => "servers".to_owned(),
            Self::Schema { .. }
            | Self::Syntax { .. }
            | Self::Empty
            | Self::MissingId { .. }
            | Self::DuplicateId { .. }
            | Self::UnknownAnnotation { .. }
            | Self::Annotation { .. }
            | Self::ImpossibleEntity { .. }
            | Self::Invalid { .. } => "policy.cedar".to_owned(),
        }
    }
}

/// On one line and of bounded length: for logs.
pub(crate) fn bounded(text: &str) -> String {
    const MOST: usize = 400;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() { format!("{line}…") } else { line }
}

/// What an error says, for logs.
pub(crate) fn said(error: impl std::fmt::Display) -> String {
    bounded(&error.to_string())
}
