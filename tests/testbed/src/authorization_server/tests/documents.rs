//! Clients whose id is a URL.

use serde_json::Value;

use super::*;
use crate::client::Caller;
use crate::pki::Authority;
use crate::tls_front::TlsFront;
use crate::upstream::{Canned, Script, Upstream};

const CLIENT: &str = "https://agent.example/client.json";

/// A server that can read what this script answers at `agent.example`.
async fn reading(script: &Script) -> Result<(AuthorizationServer, Upstream, TlsFront)> {
    let authority = Authority::new("agent.example")?;
    let site = Upstream::canned(script.clone()).await?;
    let front = TlsFront::start(&authority.server("/site", &["agent.example"])?, site.address()).await?;
    let reader = Caller::new(front.address(), &authority, None)?.web(&[("agent.example", front.address())])?;
    let options = AuthorizationOptions { documents: Some(reader), ..AuthorizationOptions::default() };
    Ok((server_with(options).await?, site, front))
}

fn document() -> Value {
    json!({ "client_id": CLIENT, "redirect_uris": [HERE], "token_endpoint_auth_method": "none" })
}

fn with_member(name: &str, value: Value) -> Canned {
    let mut document = document();
    document[name] = value;
    Canned::json(&document)
}

#[tokio::test]
async fn a_client_is_who_its_document_says() -> Result<()> {
    let (server, site, _front) = reading(&Script::always(Canned::json(&document()))).await?;
    let metadata = server.get("/.well-known/oauth-authorization-server").await?.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let code = server.code(CLIENT).await?;
    assert_eq!(site.recorder().take_one().path, "/client.json");
    let token = server.token(&redemption(CLIENT, &code)).await?.json();
    let (_, claims) = decode(token["access_token"].as_str().context("no token")?)?;
    assert_eq!(claims["client_id"], CLIENT);

    let elsewhere = encode(&with(request(CLIENT), "redirect_uri", "https://thief.example/callback"));
    assert_eq!(server.get(&format!("/authorize?{elsewhere}")).await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn a_document_that_is_not_right_makes_no_client() -> Result<()> {
    let script = Script::default();
    let (server, _site, _front) = reading(&script).await?;
    let path = format!("/authorize?{}", encode(&request(CLIENT)));
    for (what, canned) in [
        ("about another", with_member("client_id", json!("https://agent.example/other.json"))),
        ("about nobody", with_member("client_id", Value::Null)),
        ("with a secret", with_member("token_endpoint_auth_method", json!("client_secret_post"))),
        ("with another address", with_member("redirect_uris", json!(["https://agent.example/callback"]))),
        ("too large", with_member("padding", json!("x".repeat(6_000)))),
        ("elsewhere", Canned::new(302, "application/json", Vec::new()).header("location", CLIENT)),
        ("an error that looks right", Canned { status: 404, ..Canned::json(&document()) }),
        ("a page", Canned::new(200, "text/html", vec![document().to_string().into()])),
        ("no JSON", Canned::new(200, "application/json", vec!["{".into()])),
    ] {
        script.play([canned]);
        let answer = server.get(&path).await?;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{what}");
    }
    // Nor is anything read that is no such URL.
    for id in ["https://agent.example/", "http://agent.example/client.json", "https://unknown.example/client.json"] {
        let answer = server.get(&format!("/authorize?{}", encode(&request(id)))).await?;
        assert_eq!(answer.status, 400, "{id}");
    }
    Ok(())
}
