//! A clock that is set while Envoy runs: tokens are good by the clock of now, whatever was good before.

#![cfg(test)]

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::json;
use testbed::{ALICE, Clock, EnvoyOptions, McpCall, Server, World, now};

/// Twice as long back, and the certificates are still good.
const STEP: i64 = 1_200;
/// Of a token.
const LIFE: i64 = 600;

fn call() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": ALICE.employee_id }))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_good_by_the_clock_of_now() -> Result<()> {
    let clock = Clock::new()?;
    in_both_forms(async |form| {
        clock.set(0)?;
        let options = EnvoyOptions { environment: clock.environment(), ..EnvoyOptions::default() };
        let world = World::builder().form(form).options(options).start().await?;
        let agent = world.assistant()?;
        // Issued at `seconds` from now, by the right clock, and good for ten minutes.
        let token = |seconds: i64| {
            let issued_at = i64::try_from(now())? + seconds;
            let token = world.identities().token(&ALICE).claim("iat", issued_at).claim("exp", issued_at + LIFE);
            world.sign(&token)
        };
        let of_today = token(0)?;
        let later = token(2 * STEP)?;
        let earlier = token(-2 * STEP)?;
        // Forth and back, twice: what was remembered must not decide.
        for (set, good) in [(0, &of_today), (2, &later), (0, &of_today), (-2, &earlier), (2, &later), (0, &of_today)] {
            clock.set(set * STEP)?;
            for shown in [&of_today, &later, &earlier] {
                let answer = agent.send(call().token(shown)).await?;
                if shown == good {
                    assert_eq!(answer.status, 200, "set to {set}: {}", answer.text());
                    let claims = world.recorder(Server::Hr)?.take_one().claims().context("no token")?;
                    let (issued_at, expires_at) = (claims["iat"].as_i64(), claims["exp"].as_i64());
                    let by_clock = i64::try_from(now())? + set * STEP;
                    assert!(
                        issued_at.is_some_and(|at| (by_clock - 10..=by_clock).contains(&at)),
                        "set to {set}: {claims}"
                    );
                    assert!(
                        expires_at.is_some_and(|at| (by_clock..=by_clock + 60).contains(&at)),
                        "set to {set}: {claims}"
                    );
                } else {
                    assert_eq!(answer.status, 401, "set to {set}: {}", answer.text());
                    world.no_server_saw_anything();
                }
            }
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}
