//! One filter, as its page shows it, with nothing else of ours around it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{Canned, EnvoyConfig, Form, Identities, Received, Script, Server, World, WorldBuilder, filters_of_page};

use crate::chain::routes;

/// Makes these the HTTP filters, before the router.
///
/// # Errors
/// There is no router.
pub fn fill(config: &mut EnvoyConfig, with: Vec<Value>) -> Result<()> {
    let filters = config.http_filters()?;
    let router = filters.pop().context("no router")?;
    *filters = with;
    filters.push(router);
    Ok(())
}

/// One example of a page and after it these filters, before servers that answer anything. Any path goes to the one for
/// human resources; nobody needs a certificate.
#[must_use]
pub fn alone(plugin: &'static str, example: usize, after: Vec<Value>) -> WorldBuilder {
    let answer = Script::always(Canned::json(&json!({ "fine": true })));
    let world = World::builder().form(Form::Separate).certificate_optional();
    world.canned(Server::Hr, &answer).canned(Server::Docs, &answer).envoy(move |config| {
        let jwks = Identities::new()?.idp.jwks().to_string();
        let filter = filters_of_page(plugin, &jwks)?.into_iter().nth(example).context("no such example")?;
        fill(config, [filter].into_iter().chain(after).collect())?;
        *routes(config)? = vec![json!({ "match": { "prefix": "/" }, "route": { "cluster": "hr", "timeout": "0s" } })];
        Ok(())
    })
}

/// The only request that has arrived anywhere, and where.
///
/// # Errors
/// None has, or more than one.
pub fn arrived(world: &World) -> Result<(Server, Received)> {
    let mut all = world.received();
    ensure!(all.len() == 1, "one request should have arrived, not these: {all:#?}");
    all.pop().context("nothing has arrived")
}
