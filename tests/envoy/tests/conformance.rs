//! The conformance suite of MCP's own people, directly at a server and through the guard: what passes without the guard
//! passes with it, and every check that ends otherwise is explained here.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use testbed::{
    ALICE, Adds, Checks, ConformanceSuite, ForeignServer, Form, Hop, Maker, Revision, Scenarios, Server, World,
    WorldBuilder,
};

/// Nothing is denied: what is tried here is whether what is allowed works.
const POLICY: &str = r#"@id("everything") permit (principal, action, resource);"#;

/// The checks that end in another way with the guard than without, and why. One that is not here fails the test, and so
/// does a line that is not true any more.
const DIFFERENCES: [(&[Maker], Revision, &str, &str); 1] = [(
    &[Maker::Everything],
    Revision::V2025_11_25,
    "dns-rebinding-protection/localhost-host-rebinding-rejected",
    "better: this server answers for any host, the guard for those of its servers",
)];

/// What the suite asks for, and a server does not have.
fn missing(maker: Maker, check: &str) -> bool {
    // The extension for tasks, which no SDK has, and which no revision requires.
    check.starts_with("tasks-")
        // A schema that is given, not made of annotations.
        || maker == Maker::PythonSdk && check.starts_with("json-schema-2020-12/")
}

fn permissive() -> WorldBuilder {
    World::builder().guard(|guard| {
        if let Some(policy) = guard.pointer_mut("/policy/cedar") {
            *policy = POLICY.into();
        }
    })
}

/// Before the server, with everything that the suite can't send.
async fn hop(world: &World) -> Result<Hop> {
    let token = world.sign(&world.identities().token(&ALICE))?;
    Hop::start(world, Server::Hr, Adds::CertificateAndToken(&token)).await
}

/// Everything that arrived has a token of the mesh's own.
fn only_smaller_tokens_arrived(world: &World) -> Result<()> {
    let received = world.recorder(Server::Hr)?.take();
    assert!(!received.is_empty(), "the suite was there");
    for request in received {
        let claims = request.claims().context("no token")?;
        assert_eq!((&claims["iss"], &claims["sub"]), (&"https://mesh.acme.example".into(), &"alice".into()));
    }
    Ok(())
}

async fn compare(form: Form, makers: &[Maker]) -> Result<()> {
    let Some(suite) = ConformanceSuite::find().await else { return Ok(()) };
    for &maker in makers {
        let Some(server) = ForeignServer::start(maker, Server::Hr.host()).await? else { continue };
        let world = permissive().form(form).other(Server::Hr, server.address()).start().await?;
        let hop = hop(&world).await?;
        for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
            if (maker, revision) == (Maker::Everything, Revision::V2026_07_28) {
                continue;
            }
            let directly = suite.run(server.address(), Scenarios::Of(revision)).await?;
            if maker != Maker::Everything {
                let failed: Vec<_> = directly.not_passed().into_iter().filter(|check| !missing(maker, check)).collect();
                assert_eq!(failed, [""; 0], "{maker:?} {revision:?}: the server has all that is tried here");
            }
            let guarded = suite.run(hop.address(), Scenarios::Of(revision)).await?;
            explained(maker, revision, &directly, &guarded);
        }
        only_smaller_tokens_arrived(&world)?;
        world.guard_never_failed();
    }
    Ok(())
}

fn explained(maker: Maker, revision: Revision, directly: &Checks, guarded: &Checks) {
    let of_these = |line: &&(&[Maker], Revision, &str, &str)| line.0.contains(&maker) && line.1 == revision;
    let known: BTreeMap<_, _> = DIFFERENCES.iter().filter(of_these).map(|&(.., check, why)| (check, why)).collect();
    let found = guarded.other_than(directly);
    let unexplained: BTreeSet<_> = found.iter().filter(|check| !known.contains_key(*check)).collect();
    let stale: BTreeMap<_, _> = known.iter().filter(|(check, _)| !found.contains(*check)).collect();
    assert!(unexplained.is_empty(), "{maker:?} {revision:?}: {unexplained:#?} end otherwise with the guard");
    assert!(stale.is_empty(), "{maker:?} {revision:?}: {stale:#?} do not, any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_without_the_guard_passes_with_it() -> Result<()> {
    compare(Form::Guard, &Maker::ALL).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_without_the_chain_passes_with_it() -> Result<()> {
    compare(Form::Separate, &[Maker::TypescriptSdk]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guard_checks_headers_for_a_server_that_does_not() -> Result<()> {
    let Some(suite) = ConformanceSuite::find().await else { return Ok(()) };
    let world = permissive().permissive(Server::Hr).start().await?;
    let headers = Scenarios::Only("http-header-validation");

    let directly = suite.run(world.upstream(Server::Hr)?.address(), headers).await?;
    assert_eq!((directly.ended("SUCCESS"), directly.not_passed().len()), (4, 2), "{directly:#?}");
    drop(world.received());
    let guarded = suite.run(hop(&world).await?.address(), headers).await?;
    assert_eq!((guarded.ended("SUCCESS"), guarded.not_passed()), (14, BTreeSet::new()), "{guarded:#?}");
    assert_eq!(world.received().len(), 4, "what is wrong did not arrive");
    world.guard_never_failed();
    Ok(())
}
