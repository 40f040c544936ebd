//! Other people's servers, as they are, and by way of a hop and an Envoy that has no guard: if this fails, no test with
//! them means anything.

#![cfg(test)]

use testbed::{Adds, ForeignServer, Hop, Maker, McpCall, Server, Upstream, World, send_plain};

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_servers_answer_directly_and_behind_envoy() {
    for maker in Maker::ALL {
        let Some(server) = ForeignServer::start(maker, Server::Hr.host()).await.unwrap() else { continue };
        let hello = McpCall::initialize("127.0.0.1");
        let answer = send_plain(server.address(), hello.clone()).await.unwrap();
        assert_eq!(answer.status, 200, "{maker:?}: {}", answer.text());
        assert!(answer.text().contains(r#""protocolVersion":"2025-11-25""#), "{maker:?}: {}", answer.text());

        let world = World::builder().without_guard().other(Server::Hr, server.address()).start().await.unwrap();
        let hop = Hop::start(&world, Server::Hr, Adds::CertificateAndToken("t")).await.unwrap();
        let again = send_plain(hop.address(), hello).await.unwrap();
        assert_eq!(again.status, 200, "{maker:?}: {}", again.text());
        let received = world.recorder(Server::Hr).unwrap().take_one();
        assert_eq!((received.header("host"), received.bearer()), (Some(Server::Hr.host()), Some("t")), "{maker:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_permissive_server_looks_at_no_header() {
    let server = Upstream::permissive().await.unwrap();
    let call = McpCall::list("127.0.0.1", "tools").into_http().with("mcp-method", "prompts/list");
    let answer = send_plain(server.address(), call).await.unwrap();
    assert_eq!((answer.status, answer.json()["result"]["tools"][0]["name"].as_str()), (200, Some("greet")));
    assert_eq!(server.recorder().take_one().header("mcp-method"), Some("prompts/list"));
}
