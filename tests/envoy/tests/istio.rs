//! The guard as Istio loads it: from the manifests of `istio/overlays`, discovered, in each place and each form.

#![cfg(test)]

use std::sync::Arc;

use anyhow::{Context, Result};
use envoy_tests::{IstioPlugin, manifest};
use serde_json::{Value, json};
use testbed::{ALICE, Discovery, EnvoyConfig, Identities, McpCall, Revision, STORY, Server, World, WorldBuilder};

const PLACES: [&str; 3] = ["gateway", "sidecar", "waypoint"];
const REVISIONS: [Revision; 2] = [Revision::V2025_11_25, Revision::V2026_07_28];

/// A world with the guard in this place and form; the discovery must live as long.
async fn start(
    place: &str,
    form: &str,
    more: impl FnOnce(WorldBuilder) -> WorldBuilder,
) -> Result<(World, Arc<Discovery>)> {
    // The issuer's key is the same in every world.
    let jwks = Identities::new()?.idp.jwks().to_string();
    let plugin = IstioPlugin::of(&manifest(place, form, &jwks)?)?;
    let discovery = Arc::new(Discovery::new(&plugin.name)?);
    let sent = Arc::clone(&discovery);
    let builder = World::builder().envoy(move |config| plugin.install(config, &sent));
    let world = more(builder).start().await?;
    assert_eq!(discovery.stat(world.envoy(), "update_success").await?, 1);
    assert_eq!(discovery.stat(world.envoy(), "update_rejected").await?, 0);
    Ok((world, discovery))
}

/// What a waypoint keeps of the outer connection.
fn as_there(place: &str) -> impl FnOnce(WorldBuilder) -> WorldBuilder {
    let waypoint = place == "waypoint";
    move |builder| if waypoint { builder.envoy(EnvoyConfig::waypoint_identity) } else { builder }
}

fn time_off(world: &World) -> Result<McpCall> {
    let token = world.sign(&world.identities().token(&ALICE))?;
    Ok(McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(&token))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_goes_as_it_is_told_in_every_place_and_form() -> Result<()> {
    for place in PLACES {
        for (form, held) in [("envoy-filter", true), ("traffic-extension", false)] {
            println!("{place}, {form}");
            let (world, _discovery) = start(place, form, as_there(place)).await?;
            for row in STORY.iter().flat_map(|scene| scene.rows) {
                for revision in REVISIONS {
                    let played = world.play(row, revision).await?;
                    let checked = if held { played.check(row) } else { played.check_unheld(row, revision) };
                    checked.with_context(|| format!("{place} {form} {revision:?} {}: {played:#?}", row.request))?;
                }
            }
            world.guard_never_failed();
        }
    }
    Ok(())
}

#[test]
fn every_form_carries_the_same_policy() -> Result<()> {
    for place in PLACES {
        let of = |form| IstioPlugin::of(&manifest(place, form, "{}")?);
        let (filter, extension, plugin) = (of("envoy-filter")?, of("traffic-extension")?, of("wasm-plugin")?);
        assert_eq!(extension, plugin, "{place}: Istio makes the one of the other");
        let mut held = filter.configuration()?;
        assert_eq!(held["hold_headers"], json!(true), "{place}");
        held["hold_headers"] = false.into();
        assert_eq!(held, extension.configuration()?, "{place}");
        let flag = |plugin: &IstioPlugin| plugin.typed_config["config"]["allow_on_headers_stop_iteration"].clone();
        assert_eq!((flag(&filter), flag(&extension)), (json!(true), Value::Null), "{place}");
        let sources = if place == "waypoint" { json!(["waypoint"]) } else { json!(["tls"]) };
        assert_eq!(held["identity"]["sources"], sources);
    }
    Ok(())
}

/// At a waypoint the certificate of the inner connection is nobody's: a good one changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_waypoint_knows_the_peer_from_filter_state_and_from_nothing_else() -> Result<()> {
    for form in ["envoy-filter", "traffic-extension"] {
        let (world, _discovery) = start("waypoint", form, |builder| builder).await?;
        for revision in REVISIONS {
            let call = time_off(&world)?.revision(revision);
            let spoofed = call.header("x-forwarded-client-cert", "URI=spiffe://acme.example/agent/assistant");
            let answer = world.assistant()?.send(spoofed).await?;
            assert_eq!(answer.status, 403, "{form}: {}", answer.text());
            assert_eq!(answer.json()["error"]["message"], "workload not accepted", "{form}");
            world.no_server_saw_anything();
        }
        world.guard_never_failed();
    }
    let (world, _discovery) = start("waypoint", "traffic-extension", as_there("waypoint")).await?;
    let answer = world.assistant()?.send(time_off(&world)?).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = world.audit_of(answer.request_id().context("no id")?).await?;
    assert_eq!(line["actor"], "spiffe://acme.example/agent/assistant");
    Ok(())
}

/// Istio's own APIs show a plugin the first URI of a certificate; the patches show the guard all of them.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_envoy_filter_sees_every_name_of_a_certificate() -> Result<()> {
    for (form, status) in [("envoy-filter", 403), ("traffic-extension", 200)] {
        let (world, _discovery) = start("gateway", form, |builder| builder).await?;
        let uris = ["spiffe://acme.example/agent/assistant", "spiffe://acme.example/agent/batch"];
        let two = world.caller(Some(&world.identities().with_uris(&uris)?))?;
        let answer = two.send(time_off(&world)?).await?;
        assert_eq!(answer.status, status, "{form}: {}", answer.text());
        if status == 403 {
            world.no_server_saw_anything();
        }
    }
    Ok(())
}

/// A first configuration that is refused serves nobody: there is none before it to go on with.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_signing_key_every_request_is_refused() -> Result<()> {
    let jwks = Identities::new()?.idp.jwks().to_string();
    let mut plugin = IstioPlugin::of(&manifest("sidecar", "traffic-extension", &jwks)?)?;
    plugin.typed_config["config"]["vm_config"]["environment_variables"] = json!({});
    let discovery = Arc::new(Discovery::new(&plugin.name)?);
    let sent = Arc::clone(&discovery);
    let world = World::builder().envoy(move |config| plugin.install(config, &sent)).start().await?;
    let answer = world.assistant()?.send(time_off(&world)?).await?;
    assert_eq!(answer.status, 500, "{}", answer.text());
    world.no_server_saw_anything();
    assert_eq!(discovery.stat(world.envoy(), "update_rejected").await?, 1);
    let log = world.envoy().log();
    assert!(log.contains("`downscope.mint.signing_key_env`"), "the log names the field: {log}");
    Ok(())
}
