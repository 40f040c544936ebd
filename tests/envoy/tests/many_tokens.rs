//! Thousands of tokens: what is remembered of them is bounded, and every one is counted.

#![cfg(test)]

use std::ops::Range;

use anyhow::Result;
use serde_json::json;
use testbed::{ALICE, IdentityProvider, McpCall, Protocol, Server, SigningKey, World};

/// Distinct ones; a VM remembers 4,096.
const TOKENS: usize = 20_000;
const REMEMBERED: usize = 4_096;
const WARM_UP: usize = 6_000;
/// Of growth after that.
const BOUND_BYTES: u64 = 8 << 20;
const CONNECTIONS: usize = 4;

struct Place {
    world: World,
    issuer: IdentityProvider,
}

// === impl Place ===

impl Place {
    async fn start() -> Result<Self> {
        // Quick to sign with.
        let issuer = IdentityProvider::new("https://idp.acme.example", "quick", SigningKey::es256()?);
        let jwks = issuer.jwks().to_string();
        let world = World::builder().guard(move |guard| {
            guard["tokens"]["issuers"][0]["algorithms"] = json!(["ES256"]);
            guard["tokens"]["issuers"][0]["jwks"] = json!({ "inline": jwks });
        });
        Ok(Self { world: world.start().await?, issuer })
    }

    /// Always the same for the same number, but for the signature.
    fn tokens(&self, numbers: Range<usize>) -> Result<Vec<String>> {
        let token = self.world.identities().token(&ALICE).header("alg", "ES256").header("kid", "quick");
        numbers.map(|number| self.issuer.sign(&token.clone().claim("jti", format!("token-{number}")))).collect()
    }

    /// Shows each once, in their order on several connections; all are good.
    async fn show(&self, tokens: &[String]) -> Result<()> {
        let agent = self.world.assistant()?;
        let mut connections = Vec::new();
        for tokens in tokens.chunks(tokens.len().div_ceil(CONNECTIONS)) {
            let (agent, tokens) = (agent.clone(), tokens.to_vec());
            connections.push(tokio::spawn(async move {
                let mut connection = agent.connect(Server::Hr.host(), Protocol::Http1).await?;
                for token in tokens {
                    let own = json!({ "employee_id": ALICE.employee_id });
                    let call = McpCall::tool(Server::Hr.host(), "get_time_off", own).token(&token);
                    let answer = connection.send(call).await?;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
                anyhow::Ok(())
            }));
        }
        for connection in connections {
            connection.await??;
        }
        assert_eq!(self.world.recorder(Server::Hr)?.take().len(), tokens.len());
        Ok(())
    }

    /// Found in memory, and not.
    async fn counted(&self) -> Result<(usize, usize)> {
        let count = async |name: &str| -> Result<usize> {
            let name = format!("wasmcustom.meshwarden_token_cache_{name}");
            Ok(usize::try_from(self.world.envoy().stat(&name).await?)?)
        };
        Ok((count("hit").await?, count("miss").await?))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_the_number_of_tokens() -> Result<()> {
    const { assert!(REMEMBERED < WARM_UP) };
    let place = Place::start().await?;
    place.show(&place.tokens(0..WARM_UP)?).await?;
    let before = place.world.envoy().resident_bytes()?;
    let rest = place.tokens(WARM_UP..TOKENS)?;
    place.show(&rest).await?;
    let after = place.world.envoy().resident_bytes()?;
    println!("{before} bytes after {WARM_UP} tokens, {after} after {TOKENS}");
    assert!(after.saturating_sub(before) < BOUND_BYTES, "{before} bytes became {after}");
    assert_eq!(place.counted().await?, (0, TOKENS));

    // The last ones are remembered. Connections are not in step: so many surely are, and so many surely are not.
    let (early, last) = rest.split_at(rest.len() - 1_000);
    let sure: Vec<String> = last.iter().rev().take(200).cloned().collect();
    place.show(&sure).await?;
    assert_eq!(place.counted().await?, (200, TOKENS));
    let forgotten: Vec<String> = early.iter().take(1_000).cloned().collect();
    place.show(&forgotten).await?;
    assert_eq!(place.counted().await?, (200, TOKENS + 1_000));
    place.show(&forgotten).await?;
    assert_eq!(place.counted().await?, (1_200, TOKENS + 1_000));
    place.world.guard_never_failed();
    Ok(())
}
