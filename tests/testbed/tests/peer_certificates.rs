//! What Envoy's SPIFFE validator lets through, and what a filter then sees of the peer. The guard builds on these
//! facts, and a new Envoy may change them.

#![cfg(test)]

use serde_json::json;
use testbed::{Authority, Credential, Leaf, McpCall, Revision, SendError, Server, Validity, World};

const ASSISTANT: &str = "spiffe://acme.example/agent/assistant";
const EVIL: &str = "spiffe://evil.example/agent/assistant";

/// Access log: what filters can read (the wasm property and Istio's filter state), before a bar.
const LOG: &str = "%CEL(connection.mtls)% %CEL(connection.uri_san_peer_certificate)% %FILTER_STATE(io.istio.peer_principal:PLAIN)%|\n";

/// Plain Envoy that trusts both domains.
async fn world() -> World {
    let world = World::builder().without_guard().federated().envoy(|config| {
        config.waypoint_identity()?;
        let format = config.http()?.pointer_mut("/access_log/0/typed_config/log_format/text_format_source");
        *format.unwrap() = json!({ "inline_string": LOG });
        Ok(())
    });
    world.start().await.unwrap()
}

/// What filters see, or the TLS alert.
async fn seen(world: &World, credential: Option<&Credential>) -> Result<String, String> {
    let logged = world.envoy().access_log().len();
    let caller = world.caller(credential).unwrap();
    let call = McpCall::initialize(Server::Hr.host()).revision(Revision::V2025_11_25);
    match caller.send(call).await {
        Err(SendError::Alert(alert)) => Err(format!("{alert:?}")),
        Err(error) => panic!("{error}"),
        Ok(answer) => {
            assert_eq!(answer.status, 200);
            loop {
                let log = world.envoy().access_log();
                if let Some((line, _)) = log.get(logged..).and_then(|line| line.split_once('|')) {
                    return Ok(line.to_owned());
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

fn uris(authority: &Authority, uris: &[&str]) -> Credential {
    let uris = uris.iter().map(|&uri| uri.to_owned()).collect();
    authority.issue(&Leaf { uris, ..Leaf::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_domain_vouches_for_its_own_names_by_the_first_uri() {
    let world = world().await;
    let (acme, evil) = (&world.identities().acme, &world.identities().evil);
    let refused = Err("CertificateUnknown".to_owned());
    let sees = |property: &str, all: &str| Ok(format!("true {property} {all}"));
    for (credential, expected) in [
        (uris(acme, &[ASSISTANT]), sees(ASSISTANT, ASSISTANT)),
        (uris(evil, &[EVIL]), sees(EVIL, EVIL)),
        (uris(evil, &[ASSISTANT]), refused.clone()),
        (uris(acme, &[EVIL]), refused.clone()),
        (Authority::new("acme.example").unwrap().svid("/agent/assistant").unwrap(), refused.clone()),
        // A second URI is not looked at, and the wasm property does not show it.
        (uris(acme, &[ASSISTANT, EVIL]), sees(ASSISTANT, &format!("{ASSISTANT},{EVIL}"))),
        (uris(evil, &[EVIL, ASSISTANT]), sees(EVIL, &format!("{EVIL},{ASSISTANT}"))),
        (uris(evil, &[ASSISTANT, EVIL]), refused.clone()),
        (uris(acme, &["https://x.example", ASSISTANT]), refused),
    ] {
        assert_eq!(seen(&world, Some(&credential)).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_spiffe_ids_may_pass() {
    let world = world().await;
    let acme = &world.identities().acme;
    for uri in [
        "spiffe://acme.example/",
        "spiffe://acme.example/x?y=1",
        "spiffe://acme.example/%2e",
        "spiffe://acme.example/a,spiffe://acme.example/b",
    ] {
        assert_eq!(seen(&world, Some(&uris(acme, &[uri]))).await, Ok(format!("true {uri} {uri}")));
    }
    for uri in
        ["spiffe://acme.example", "SPIFFE://acme.example/x", "spiffe://ACME.example/x", "spiffe://u@acme.example/x"]
    {
        assert_eq!(seen(&world, Some(&uris(acme, &[uri]))).await, Err("CertificateUnknown".to_owned()), "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_good_now_are_refused() {
    let world = world().await;
    let identities = world.identities();
    let leaf = Leaf { uris: vec![ASSISTANT.to_owned()], validity: Validity::NotYet, ..Leaf::default() };
    let dns = Leaf { dns: vec!["assistant.acme.example".to_owned()], ..Leaf::default() };
    for credential in [
        identities.expired_assistant().unwrap(),
        identities.acme.issue(&leaf).unwrap(),
        identities.acme.issue(&dns).unwrap(),
        identities.acme.issue(&Leaf::default()).unwrap(),
    ] {
        assert_eq!(seen(&world, Some(&credential)).await, Err("CertificateUnknown".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_is_refused_even_where_it_is_optional() {
    let optional = |world: testbed::WorldBuilder| {
        world.envoy(|config| {
            let tls = config.tls()?.as_object_mut().unwrap();
            tls.insert("require_client_certificate".to_owned(), false.into());
            Ok(())
        })
    };
    let world = optional(World::builder().without_guard()).start().await.unwrap();
    assert_eq!(seen(&world, None).await, Err("CertificateRequired".to_owned()));
    world.no_server_saw_anything();
}
