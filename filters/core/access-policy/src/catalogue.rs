//! The operator's catalogue: what is known of servers, agents, tools and resources.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use agent_messages::Protocol;
use cedar_policy::{Entity, EntityUid, RestrictedExpression};

use crate::error::{CatalogueProblem, PolicyError, PolicyName, bounded, said};
use crate::hierarchy::Hierarchy;
use crate::schema::{Vocabulary, entity};

/// A server, and what the operator says of the things on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// `Server::"<name>"`, or of A2A `Agent::"<name>"`; not empty, without `/`.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Groups that it is in, and everything on it with it.
    pub groups: Vec<String>,
    /// By name, or by the beginning of a name and `*`. The exact name wins, then the longest beginning; entries do not
    /// add up. An agent has none.
    pub tools: BTreeMap<String, ToolEntry>,
    /// By URI, or by the beginning of a URI and `*`, chosen like tools. An agent has none.
    pub resources: BTreeMap<String, ResourceEntry>,
}

/// What the operator says of a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolEntry {
    /// Groups that it is in.
    pub groups: Vec<String>,
    /// What it does to the world.
    pub hints: Hints,
    /// How delicate its data are, on a scale of the operator's.
    pub data_class: i64,
}

/// What the operator says of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceEntry {
    /// Groups that it is in.
    pub groups: Vec<String>,
    /// How delicate it is, on a scale of the operator's.
    pub data_class: i64,
}

/// Tool annotations (MCP server/tools, `ToolAnnotations`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hints {
    /// It changes nothing.
    pub read_only: bool,
    /// It may delete or overwrite.
    pub destructive: bool,
    /// Calling it again with the same arguments changes nothing more.
    pub idempotent: bool,
    /// It deals with things outside the server's own world.
    pub open_world: bool,
}

/// The catalogue with everything in it that does not depend on a request.
pub(crate) struct Catalogue {
    servers: BTreeMap<String, KnownServer>,
}

pub(crate) struct KnownServer {
    name: String,
    protocol: Protocol,
    uid: EntityUid,
    tools: Entries<KnownTool>,
    resources: Entries<KnownResource>,
    /// The server, and every group that it is in.
    above: HashSet<EntityUid>,
}

/// Entries by name; `T` of the default for what has none.
struct Entries<T> {
    exact: BTreeMap<String, T>,
    /// The longest first.
    prefixes: Vec<(String, T)>,
    default: T,
}

struct KnownTool {
    hints: RestrictedExpression,
    data_class: i64,
    ancestors: HashSet<EntityUid>,
}

#[derive(Clone, PartialEq)]
pub(crate) struct KnownResource {
    data_class: i64,
    ancestors: HashSet<EntityUid>,
}

/// A thing on a server, and all that it is in.
#[derive(Clone)]
pub(crate) struct Thing {
    pub(crate) uid: EntityUid,
    pub(crate) ancestors: HashSet<EntityUid>,
    pub(crate) attributes: Vec<(String, RestrictedExpression)>,
}

// === impl Hints ===

impl Default for Hints {
    /// What MCP assumes of a tool without annotations: the worst.
    fn default() -> Self {
        Self { read_only: false, destructive: true, idempotent: false, open_world: true }
    }
}

// === impl Catalogue ===

impl Catalogue {
    pub(crate) fn new(servers: &[Server], hierarchy: &Hierarchy, words: &Vocabulary) -> Result<Self, PolicyError> {
        let mut known = BTreeMap::new();
        for server in servers {
            let wrong = |problem| PolicyError::Catalogue { server: bounded(&server.name), problem };
            if server.name.is_empty() || server.name.contains('/') {
                return Err(wrong(CatalogueProblem::Name));
            }
            if server.protocol == Protocol::A2a && !(server.tools.is_empty() && server.resources.is_empty()) {
                return Err(wrong(CatalogueProblem::OfAnAgent));
            }
            let entry = KnownServer::new(server, hierarchy, words)?;
            if known.insert(server.name.clone(), entry).is_some() {
                return Err(wrong(CatalogueProblem::Duplicate));
            }
        }
        Ok(Self { servers: known })
    }

    pub(crate) fn server(&self, name: &str) -> Option<&KnownServer> {
        self.servers.get(name)
    }

    /// Refuses a name that says of a server that it is an agent, or the reverse: the policy would be silently dead. A
    /// name that is not in the catalogue may be another listener's.
    pub(crate) fn check(&self, named: &[(PolicyName, EntityUid)], words: &Vocabulary) -> Result<(), PolicyError> {
        for (policy, uid) in named {
            let (ty, id) = (uid.type_name(), uid.id().unescaped());
            let (server, spoken) = if *ty == words.agent {
                (id, Protocol::A2a)
            } else if *ty == words.server {
                (id, Protocol::Mcp)
            } else if *ty == words.tool || *ty == words.prompt {
                (id.split_once('/').map_or(id, |(server, _)| server), Protocol::Mcp)
            } else {
                continue;
            };
            let rule = match self.server(server).map(KnownServer::protocol) {
                Some(Protocol::A2a) if spoken == Protocol::Mcp => {
                    "an A2A server is an `Agent`, without tools and prompts"
                }
                Some(Protocol::Mcp) if spoken == Protocol::A2a => "an MCP server is a `Server`",
                _ => continue,
            };
            let entity = bounded(&uid.to_string());
            return Err(PolicyError::ImpossibleEntity { policy: policy.clone(), entity, rule });
        }
        Ok(())
    }

    /// A server, an agent or a tool that a policy speaks of by name.
    pub(crate) fn named(&self, uid: &EntityUid, words: &Vocabulary) -> Option<Entity> {
        let id: &str = uid.id().unescaped();
        if *uid.type_name() == words.server || *uid.type_name() == words.agent {
            return self.server(id).filter(|known| known.uid == *uid)?.itself().entity().ok();
        }
        let (server, tool) = id.split_once('/').filter(|_| *uid.type_name() == words.tool)?;
        self.server(server)?.tool(tool, words).entity().ok()
    }
}

// === impl KnownServer ===

impl KnownServer {
    fn new(server: &Server, hierarchy: &Hierarchy, words: &Vocabulary) -> Result<Self, PolicyError> {
        let ty = match server.protocol {
            Protocol::Mcp => &words.server,
            Protocol::A2a => &words.agent,
        };
        let uid = entity(ty, &server.name);
        let group = |name: &String| entity(&words.group, name);
        let mut above = hierarchy.closure(server.groups.iter().map(group));
        above.insert(uid.clone());
        let beneath = |names: &[String]| {
            let mut ancestors = hierarchy.closure(names.iter().map(group));
            ancestors.extend(above.iter().cloned());
            ancestors
        };
        let tool = |entry: &ToolEntry| {
            Ok(KnownTool {
                hints: entry.hints.record()?,
                data_class: entry.data_class,
                ancestors: beneath(&entry.groups),
            })
        };
        let resource = |entry: &ResourceEntry| {
            Ok(KnownResource { data_class: entry.data_class, ancestors: beneath(&entry.groups) })
        };
        let tools = Entries::new(&server.name, &server.tools, tool)?;
        let resources = Entries::new(&server.name, &server.resources, resource)?;
        Ok(Self { name: server.name.clone(), protocol: server.protocol, uid, tools, resources, above })
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The server, or the agent.
    pub(crate) fn itself(&self) -> Thing {
        let mut ancestors = self.above.clone();
        ancestors.remove(&self.uid);
        let attributes = vec![("name".to_owned(), RestrictedExpression::new_string(self.name.clone()))];
        Thing { uid: self.uid.clone(), ancestors, attributes }
    }

    pub(crate) fn tool(&self, name: &str, words: &Vocabulary) -> Thing {
        let known = self.tools.of(name);
        Thing {
            uid: entity(&words.tool, &format!("{}/{name}", self.name)),
            ancestors: known.ancestors.clone(),
            attributes: vec![
                ("name".to_owned(), RestrictedExpression::new_string(name.to_owned())),
                ("hints".to_owned(), known.hints.clone()),
                ("data_class".to_owned(), RestrictedExpression::new_long(known.data_class)),
            ],
        }
    }

    pub(crate) fn prompt(&self, name: &str, words: &Vocabulary) -> Thing {
        Thing {
            uid: entity(&words.prompt, &format!("{}/{name}", self.name)),
            ancestors: self.above.clone(),
            attributes: vec![("name".to_owned(), RestrictedExpression::new_string(name.to_owned()))],
        }
    }

    pub(crate) fn resource(&self, uri: &str, words: &Vocabulary) -> Thing {
        let uri_known = RestrictedExpression::new_string(uri.to_owned());
        self.resource_as(uri, uri_known, self.resources.of(uri), words)
    }

    /// Whether two spellings of a URI are the same to the catalogue.
    pub(crate) fn same_entry(&self, one: &str, other: &str) -> bool {
        self.resources.of(one) == self.resources.of(other)
    }

    /// A resource of which only the beginning of the URI is known, as each entry that it could turn out to be.
    pub(crate) fn resources_beginning(&self, beginning: &str, words: &Vocabulary) -> Vec<Thing> {
        let mut kinds: Vec<&KnownResource> = Vec::new();
        for kind in self.resources.beginning(beginning) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let unknown = || RestrictedExpression::new_unknown("resource.uri");
        // No URI begins with a space: the stand-in is no resource that a policy could name.
        let stand_in = format!(" {beginning}");
        kinds.into_iter().map(|kind| self.resource_as(&stand_in, unknown(), kind, words)).collect()
    }

    fn resource_as(&self, id: &str, uri: RestrictedExpression, known: &KnownResource, words: &Vocabulary) -> Thing {
        Thing {
            uid: entity(&words.resource, id),
            ancestors: known.ancestors.clone(),
            attributes: vec![
                ("uri".to_owned(), uri),
                ("data_class".to_owned(), RestrictedExpression::new_long(known.data_class)),
            ],
        }
    }
}

// === impl Hints ===

impl Hints {
    fn record(self) -> Result<RestrictedExpression, PolicyError> {
        let fields = [
            ("read_only", self.read_only),
            ("destructive", self.destructive),
            ("idempotent", self.idempotent),
            ("open_world", self.open_world),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), RestrictedExpression::new_bool(value)));
        // Fails only where two names are the same.
        RestrictedExpression::new_record(fields).map_err(|error| PolicyError::Schema { problem: said(error) })
    }
}

// === impl Thing ===

impl Thing {
    pub(crate) fn entity(self) -> Result<Entity, String> {
        Entity::new_with_tags(self.uid, self.attributes, self.ancestors, []).map_err(said)
    }
}

// === impl Entries ===

impl<T> Entries<T> {
    fn new<E: Default>(
        server: &str,
        entries: &BTreeMap<String, E>,
        known: impl Fn(&E) -> Result<T, PolicyError>,
    ) -> Result<Self, PolicyError> {
        let mut exact = BTreeMap::new();
        let mut prefixes = Vec::new();
        for (name, entry) in entries {
            let prefix = name.strip_suffix('*');
            if prefix.unwrap_or(name).contains('*') {
                let problem = CatalogueProblem::Star(bounded(name));
                return Err(PolicyError::Catalogue { server: bounded(server), problem });
            }
            match prefix {
                Some(prefix) => prefixes.push((prefix.to_owned(), known(entry)?)),
                None => {
                    exact.insert(name.clone(), known(entry)?);
                }
            }
        }
        prefixes.sort_by_key(|(prefix, _)| Reverse(prefix.len()));
        Ok(Self { exact, prefixes, default: known(&E::default())? })
    }

    fn of(&self, name: &str) -> &T {
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()));
        self.exact.get(name).or_else(|| by_prefix().map(|(_, known)| known)).unwrap_or(&self.default)
    }

    /// What a name with this beginning can turn out to be.
    fn beginning<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a T> {
        let exact = self.exact.iter().filter(move |(name, _)| name.starts_with(beginning)).map(|(_, known)| known);
        let longer = self.prefixes.iter().filter(move |(prefix, _)| prefix.starts_with(beginning));
        // An entry that has the beginning wholly within it hides every shorter one.
        let covering = self.of_prefix(beginning);
        exact.chain(longer.map(|(_, known)| known)).chain([covering])
    }

    fn of_prefix(&self, beginning: &str) -> &T {
        let covering = self.prefixes.iter().find(|(prefix, _)| beginning.starts_with(prefix.as_str()));
        covering.map_or(&self.default, |(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn catalogue(servers: &[Server]) -> Result<Catalogue, PolicyError> {
        let words = Vocabulary::new().unwrap();
        let groups = json!([{
            "uid": {"type": "Group", "id": "inner"},
            "parents": [{"type": "Group", "id": "outer"}],
        }]);
        Catalogue::new(servers, &Hierarchy::read(&groups, &words).unwrap(), &words)
    }

    fn tool(groups: &[&str], data_class: i64) -> ToolEntry {
        let groups = groups.iter().map(|name| (*name).to_owned()).collect();
        ToolEntry { groups, data_class, ..ToolEntry::default() }
    }

    fn server(tools: &[(&str, ToolEntry)]) -> Server {
        let tools = tools.iter().map(|(name, tool)| ((*name).to_owned(), tool.clone())).collect();
        Server { name: "s".to_owned(), tools, groups: vec!["g".to_owned()], ..Server::default() }
    }

    /// The ids of everything that a tool is in, and its data class.
    fn of(catalogue: &Catalogue, tool: &str) -> (Vec<String>, String) {
        let thing = catalogue.server("s").unwrap().tool(tool, &Vocabulary::new().unwrap());
        let mut above: Vec<String> = thing.ancestors.iter().map(ToString::to_string).collect();
        above.sort();
        let data_class = thing.entity().unwrap().attr("data_class").unwrap().unwrap().to_string();
        (above, data_class)
    }

    fn above(groups: &[&str]) -> Vec<String> {
        let groups = groups.iter().map(|name| format!("Group::\"{name}\""));
        groups.chain(["Server::\"s\"".to_owned()]).collect()
    }

    #[test]
    fn the_exact_name_wins_and_then_the_longest_beginning() {
        let all = [("*", 1), ("get_*", 2), ("get_all_*", 3), ("get_all_users", 4)];
        let known = catalogue(&[server(&all.map(|(name, class)| (name, tool(&[], class))))]).unwrap();
        for (name, class) in [("put", "1"), ("get_", "2"), ("get_all_groups", "3"), ("get_all_users", "4"), ("", "1")] {
            assert_eq!(of(&known, name).1, class, "{name}");
        }
    }

    #[test]
    fn a_tool_is_in_its_server_and_in_every_group_above_either() {
        let known = catalogue(&[server(&[("t", tool(&["inner"], 0))])]).unwrap();
        assert_eq!(of(&known, "t").0, above(&["g", "inner", "outer"]));
        assert_eq!(of(&known, "unheard of").0, above(&["g"]));
    }

    #[test]
    fn a_tool_without_an_entry_is_what_mcp_assumes() {
        let known = catalogue(&[server(&[])]).unwrap();
        let tool = known.server("s").unwrap().tool("t", &Vocabulary::new().unwrap()).entity().unwrap();
        let hints = tool.attr("hints").unwrap().unwrap().to_string();
        assert_eq!(hints, "{\"destructive\": true, \"idempotent\": false, \"open_world\": true, \"read_only\": false}");
    }

    #[test]
    fn an_agent_is_in_its_groups_and_has_no_tools() {
        let agent = Server { protocol: Protocol::A2a, groups: vec!["inner".to_owned()], ..server(&[]) };
        let known = catalogue(std::slice::from_ref(&agent)).unwrap();
        let thing = known.server("s").unwrap().itself();
        let mut above: Vec<String> = thing.ancestors.iter().map(ToString::to_string).collect();
        above.sort();
        assert_eq!(thing.uid.to_string(), "Agent::\"s\"");
        assert_eq!(above, ["Group::\"inner\"", "Group::\"outer\""]);
        let tools = Server { tools: server(&[("t", tool(&[], 0))]).tools, ..agent.clone() };
        let resources = Server { resources: BTreeMap::from([("a:*".to_owned(), ResourceEntry::default())]), ..agent };
        for odd in [tools, resources] {
            let expected = PolicyError::Catalogue { server: "s".to_owned(), problem: CatalogueProblem::OfAnAgent };
            assert_eq!(catalogue(&[odd]).err(), Some(expected));
        }
    }

    #[test]
    fn names_that_could_be_read_in_two_ways_are_refused() {
        let refused = |servers: &[Server], server: &str, problem| {
            let expected = PolicyError::Catalogue { server: server.to_owned(), problem };
            assert_eq!(catalogue(servers).err(), Some(expected));
        };
        for name in ["", "a/b", "/"] {
            refused(&[Server { name: name.to_owned(), ..Server::default() }], name, CatalogueProblem::Name);
        }
        refused(&[server(&[]), server(&[])], "s", CatalogueProblem::Duplicate);
        for name in ["a*b", "**", "*a"] {
            refused(&[server(&[(name, tool(&[], 0))])], "s", CatalogueProblem::Star(name.to_owned()));
        }
    }
}
