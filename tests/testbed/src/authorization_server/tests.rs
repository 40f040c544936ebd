mod documents;

use anyhow::{Context, Result};
use serde_json::Value;

use super::*;
use crate::acme::ALICE;
use crate::client::{Answer, HttpCall, send_plain};
use crate::jose::{SigningKey, decode};

const HERE: &str = "http://127.0.0.1:4711/callback";
const HR: &str = "https://mcp.example/hr/mcp";
const DOCS: &str = "https://mcp.example/docs/mcp";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

type Pairs = BTreeMap<&'static str, String>;

async fn server() -> Result<AuthorizationServer> {
    server_with(AuthorizationOptions::default()).await
}

async fn server_with(options: AuthorizationOptions) -> Result<AuthorizationServer> {
    let idp = IdentityProvider::new("https://idp.example", "k", SigningKey::rs256(include_str!("../keys/idp.pem"))?);
    let server = AuthorizationServer::start(idp, &[HR, DOCS], &["hr.read", "docs.read"], options).await?;
    server.sign_in(Some(ALICE));
    Ok(server)
}

fn encode(pairs: &Pairs) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

// === impl AuthorizationServer ===

impl AuthorizationServer {
    async fn get(&self, path: &str) -> Result<Answer> {
        Ok(send_plain(self.address, HttpCall::new("GET", "idp.example", path)).await?)
    }

    async fn post(&self, path: &str, content_type: &str, body: String) -> Result<Answer> {
        let call = HttpCall::new("POST", "idp.example", path).header("content-type", content_type);
        Ok(send_plain(self.address, call.body(crate::client::Body::Whole(body.into()))).await?)
    }

    async fn register(&self) -> Result<String> {
        let metadata = json!({ "redirect_uris": [HERE], "token_endpoint_auth_method": "none" });
        let answer = self.post("/register", "application/json", metadata.to_string()).await?;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        Ok(answer.json()["client_id"].as_str().context("no client_id")?.to_owned())
    }

    /// Parameters of the redirect.
    async fn authorize(&self, pairs: &Pairs) -> Result<BTreeMap<String, String>> {
        let answer = self.get(&format!("/authorize?{}", encode(pairs))).await?;
        let location = answer.header("location").with_context(|| answer.text())?;
        assert!(location.starts_with(&format!("{HERE}?")), "{location}");
        Ok(url::Url::parse(location)?.query_pairs().into_owned().collect())
    }

    async fn token(&self, pairs: &Pairs) -> Result<Answer> {
        self.post("/token", "application/x-www-form-urlencoded", encode(pairs)).await
    }

    async fn code(&self, client_id: &str) -> Result<String> {
        let mut answer = self.authorize(&request(client_id)).await?;
        answer.remove("code").with_context(|| format!("{answer:?}"))
    }
}

fn request(client_id: &str) -> Pairs {
    [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", HERE),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", HR),
        ("scope", "hr.read"),
        ("state", "s&1"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn redemption(client_id: &str, code: &str) -> Pairs {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("redirect_uri", HERE),
        ("code", code),
        ("code_verifier", VERIFIER),
        ("resource", HR),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// With one pair changed, or taken out when the value is empty.
fn with(mut pairs: Pairs, name: &'static str, value: &str) -> Pairs {
    if value.is_empty() {
        pairs.remove(name);
    } else {
        pairs.insert(name, value.to_owned());
    }
    pairs
}

#[tokio::test]
async fn a_code_becomes_a_token_for_one_resource_once() -> Result<()> {
    let server = server().await?;
    let client = server.register().await?;
    let answer = server.authorize(&request(&client)).await?;
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("s&1", "https://idp.example"));

    let token = server.token(&redemption(&client, &answer["code"])).await?;
    assert_eq!((token.status, token.header("cache-control")), (200, Some("no-store")), "{}", token.text());
    let token = token.json();
    assert_eq!((&token["token_type"], &token["scope"]), (&json!("Bearer"), &json!("hr.read")));
    let (header, claims) = decode(token["access_token"].as_str().context("no token")?)?;
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("RS256")));
    for (name, value) in
        [("iss", "https://idp.example"), ("sub", "alice"), ("aud", HR), ("scope", "hr.read"), ("client_id", &client)]
    {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|issued| issued + 600));

    let again = server.token(&redemption(&client, &answer["code"])).await?;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")));
    Ok(())
}

#[tokio::test]
async fn metadata_names_endpoints_and_what_is_required() -> Result<()> {
    let server = server().await?;
    let metadata = server.get("/.well-known/oauth-authorization-server").await?.json();
    assert_eq!(metadata["issuer"], "https://idp.example");
    assert_eq!(metadata["token_endpoint"], "https://idp.example/token");
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server.get("/jwks").await?.json(), server.identity_provider().jwks());
    Ok(())
}

#[tokio::test]
async fn what_an_authorization_request_lacks_is_told_to_the_client() -> Result<()> {
    let server = server().await?;
    let client = server.register().await?;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("resource", "", "invalid_target"),
        ("resource", "https://elsewhere.example/mcp", "invalid_target"),
        ("scope", "", "invalid_scope"),
        ("scope", "hr.read hr.write", "invalid_scope"),
    ] {
        let answer = server.authorize(&with(request(&client), name, value)).await?;
        assert_eq!(answer["error"], error, "{name}={value}");
        assert_eq!((answer.get("code"), answer["iss"].as_str()), (None, "https://idp.example"), "{name}={value}");
        assert_eq!(answer["state"], "s&1", "{name}={value}");
    }
    server.sign_in(None);
    assert_eq!(server.authorize(&request(&client)).await?["error"], "access_denied");
    Ok(())
}

#[tokio::test]
async fn nobody_is_sent_where_no_client_registered() -> Result<()> {
    let server = server().await?;
    let client = server.register().await?;
    let twice = format!("{}&resource={HR}", encode(&request(&client)));
    for query in [
        encode(&with(request(&client), "client_id", "unknown")),
        encode(&with(request(&client), "client_id", "")),
        encode(&with(request(&client), "redirect_uri", "http://127.0.0.1:4711/callback/")),
        encode(&with(request(&client), "redirect_uri", "")),
        twice,
    ] {
        let answer = server.get(&format!("/authorize?{query}")).await?;
        assert_eq!((answer.status, answer.header("location")), (400, None), "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn a_code_is_good_for_who_asked_and_what_was_asked() -> Result<()> {
    let server = server().await?;
    let (client, other) = (server.register().await?, server.register().await?);
    for (name, value, error) in [
        ("grant_type", "refresh_token", "unsupported_grant_type"),
        ("grant_type", "", "invalid_request"),
        ("client_id", other.as_str(), "invalid_grant"),
        ("client_id", "", "invalid_request"),
        ("redirect_uri", "http://127.0.0.1:4711/", "invalid_grant"),
        ("redirect_uri", "", "invalid_request"),
        ("code", "guessed", "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        ("code_verifier", CHALLENGE, "invalid_grant"),
        ("code_verifier", "dBjftJeZ4CVP", "invalid_grant"),
        ("resource", DOCS, "invalid_target"),
        ("resource", "", "invalid_target"),
    ] {
        let code = server.code(&client).await?;
        let answer = server.token(&with(redemption(&client, &code), name, value)).await?;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)), "{name}={value}");
        if !matches!(name, "code" | "grant_type") {
            let again = server.token(&redemption(&client, &code)).await?;
            assert_eq!(again.json()["error"], "invalid_grant", "used up by {name}={value}");
        }
    }
    let code = server.code(&client).await?;
    let json = server.post("/token", "application/json", encode(&redemption(&client, &code))).await?;
    assert_eq!((json.status, &json.json()["error"]), (400, &json!("invalid_request")));
    let basic = HttpCall::new("POST", "idp.example", "/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", "Basic YTpi")
        .body(crate::client::Body::Whole(encode(&redemption(&client, &code)).into()));
    let basic = send_plain(server.address(), basic).await?;
    assert_eq!((basic.status, &basic.json()["error"]), (401, &json!("invalid_client")));
    Ok(())
}

#[tokio::test]
async fn an_old_code_is_worth_nothing() -> Result<()> {
    let options = AuthorizationOptions { code_lifetime: Duration::ZERO, ..AuthorizationOptions::default() };
    let server = server_with(options).await?;
    let client = server.register().await?;
    let code = server.code(&client).await?;
    assert_eq!(server.token(&redemption(&client, &code)).await?.json()["error"], "invalid_grant");
    Ok(())
}

#[tokio::test]
async fn only_public_clients_with_safe_addresses_are_registered() -> Result<()> {
    let server = server().await?;
    let good = json!({ "redirect_uris": [HERE], "token_endpoint_auth_method": "none" });
    let bad = |name: &str, value: Value| {
        let mut metadata = good.clone();
        metadata[name] = value;
        metadata.to_string()
    };
    for body in [
        "{".to_owned(),
        bad("redirect_uris", json!([])),
        bad("redirect_uris", json!([7])),
        bad("redirect_uris", json!([HERE, "http://agent.example/callback"])),
        bad("redirect_uris", json!(["https://agent.example/callback#x"])),
        bad("redirect_uris", json!(["javascript:alert(1)"])),
        bad("token_endpoint_auth_method", json!("client_secret_basic")),
        bad("token_endpoint_auth_method", Value::Null),
        bad("grant_types", json!(["client_credentials"])),
        bad("response_types", json!(["token"])),
    ] {
        let answer = server.post("/register", "application/json", body.clone()).await?;
        assert_eq!((answer.status, answer.json().get("client_id")), (400, None), "{body}");
    }
    Ok(())
}
