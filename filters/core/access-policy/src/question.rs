//! A question for Cedar: who, what and context as entities.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use access_tokens::VerifiedToken;
use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use peer_identity::{PeerIdentity, SpiffeId};

use crate::arguments::Arguments;
use crate::decide::Case;
use crate::error::said;
use crate::hierarchy::Hierarchy;
use crate::reads::Reads;
use crate::schema::{Vocabulary, entity};
use crate::time;

/// Who calls, from where and when.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The user's token; without one, the workload itself is the principal.
    pub token: Option<&'a VerifiedToken>,
    /// The workload on the other end of the connection.
    pub actor: Option<&'a PeerIdentity>,
    /// Unix seconds.
    pub now: u64,
    /// The address of the direct peer.
    pub source_ip: Option<IpAddr>,
}

/// A member of the context that is made when it is read.
type Field<'a> = dyn Fn() -> Result<RestrictedExpression, String> + 'a;

/// A question that is wholly known, or of which some parts are left open.
pub(crate) struct Question {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// What is known of the arguments.
pub(crate) enum Shown {
    Known(Arguments),
    /// Any arguments at all.
    Unknown,
}

/// What is taken for the token's scopes and for how its user was authenticated.
#[derive(Clone, Copy)]
pub(crate) struct Supposed<'a> {
    pub(crate) scopes: Scopes<'a>,
    /// `acr` and `amr` are left open.
    pub(crate) any_authentication: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Scopes<'a> {
    /// Those of the token.
    Own,
    /// These in their place.
    These(&'a BTreeSet<String>),
    /// Left open.
    Any,
}

/// Everything that is the same for all questions.
pub(crate) struct World<'a> {
    pub(crate) words: &'a Vocabulary,
    pub(crate) hierarchy: &'a Hierarchy,
    /// Entities that policies speak of by name.
    pub(crate) named: &'a [Entity],
    /// What they ask for; the rest is left out.
    pub(crate) reads: &'a Reads,
}

/// The workload of a peer that showed no identity. It can't be a SPIFFE ID, for want of a scheme.
pub(crate) const UNIDENTIFIED: &str = "unidentified";

/// More than a century: a token of unknown age is not young.
const VERY_OLD_SECONDS: i64 = u32::MAX as i64;

// === impl Supposed ===

impl Supposed<'_> {
    pub(crate) const NOTHING: Self = Self { scopes: Scopes::Own, any_authentication: false };
}

// === impl World ===

impl World<'_> {
    /// The uid of the principal; nothing if neither a user nor a workload is known.
    pub(crate) fn principal(&self, caller: &Caller<'_>) -> Option<EntityUid> {
        match (caller.token, caller.actor) {
            (Some(token), _) => Some(entity(&self.words.user, &format!("{}#{}", token.issuer(), token.subject()))),
            (None, Some(peer)) => Some(entity(&self.words.workload, peer.id().as_str())),
            (None, None) => None,
        }
    }

    /// Puts the question. What is left open is so in attributes of entities, never in the context: Cedar gives up on
    /// the whole of a record that holds both an unknown and an extension value.
    ///
    /// # Errors
    /// Something does not fit the schema: a denial.
    pub(crate) fn ask(&self, case: &Case<'_>, supposed: &Supposed<'_>) -> Result<Question, String> {
        let Case { caller, principal, action, thing, shown, .. } = case;
        let resource = thing.uid.clone();
        let actor = entity(&self.words.workload, caller.actor.map_or(UNIDENTIFIED, |peer| peer.id().as_str()));
        let context = self.context(caller, actor.clone())?;
        // Without the schema, which wants what is left out too; tests hold the whole of it to the schema.
        let request = Request::new(principal.clone(), self.words.action(*action).clone(), resource, context, None)
            .map_err(said)?;

        let mut all: HashMap<EntityUid, Entity> = self.named.iter().map(|one| (one.uid(), one.clone())).collect();
        let mut add = |one: Entity| all.insert(one.uid(), one);
        if self.reads.attribute("actor") || caller.token.is_none() {
            add(self.actor(caller, actor)?);
        }
        if let Some(token) = caller.token {
            add(self.user(token, principal.clone())?);
        }
        add(thing.clone().entity()?);
        if self.reads.attribute("token") {
            add(self.token(caller, supposed)?);
        }
        if self.reads.attribute("arguments") {
            self.arguments(shown, &mut add)?;
        }
        let entities = Entities::from_entities(all.into_values(), None).map_err(said)?;
        Ok(Question { request, entities })
    }

    fn user(&self, token: &VerifiedToken, uid: EntityUid) -> Result<Entity, String> {
        let groups = token.groups().iter().map(|name| entity(&self.words.group, name));
        let roles = token.roles().iter().map(|name| entity(&self.words.role, name));
        let attributes = [("issuer", token.issuer()), ("subject", token.subject())];
        let attributes = attributes.into_iter().filter(|(name, _)| self.reads.attribute(name)).map(string);
        let tags = token.tags().iter().filter(|(name, _)| self.reads.tag(name));
        let tags = tags.map(|(name, values)| (name.clone(), strings(values)));
        Entity::new_with_tags(uid, attributes, self.hierarchy.closure(groups.chain(roles)), tags).map_err(said)
    }

    fn actor(&self, caller: &Caller<'_>, uid: EntityUid) -> Result<Entity, String> {
        match caller.actor {
            Some(peer) => self.hierarchy.workload(peer.id(), self.words),
            None => {
                let attributes = ["spiffe_id", "trust_domain", "path"].map(|name| string((name, "")));
                Entity::new_with_tags(uid, attributes, [], []).map_err(said)
            }
        }
    }

    fn token(&self, caller: &Caller<'_>, supposed: &Supposed<'_>) -> Result<Entity, String> {
        let none = BTreeSet::new();
        let token = caller.token;
        let text = |value: Option<&str>| RestrictedExpression::new_string(value.unwrap_or_default().to_owned());
        let set = |value: Option<&BTreeSet<String>>| strings(value.unwrap_or(&none));
        let open = RestrictedExpression::new_unknown;
        let scopes = || match supposed.scopes {
            Scopes::Own => set(token.map(VerifiedToken::scopes)),
            Scopes::These(scopes) => strings(scopes),
            Scopes::Any => open("token.scopes"),
        };
        let acr = || match supposed.any_authentication {
            true => open("token.acr"),
            false => text(token.and_then(VerifiedToken::acr)),
        };
        let amr = || match supposed.any_authentication {
            true => open("token.amr"),
            false => set(token.map(VerifiedToken::amr)),
        };
        let age = token.and_then(VerifiedToken::issued_at).map(|issued_at| caller.now.saturating_sub(issued_at));
        let left = token.map_or(0, |token| token.expires_at().saturating_sub(caller.now));
        let bound =
            token.is_some_and(|token| token.certificate_thumbprint().is_some() || token.key_thumbprint().is_some());
        let attributes: [(&str, &dyn Fn() -> RestrictedExpression); 9] = [
            ("present", &|| RestrictedExpression::new_bool(token.is_some())),
            ("scopes", &scopes),
            ("audiences", &|| set(token.map(VerifiedToken::audiences))),
            ("client_id", &|| text(token.and_then(VerifiedToken::client_id))),
            ("acr", &acr),
            ("amr", &amr),
            ("age_seconds", &|| RestrictedExpression::new_long(age.map_or(VERY_OLD_SECONDS, seconds))),
            ("expires_in_seconds", &|| RestrictedExpression::new_long(seconds(left))),
            ("sender_constrained", &|| RestrictedExpression::new_bool(bound)),
        ];
        let attributes = attributes.into_iter().filter(|(name, _)| self.reads.attribute(name));
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value()));
        Entity::new_with_tags(self.words.token.clone(), attributes, [], []).map_err(said)
    }

    fn arguments(&self, shown: &Shown, add: &mut impl FnMut(Entity) -> Option<Entity>) -> Result<(), String> {
        let bags = &self.words.bags;
        let fields = [
            ("string", &bags.string),
            ("long", &bags.long),
            ("decimal", &bags.decimal),
            ("bool", &bags.bool),
            ("strings", &bags.strings),
        ];
        let (known, complete) = match shown {
            Shown::Known(arguments) => (Some(arguments), RestrictedExpression::new_bool(arguments.complete)),
            Shown::Unknown => (None, RestrictedExpression::new_unknown("arguments.complete")),
        };
        let attributes = fields.map(|(name, bag)| match known {
            Some(_) => (name.to_owned(), RestrictedExpression::new_entity_uid(bag.clone())),
            None => (name.to_owned(), RestrictedExpression::new_unknown(format!("arguments.{name}"))),
        });
        let attributes = attributes.into_iter().chain([("complete".to_owned(), complete)]);
        add(Entity::new_with_tags(bags.all.clone(), attributes, [], []).map_err(said)?);
        let Some(arguments) = known else { return Ok(()) };
        let string =
            |(path, value): (&String, &String)| (path.clone(), RestrictedExpression::new_string(value.clone()));
        let long = |(path, value): (&String, &i64)| (path.clone(), RestrictedExpression::new_long(*value));
        let decimal = |(path, value): (&String, &String)| (path.clone(), RestrictedExpression::new_decimal(value));
        let bool = |(path, value): (&String, &bool)| (path.clone(), RestrictedExpression::new_bool(*value));
        let sets = |(path, value): (&String, &BTreeSet<String>)| (path.clone(), strings(value));
        let mut bag = |uid: &EntityUid, tags: Vec<(String, RestrictedExpression)>| -> Result<(), String> {
            // An entity that is not there has no tags, as an empty bag has none.
            if !tags.is_empty() {
                add(Entity::new_with_tags(uid.clone(), [], [], tags).map_err(said)?);
            }
            Ok(())
        };
        let reads = self.reads;
        bag(&bags.string, arguments.string.iter().filter(|(path, _)| reads.tag(path)).map(string).collect())?;
        bag(&bags.long, arguments.long.iter().filter(|(path, _)| reads.tag(path)).map(long).collect())?;
        bag(&bags.decimal, arguments.decimal.iter().filter(|(path, _)| reads.tag(path)).map(decimal).collect())?;
        bag(&bags.bool, arguments.bool.iter().filter(|(path, _)| reads.tag(path)).map(bool).collect())?;
        bag(&bags.strings, arguments.strings.iter().filter(|(path, _)| reads.tag(path)).map(sets).collect())
    }

    fn context(&self, caller: &Caller<'_>, actor: EntityUid) -> Result<Context, String> {
        let delegation = || {
            let actors = caller.token.map(VerifiedToken::actors).unwrap_or_default();
            let current = actors.first().zip(caller.actor).is_some_and(|(actor, peer)| *actor == peer.id().as_str());
            let fields = [
                ("depth", RestrictedExpression::new_long(i64::try_from(actors.len()).unwrap_or(i64::MAX))),
                ("current_actor_is_peer", RestrictedExpression::new_bool(current)),
            ];
            RestrictedExpression::new_record(fields.map(|(name, value)| (name.to_owned(), value))).map_err(said)
        };
        let address = || {
            let address =
                caller.source_ip.map_or_else(|| "::".to_owned(), |address| address.to_canonical().to_string());
            Ok(RestrictedExpression::new_ip(address))
        };
        let now = || {
            let now = time::datetime(caller.now).ok_or_else(|| "the time is out of range".to_owned())?;
            Ok(RestrictedExpression::new_datetime(now))
        };
        let named = |uid: &EntityUid| Ok(RestrictedExpression::new_entity_uid(uid.clone()));
        let fields: [(&str, &Field<'_>); 6] = [
            ("actor", &|| named(&actor)),
            ("delegation", &delegation),
            ("token", &|| named(&self.words.token)),
            ("arguments", &|| named(&self.words.bags.all)),
            ("now", &now),
            ("source_ip", &address),
        ];
        let fields = fields.into_iter().filter(|(name, _)| self.reads.attribute(name));
        let fields = fields.map(|(name, value)| Ok((name.to_owned(), value()?))).collect::<Result<Vec<_>, String>>()?;
        Context::from_pairs(fields).map_err(said)
    }
}

// === impl Hierarchy ===

impl Hierarchy {
    /// A workload with what its SPIFFE ID says, in the groups that the operator put it into.
    pub(crate) fn workload(&self, id: &SpiffeId, words: &Vocabulary) -> Result<Entity, String> {
        let uid = entity(&words.workload, id.as_str());
        let domain = id.trust_domain().as_str();
        let attributes = [("spiffe_id", id.as_str()), ("trust_domain", domain), ("path", id.path())].map(string);
        let above = self.above(&uid).iter().cloned().chain([entity(&words.trust_domain, domain)]);
        Entity::new_with_tags(uid, attributes, above, []).map_err(said)
    }
}

fn string((name, value): (&str, &str)) -> (String, RestrictedExpression) {
    (name.to_owned(), RestrictedExpression::new_string(value.to_owned()))
}

fn strings(values: &BTreeSet<String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.iter().cloned().map(RestrictedExpression::new_string))
}

fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
