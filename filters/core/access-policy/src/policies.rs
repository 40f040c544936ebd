//! Compiled policies.

use std::collections::HashMap;
use std::fmt;

use cedar_policy::{Authorizer, Entity};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::annotations::Annotations;
use crate::catalogue::{Catalogue, Server};
use crate::decide::Case;
use crate::error::PolicyError;
use crate::hierarchy::Hierarchy;
use crate::index::Index;
use crate::question::{Question, Supposed, World};
use crate::schema::Vocabulary;
use crate::text::{self, Compiled, Shadows};

/// Policies that are wholly valid, with the operator's groups and catalogue.
pub struct Policies {
    pub(crate) words: Vocabulary,
    pub(crate) hierarchy: Hierarchy,
    pub(crate) catalogue: Catalogue,
    pub(crate) index: Index,
    pub(crate) authorizer: Authorizer,
    /// By `@id`.
    pub(crate) rules: HashMap<String, Rule>,
    /// URIs of the resources that policies name.
    pub(crate) resources: Vec<String>,
    /// Entities that conditions name and that are more than a name.
    named: Vec<Entity>,
    shadows: Vec<String>,
    warnings: Vec<String>,
    digest: String,
}

/// What is known of an enforced policy beside its condition.
pub(crate) struct Rule {
    pub(crate) annotations: Annotations,
    /// The scopes that it tests for, in the order of its text.
    pub(crate) scopes: Vec<String>,
}

// === impl Policies ===

impl Policies {
    /// Compiles policies in Cedar's language, the operator's entities (a JSON array in Cedar's format: groups, roles
    /// and the groups of workloads), and the catalogue of servers.
    ///
    /// # Errors
    /// Anything that is not wholly right. There must be a policy, each with a unique `@id` and known annotations only,
    /// and all of them must pass strict validation against [`SCHEMA`](crate::SCHEMA).
    pub fn compile(cedar: &str, entities: &Value, servers: &[Server]) -> Result<Self, PolicyError> {
        Self::read(cedar, Shadows::LeftOut, entities, servers)
    }

    /// The same as they would be if the policies with `@mode("shadow")` were enforced.
    ///
    /// # Errors
    /// As for [`compile`](Self::compile).
    pub fn with_shadows(cedar: &str, entities: &Value, servers: &[Server]) -> Result<Self, PolicyError> {
        Self::read(cedar, Shadows::Counted, entities, servers)
    }

    fn read(cedar: &str, shadows: Shadows, entities: &Value, servers: &[Server]) -> Result<Self, PolicyError> {
        let words = Vocabulary::new()?;
        let Compiled { policies, rules, shadows, mentioned, named, resources, warnings } =
            text::compile(cedar, shadows, &words)?;
        let hierarchy = Hierarchy::read(entities, &words)?;
        let catalogue = Catalogue::new(servers, &hierarchy, &words)?;
        catalogue.check(&named, &words)?;
        let named =
            mentioned.iter().filter_map(|uid| hierarchy.named(uid, &words).or_else(|| catalogue.named(uid, &words)));
        Ok(Self {
            named: named.collect(),
            index: Index::new(policies, &words),
            words,
            hierarchy,
            catalogue,
            authorizer: Authorizer::new(),
            rules,
            resources,
            shadows,
            warnings,
            digest: Sha256::digest(cedar).iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// SHA-256 of the policy text, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Ids of the policies with `@mode("shadow")`, in the order of the text. They decide nothing.
    #[must_use]
    pub fn shadows(&self) -> &[String] {
        &self.shadows
    }

    /// What works and may not be meant, for the log.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The `@reason` of an enforced policy, in the operator's words: for the audit, not for the caller.
    #[must_use]
    pub fn reason(&self, id: &str) -> Option<&str> {
        self.rules.get(id)?.annotations.reason.as_deref()
    }

    pub(crate) fn world(&self) -> World<'_> {
        World { words: &self.words, hierarchy: &self.hierarchy, named: &self.named }
    }

    pub(crate) fn question(&self, case: &Case<'_>, supposed: &Supposed<'_>) -> Result<Question, String> {
        let (principal, thing) = (case.principal.clone(), case.thing.clone());
        self.world().ask(case.caller, principal, case.action, thing, &case.shown, supposed)
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("digest", &self.digest).field("rules", &self.rules.len()).finish()
    }
}
