use anyhow::Result;

use super::*;
use crate::client::{Answer, Body, HttpCall, send_plain};
use crate::jose::{SigningKey, decode, verify_with_set};
use crate::tokens::{Token, now, tampered};

const API: &str = "https://api.example";
const OTHER: &str = "https://other.example";
const SCOPES: &str = "read write";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// The identity provider, the mesh, and a service that trusts both.
struct Place {
    idp: IdentityProvider,
    mesh: IdentityProvider,
    /// Of the client that signs.
    client: IdentityProvider,
    service: TokenService,
}

type Form = Vec<(&'static str, String)>;

fn provider(issuer: &str) -> Result<IdentityProvider> {
    Ok(IdentityProvider::new(issuer, "k", SigningKey::es256()?))
}

async fn place(change: impl FnOnce(&mut TokenServiceOptions)) -> Result<Place> {
    let (idp, mesh, client) =
        (provider("https://idp.example")?, provider("https://mesh.example")?, provider("signer")?);
    let mut options = TokenServiceOptions::new(provider("https://sts.example")?).trust(&idp).trust(&mesh);
    options.audiences = vec![API.to_owned(), OTHER.to_owned()];
    options.clients = vec![
        ServiceClient::new("gate way", ClientAuthentication::SecretBasic("s&cret: +".to_owned())),
        ServiceClient::new("poster", ClientAuthentication::SecretPost("secret".to_owned())),
        ServiceClient::new("signer", ClientAuthentication::PrivateKeyJwt(client.jwks())),
    ];
    change(&mut options);
    Ok(Place { idp, mesh, client, service: TokenService::start(options).await? })
}

// === impl Place ===

impl Place {
    fn alice(&self) -> Token {
        self.idp.token("alice").claim("scope", SCOPES).claim("aud", "https://mcp.example")
    }

    fn actor(&self) -> Result<String> {
        self.mesh.sign(&self.mesh.token("spiffe://acme.example/agent").header("typ", "JWT"))
    }

    /// What any client would ask.
    fn exchange(&self, subject: &Token) -> Result<Form> {
        Ok(vec![
            ("grant_type", EXCHANGE.to_owned()),
            ("subject_token", self.idp.sign(subject)?),
            ("subject_token_type", ACCESS_TOKEN.to_owned()),
            ("audience", API.to_owned()),
            ("scope", "read".to_owned()),
        ])
    }

    fn assertion(&self) -> Token {
        let token = self.client.token("signer").claim("aud", "https://sts.example/token");
        token.header("typ", "JWT").claim("exp", now() + 60)
    }

    async fn ask(&self, form: &Form, headers: &[(&str, &str)]) -> Result<Answer> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut call = HttpCall::new("POST", "sts.example", "/token");
        for (name, value) in [("content-type", "application/x-www-form-urlencoded")].iter().chain(headers) {
            call = call.header(name, *value);
        }
        Ok(send_plain(self.service.address(), call.body(Body::Whole(body.into()))).await?)
    }

    /// As the client whose secret is in the form.
    async fn post(&self, form: &Form) -> Result<Answer> {
        let mut form = form.clone();
        form.extend([("client_id", "poster".to_owned()), ("client_secret", "secret".to_owned())]);
        self.ask(&form, &[]).await
    }

    async fn issued(&self, form: &Form) -> Result<(Value, Value)> {
        let answer = self.post(form).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        let (_, claims) = verify_with_set(body["access_token"].as_str().unwrap(), &self.service.issuer().jwks())?;
        Ok((body, claims))
    }
}

fn error(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("error"), text("error_description"))
}

fn with(form: &Form, name: &'static str, value: &str) -> Form {
    let mut form = without(form, name);
    form.push((name, value.to_owned()));
    form
}

fn without(form: &Form, name: &str) -> Form {
    form.iter().filter(|(known, _)| *known != name).cloned().collect()
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_smaller_one() -> Result<()> {
    let place = place(|_| ()).await?;
    let subject = place.alice().claim("act", json!({ "sub": "first" }));
    let form = place.exchange(&subject)?;
    let form = with(&with(&form, "actor_token", &place.actor()?), "actor_token_type", ACCESS_TOKEN);
    let (body, claims) = place.issued(&form).await?;
    assert_eq!(
        (&body["issued_token_type"], &body["token_type"], &body["scope"]),
        (&json!(ACCESS_TOKEN), &json!("Bearer"), &json!("read"))
    );
    let act = json!({ "sub": "spiffe://acme.example/agent", "act": { "sub": "first" } });
    for (name, value) in [
        ("iss", json!("https://sts.example")),
        ("sub", json!("alice")),
        ("aud", json!(API)),
        ("scope", json!("read")),
        ("client_id", json!("poster")),
        ("act", act),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims["exp"].as_u64().unwrap() <= now() + 300);
    assert_eq!(place.service.issued().pop().unwrap().claims, claims);
    let asked = place.service.recorder().take_one();
    assert_eq!(asked.form()[0], ("grant_type".to_owned(), EXCHANGE.to_owned()));
    // It never outlives the subject's.
    let soon = place.alice().claim("exp", now() + 20);
    let (_, claims) = place.issued(&place.exchange(&soon)?).await?;
    assert!(claims["exp"].as_u64().unwrap() <= now() + 20);
    // Several audiences and resources, and all scopes where none are named.
    let mut wide = without(&place.exchange(&place.alice())?, "scope");
    wide.push(("resource", OTHER.to_owned()));
    let (body, claims) = place.issued(&wide).await?;
    assert_eq!((&claims["aud"], &body["scope"]), (&json!([API, OTHER]), &json!(SCOPES)));
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_an_exchange_is_said() -> Result<()> {
    let place = place(|_| ()).await?;
    let good = place.exchange(&place.alice())?;
    let stranger = provider("https://idp.example")?;
    let of_nobody = provider("https://nobody.example")?;
    let may_act = place.exchange(&place.alice().claim("may_act", json!({ "sub": "somebody" })))?;
    let twice = [good.clone(), vec![("scope", "read".to_owned())]].concat();
    for (form, code, description) in [
        (without(&good, "grant_type"), "invalid_request", "no grant_type"),
        (with(&good, "grant_type", "password"), "unsupported_grant_type", "exchange and jwt-bearer"),
        (without(&good, "subject_token"), "invalid_request", "no subject_token"),
        (without(&good, "subject_token_type"), "invalid_request", "no subject_token_type"),
        (twice, "invalid_request", "a parameter is there twice"),
        (with(&good, "subject_token_type", "urn:x"), "invalid_request", "an unknown type of token"),
        (with(&good, "requested_token_type", "urn:x"), "invalid_request", "there is no token of this type"),
        (
            with(&good, "actor_token", &place.actor()?),
            "invalid_request",
            "actor_token and actor_token_type come together",
        ),
        (with(&good, "subject_token", "a.b.c"), "invalid_request", "not a JWT"),
        (with(&good, "subject_token", &tampered(&good[1].1)), "invalid_request", "a bad signature"),
        (with(&good, "subject_token", &stranger.sign(&place.alice())?), "invalid_request", "a bad signature"),
        (
            with(&good, "subject_token", &of_nobody.sign(&of_nobody.token("alice"))?),
            "invalid_request",
            "an issuer that nobody trusts",
        ),
        (place.exchange(&place.alice().expired(1))?, "invalid_request", "the token has expired"),
        (without(&good, "audience"), "invalid_target", "not an audience or resource of this service"),
        (with(&good, "audience", "https://x"), "invalid_target", "not an audience or resource of this service"),
        (with(&good, "scope", "read admin"), "invalid_scope", "more than the subject's token allows"),
        (may_act, "invalid_request", "the actor may not act for the subject"),
    ] {
        let answer = place.post(&form).await?;
        assert_eq!(error(&answer), (400, code.to_owned(), description.to_owned()));
    }
    assert_eq!(place.service.issued(), []);
    Ok(())
}

#[tokio::test]
async fn clients_prove_who_they_are_each_in_its_own_way() -> Result<()> {
    let place = place(|_| ()).await?;
    let good = place.exchange(&place.alice())?;
    // `gate+way:s%26cret%3A+%2B`
    let basic = ("authorization", "Basic Z2F0ZSt3YXk6cyUyNmNyZXQlM0ErJTJC");
    assert_eq!(place.ask(&good, &[basic]).await?.status, 200);
    let asserted = |token: &Token| -> Result<Form> {
        let form = with(&good, "client_assertion", &place.client.sign(token)?);
        Ok(with(&form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
    };
    let once = asserted(&place.assertion())?;
    assert_eq!(place.ask(&once, &[]).await?.status, 200);
    let secret = |id: &str, secret: &str| with(&with(&good, "client_id", id), "client_secret", secret);
    for (form, headers, description) in [
        (good.clone(), vec![], "not one way to authenticate"),
        (secret("poster", "secret"), vec![basic], "not one way to authenticate"),
        (secret("poster", "wrong"), vec![], "another secret"),
        (secret("gate way", "s&cret: +"), vec![], "not this client's way to authenticate"),
        (secret("nobody", "secret"), vec![], "nobody knows this client"),
        (with(&good, "client_id", "poster"), vec![basic], "another client_id"),
        (good.clone(), vec![("authorization", "Bearer x")], "Authorization is not Basic"),
        (once, vec![], "the assertion was used before"),
        (asserted(&place.assertion().claim("aud", "https://x"))?, vec![], "the assertion is for somebody else"),
        (asserted(&place.assertion().claim("iss", "x"))?, vec![], "iss and sub must be the client"),
        (asserted(&place.assertion().expired(1))?, vec![], "the assertion is not good now, or for too long"),
        (
            asserted(&place.assertion().claim("exp", now() + 3_600))?,
            vec![],
            "the assertion is not good now, or for too long",
        ),
        (asserted(&place.assertion().without("jti"))?, vec![], "no jti"),
        (asserted(&place.assertion().header("kid", "x"))?, vec![], "nobody's signature"),
    ] {
        let answer = place.ask(&form, &headers).await?;
        assert_eq!(error(&answer), (401, "invalid_client".to_owned(), description.to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn an_id_jag_goes_from_one_server_to_the_other() -> Result<()> {
    let at_idp = place(|options| options.audiences.push("https://as.api.example".to_owned())).await?;
    let mut form = at_idp.exchange(&at_idp.alice().header("typ", "JWT"))?;
    form = with(&form, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token");
    form = with(&with(&form, "audience", "https://as.api.example"), "requested_token_type", ID_JAG);
    form.push(("resource", API.to_owned()));
    let (body, claims) = at_idp.issued(&form).await?;
    assert_eq!((&body["token_type"], &body["issued_token_type"]), (&json!("N_A"), &json!(ID_JAG)));
    assert_eq!(
        (&claims["aud"], &claims["resource"], &claims["client_id"]),
        (&json!("https://as.api.example"), &json!(API), &json!("poster"))
    );
    let id_jag = body["access_token"].as_str().unwrap();
    assert_eq!(decode(id_jag)?.0["typ"], "oauth-id-jag+jwt");

    let trusted = ("https://sts.example".to_owned(), at_idp.service.issuer().jwks());
    let at_api = place(|options| {
        options.issuer = provider("https://as.api.example").unwrap();
        options.trusted = vec![trusted];
    })
    .await?;
    let redeem = vec![("grant_type", JWT_BEARER.to_owned()), ("assertion", id_jag.to_owned())];
    // For this server, this client and this resource alone.
    for (other, code, description) in [
        (with(&redeem, "resource", OTHER), "invalid_target", "not what the assertion is for"),
        (without(&redeem, "assertion"), "invalid_request", "no assertion"),
    ] {
        let answer = at_api.post(&other).await?;
        assert_eq!(error(&answer), (400, code.to_owned(), description.to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn an_id_jag_is_redeemed_once() -> Result<()> {
    let as_of_api = |options: &mut TokenServiceOptions| {
        options.issuer = provider("https://as.api.example").unwrap();
    };
    let place = place(as_of_api).await?;
    let id_jag = |change: &dyn Fn(Token) -> Token| -> Result<Form> {
        let token = place.alice().header("typ", "oauth-id-jag+jwt").claim("aud", "https://as.api.example");
        let token = change(token.claim("client_id", "poster").claim("resource", API));
        Ok(vec![("grant_type", JWT_BEARER.to_owned()), ("assertion", place.idp.sign(&token)?)])
    };
    let good = id_jag(&|token| token)?;
    let (body, claims) = place.issued(&good).await?;
    assert_eq!((&body["token_type"], body.get("issued_token_type")), (&json!("Bearer"), None));
    assert_eq!((&claims["sub"], &claims["aud"], &claims["scope"]), (&json!("alice"), &json!(API), &json!(SCOPES)));
    for (form, code, description) in [
        (good, "invalid_grant", "the ID-JAG was used before"),
        (
            id_jag(&|token| token.claim("client_id", "signer"))?,
            "invalid_grant",
            "the ID-JAG was issued to another client",
        ),
        (id_jag(&|token| token.claim("aud", API))?, "invalid_grant", "the assertion is for somebody else"),
        (id_jag(&|token| token.without("sub"))?, "invalid_grant", "no sub"),
        (id_jag(&|token| token.claim("resource", "https://x"))?, "invalid_target", "not a resource of this server"),
        (id_jag(&|token| token.without("resource"))?, "invalid_target", "not what the assertion is for"),
    ] {
        let answer = place.post(&form).await?;
        assert_eq!(error(&answer), (400, code.to_owned(), description.to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn opaque_tokens_say_nothing() -> Result<()> {
    let place = place(|options| options.opaque = true).await?;
    let answer = place.post(&place.exchange(&place.alice())?).await?.json();
    let token = answer["access_token"].as_str().unwrap();
    assert!(decode(token).is_err());
    let issued = place.service.issued().pop().unwrap();
    assert_eq!((issued.token.as_str(), &issued.claims["sub"]), (token, &json!("alice")));
    Ok(())
}

#[tokio::test]
async fn it_fails_as_it_is_told_to() -> Result<()> {
    let place = place(|_| ()).await?;
    let form = place.exchange(&place.alice())?;
    let failing = async |fault: Fault| {
        place.service.fail(fault);
        place.post(&form).await
    };
    let refused = failing(Fault::Error { status: 403, error: "access_denied" }).await?;
    assert_eq!((refused.status, refused.json()), (403, json!({ "error": "access_denied" })));
    assert_eq!(failing(Fault::Page(502)).await?.status, 502);
    assert_eq!(failing(Fault::Text("{".to_owned())).await?.text(), "{");
    let odd = failing(Fault::Members(json!({ "token_type": "DPoP", "scope": null }))).await?.json();
    assert_eq!((&odd["token_type"], odd.get("scope")), (&json!("DPoP"), None));
    let other = failing(Fault::Claims(json!({ "sub": "bob", "client_id": null }))).await?.json();
    let (_, claims) = decode(other["access_token"].as_str().unwrap())?;
    assert_eq!((&claims["sub"], claims.get("client_id"), &claims["aud"]), (&json!("bob"), None, &json!(API)));
    let twice = failing(Fault::Twice("scope", json!("admin"))).await?;
    assert!(twice.text().starts_with(r#"{"scope":"admin","access_token":"#), "{}", twice.text());
    assert_eq!(failing(Fault::Echo).await?.json()["access_token"], json!(form[1].1));
    assert!(failing(Fault::Padding(2 << 20)).await?.text().len() > 2 << 20);
    let half = failing(Fault::Half).await?;
    assert!(serde_json::from_str::<Value>(&half.text()).is_err(), "{}", half.text());
    let redirect = failing(Fault::Redirect("http://elsewhere.example/".to_owned())).await?;
    assert_eq!((redirect.status, redirect.header("location")), (307, Some("http://elsewhere.example/")));
    let before = place.service.recorder().count();
    place.service.fail(Fault::Silence);
    let never = tokio::time::timeout(std::time::Duration::from_millis(200), place.post(&form)).await;
    assert!(never.is_err());
    assert_eq!(place.service.recorder().count(), before + 1);
    place.service.fail(None);
    assert_eq!(place.post(&form).await?.status, 200);
    Ok(())
}
