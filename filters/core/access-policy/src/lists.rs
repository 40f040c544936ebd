//! Which items of a list a caller may see.

use agent_messages::{ListItem, Operation, Protocol, ServerTaskKind};

use crate::arguments::Arguments;
use crate::catalogue::{KnownServer, Thing};
use crate::policies::Policies;
use crate::question::{Caller, Shown, Supposed};
use crate::schema::Action;

// === impl Policies ===

impl Policies {
    /// Whether an item of a list is shown: the question of the call that would use it, with the arguments (and what a
    /// template leaves open) unknown. It is hidden only if every completion would be denied, as far as the conditions
    /// of the policies taken one by one can tell; to be shown is not to be allowed.
    #[must_use]
    pub fn lists(&self, caller: &Caller<'_>, server: &str, item: ListItem<'_>) -> bool {
        // An agent has none of these.
        let server = self.catalogue.server(server).filter(|server| server.protocol() == Protocol::Mcp);
        let Some(server) = server else { return false };
        let none = || Shown::Known(Arguments::none());
        match item {
            ListItem::Tool(name) => {
                self.possible(caller, Action::CallTool, server.tool(name, &self.words), Shown::Unknown)
            }
            ListItem::Prompt(name) => {
                self.possible(caller, Action::GetPrompt, server.prompt(name, &self.words), Shown::Unknown)
            }
            ListItem::Resource(uri) => self
                .resource(server, uri)
                .is_ok_and(|resource| self.possible(caller, Action::ReadResource, resource, none())),
            ListItem::ResourceTemplate(template) => self
                .expansions(server, template)
                .into_iter()
                .any(|resource| self.possible(caller, Action::ReadResource, resource, none())),
            ListItem::Task(id) => {
                let get = Operation::server_task(ServerTaskKind::Get, id);
                self.subject(server, &get)
                    .is_ok_and(|(action, thing, shown)| self.possible(caller, action, thing, shown))
            }
        }
    }

    fn possible(&self, caller: &Caller<'_>, action: Action, thing: Thing, shown: Shown) -> bool {
        let case = self.case(caller, action, thing, shown);
        let outlook = case.and_then(|case| self.outlook(&case, &Supposed::NOTHING));
        outlook.is_some_and(|outlook| !outlook.possible.is_empty())
    }

    /// What a URI template (RFC 6570) can expand to, as far as policies can tell it apart: the resources that they
    /// name, and one stand-in for each entry of the catalogue.
    fn expansions(&self, server: &KnownServer, template: &str) -> Vec<Thing> {
        let Some((beginning, _)) = template.split_once('{') else {
            return self.resource(server, template).into_iter().collect();
        };
        let named = self.resources.iter().filter(|uri| uri.starts_with(beginning));
        let named = named.filter_map(|uri| self.resource(server, uri).ok());
        named.chain(server.resources_beginning(beginning, &self.words)).collect()
    }
}
