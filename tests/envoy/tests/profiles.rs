//! What is never a bearer token although the issuer signed it, and what RFC 9068 asks for more.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::json;
use testbed::{ALICE, McpCall, Server, Token, World};

fn time_off(token: &str) -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({"employee_id": "E1001"})).token(token)
}

/// Sends each token and checks that it is refused for this reason, and that nothing went on.
async fn refused(world: &World, tokens: Vec<(&str, Token, &str)>) -> Result<()> {
    let agent = world.assistant()?;
    for (what, token, reason) in tokens {
        let answer = agent.send(time_off(&world.sign(&token)?)).await?;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (401, Some(-31_401)), "{what}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains(r#"error="invalid_token""#), "{what}: {challenge}");
        world.no_server_saw_anything();
        let line = world.audit_of(answer.request_id().context("no id")?).await?;
        assert_eq!(line["reason"], reason, "{what}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_issuer_signed_for_something_else_is_no_bearer_token() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).guard(|guard| {
            guard["tokens"]["issuers"][0]["token_types"] = json!(["at+jwt", "JWT"]);
        });
        let world = world.start().await?;
        let alice = || world.identities().token(&ALICE);
        let typed = |typ: &str| alice().header("typ", typ);
        let other = "a token of type `{}` is never an access token";
        let types = ["oauth-id-jag+jwt", "wit+jwt", "txntoken+jwt", "dpop+jwt", "logout+jwt", "vc+sd-jwt"];
        let reasons = types.map(|typ| other.replace("{}", typ));
        let typed: Vec<_> = types.iter().zip(&reasons).map(|(typ, why)| (*typ, typed(typ), why.as_str())).collect();
        refused(&world, typed).await?;
        let jwt = || alice().header("typ", "JWT");
        let no_access = |claim: &str| format!("the token's claim `{claim}` says that it is no access token");
        let (at_hash, nonce, typ) = (no_access("at_hash"), no_access("nonce"), no_access("typ"));
        refused(
            &world,
            vec![
                ("an ID token", jwt().claim("at_hash", "fPlsvVszI29LU2UhDyJ9vg"), at_hash.as_str()),
                ("an ID token of a code flow", jwt().claim("nonce", "n").without("scope"), nonce.as_str()),
                ("a refresh token of Keycloak's", jwt().claim("typ", "Refresh"), typ.as_str()),
            ],
        )
        .await?;
        // And those that are access tokens still are, whatever they are called.
        let agent = world.assistant()?;
        for token in [alice(), jwt(), jwt().claim("typ", "Bearer").claim("nonce", "n").claim("azp", "web")] {
            assert_eq!(agent.send(time_off(&world.sign(&token)?)).await?.status, 200);
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9068_is_asked_for_to_the_letter() -> Result<()> {
    in_both_forms(async |form| {
        let world = World::builder().form(form).guard(|guard| {
            guard["tokens"]["issuers"][0]["profile"] = json!("rfc9068");
            guard["tokens"]["issuers"][0]["token_types"] = json!(["at+jwt"]);
        });
        let world = world.start().await?;
        let alice = || world.identities().token(&ALICE).claim("client_id", "acme-assistant");
        refused(
            &world,
            vec![
                ("no jti", alice().without("jti"), "the token has no claim `jti`"),
                ("no iat", alice().without("iat"), "the token has no claim `iat`"),
                ("no client", alice().without("client_id").claim("azp", "web"), "the token has no claim `client_id`"),
                (
                    "scopes in a list",
                    alice().claim("scope", json!(["hr.read"])),
                    "the token's claim `scope` is malformed",
                ),
                ("a group that is no list", alice().claim("roles", "staff"), "the token's claim `roles` is malformed"),
                ("an older type", alice().header("typ", "JWT"), "the token's type `JWT` is not one of its issuer's"),
            ],
        )
        .await?;
        assert_eq!(world.assistant()?.send(time_off(&world.sign(&alice())?)).await?.status, 200);
        world.guard_never_failed();
        Ok(())
    })
    .await
}
