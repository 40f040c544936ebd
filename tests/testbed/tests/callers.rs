//! Odd requests leave the testbed as they were meant.

#![cfg(test)]

use bytes::Bytes;
use serde_json::json;
use testbed::{Body, Canned, HttpCall, McpCall, Protocol, RawConnection, Script, Server, World, send_plain};

const HR: &str = "hr.mcp.acme.example";

#[tokio::test(flavor = "multi_thread")]
async fn bodies_in_pieces_and_trailers_arrive_whole() {
    let script = Script::always(Canned::json(&json!({ "ok": true })));
    let world = World::builder().without_guard().canned(Server::Hr, &script).envoy(|config| {
        config
            .http()?
            .as_object_mut()
            .unwrap()
            .insert("http_protocol_options".to_owned(), json!({ "enable_trailers": true }));
        Ok(())
    });
    let world = world.start().await.unwrap();
    let caller = world.assistant().unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let call = McpCall::tool(HR, "get_time_off", json!({ "employee_id": "E1001" })).over(protocol);
        let body = call.body();
        let call = call.into_http().in_pieces(7, &[("x-checksum", "1")]).header("x-twice", "1").header("x-twice", "2");
        let answer = caller.send(call).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, json!({ "ok": true })));
        let received = world.recorder(Server::Hr).unwrap().take_one();
        assert_eq!(received.json(), body);
        assert_eq!(received.header("transfer-encoding"), Some("chunked"));
        let twice: Vec<_> = received.headers.get_all("x-twice").iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!((twice, received.header("x-twice")), (vec!["1", "2"], None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_bytes_get_raw_answers() {
    let world = World::builder().without_guard().start().await.unwrap();
    let caller = world.assistant().unwrap();
    let answer = caller.send_raw(HR, b"GET /mcp HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(RawConnection::status(&answer), Some(400), "{answer}");

    let mut connection = caller.raw(HR).await.unwrap();
    connection.write(b"POST /mcp HTTP/1.1\r\nhost: hr.mcp.acme.exa").await.unwrap();
    connection.write(b"mple\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    connection.write(b"2\r\n{}\r\n0\r\n\r\n").await.unwrap();
    let answer = connection.read().await.unwrap();
    assert!(RawConnection::status(&answer).is_some_and(|status| status >= 400), "{answer}");
    assert_eq!(world.recorder(Server::Hr).unwrap().take_one().body.as_deref(), Some(b"{}".as_slice()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_is_recorded_all_the_same() {
    let world = World::builder().without_guard().start().await.unwrap();
    let mut connection = world.assistant().unwrap().raw(HR).await.unwrap();
    connection.write(b"POST /mcp HTTP/1.1\r\nhost: hr.mcp.acme.example\r\ncontent-length: 10\r\n\r\n{").await.unwrap();
    let recorder = world.recorder(Server::Hr).unwrap();
    while recorder.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(recorder.take_one().body, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_played_in_order_and_its_end_repeated() {
    let script = Script::default();
    script.play([
        Canned::sse(&["data: {\"n\"", ":1}\n\n"]),
        Canned::new(503, "text/plain", vec![Bytes::from_static(b"later")]).header("retry-after", "1"),
    ]);
    let upstream = testbed::Upstream::canned(script).await.unwrap();
    let call = || HttpCall::new("POST", "x", "/anything?a=1").body(Body::Whole(Bytes::from_static(b"{}")));
    assert_eq!(send_plain(upstream.address(), call()).await.unwrap().json(), json!({ "n": 1 }));
    for _ in 0..2 {
        let answer = send_plain(upstream.address(), call()).await.unwrap();
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    }
    let received = upstream.recorder().take();
    assert_eq!(received.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(), ["/anything?a=1"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_is_reported_with_the_log() {
    let refusal = World::builder().without_guard().envoy(|config| {
        config.http()?.as_object_mut().unwrap().insert("no_such_field".to_owned(), json!(1));
        Ok(())
    });
    let refusal = refusal.expect_refused().await.unwrap();
    assert!(!refusal.serves && refusal.log.contains("no_such_field"), "{refusal}");
    assert!(World::builder().without_guard().expect_refused().await.unwrap().serves);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_ends_with_its_owner() {
    let world = World::builder().without_guard().start().await.unwrap();
    let (process, stat) = (world.envoy().process_id(), world.envoy().stat("server.live").await.unwrap());
    assert_eq!(stat, 1);
    drop(world);
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
}
