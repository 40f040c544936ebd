//! A chain that is put together wrongly refuses: stages in the wrong order, stages that are missing or switched off. Only
//! what makes no difference passes, and then everything is as strict as before.

#![cfg(test)]

use anyhow::Result;
use envoy_tests::{CHAIN, arrange, passes_as_it_should, reasons, refused, route_without, routes, two_at_a_time};
use serde_json::json;
use testbed::{ALICE, Form, McpCall, Server, World};

fn own_time_off() -> McpCall {
    McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": "E1001" }))
}

async fn with(order: Vec<&'static str>) -> Result<World> {
    World::builder().form(Form::Separate).envoy(move |config| arrange(config, &order)).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stages_that_changed_places_are_refused_or_make_no_difference() -> Result<()> {
    let mut orders = Vec::new();
    for first in 0..CHAIN.len() {
        for second in first + 1..CHAIN.len() {
            let mut order = CHAIN.to_vec();
            order.swap(first, second);
            orders.push(order);
        }
    }
    let wrong = orders.iter().filter(|order| !reasons(order).is_empty()).count();
    assert_eq!((orders.len(), wrong), (10, 7));
    two_at_a_time(orders, |order| async move {
        let world = with(order.clone()).await?;
        let agent = world.assistant()?;
        let alice = || world.identities().token(&ALICE);
        let expected = reasons(&order);
        if expected.is_empty() {
            passes_as_it_should(&world).await?;
            // Who checks the token knows the workload only from an earlier stage; without one, no token that is bound
            // to a workload is good.
            let known = order.iter().find(|name| ["spiffe_identity", "jwt_auth"].contains(name));
            let status = if known == Some(&"spiffe_identity") { 200 } else { 401 };
            let bound = alice().claim("act", json!({ "sub": "spiffe://acme.example/agent/assistant" }));
            let answer = agent.send(own_time_off().token(&world.sign(&bound)?)).await?;
            assert_eq!(answer.status, status, "{order:?}: {}", answer.text());
        } else {
            let what = format!("{order:?}");
            let reason = refused(&world, &agent, &what, own_time_off().token(&world.sign(&alice())?)).await?;
            assert!(expected.contains(&reason), "{what}: {reason}");
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_lacks_a_stage_refuses_everything() -> Result<()> {
    two_at_a_time(CHAIN.to_vec(), |missing| async move {
        let order: Vec<_> = CHAIN.into_iter().filter(|&name| name != missing).collect();
        let world = with(order.clone()).await?;
        let agent = world.assistant()?;
        let token = world.sign(&world.identities().token(&ALICE))?;
        let list = || McpCall::list(Server::Hr.host(), "tools").token(&token);
        if missing == "jwt_downscope" {
            // The call is allowed; the server gets no token at all, and never the caller's.
            for call in [own_time_off().token(&token), list()] {
                let answer = agent.send(call).await?;
                assert_eq!(answer.status, 200, "{}", answer.text());
                let received = world.recorder(Server::Hr)?.take_one();
                assert_eq!(received.headers.get("authorization"), None);
                assert!(!format!("{received:?}").contains(&token), "the caller's token has arrived");
            }
        } else {
            let what = format!("without {missing}");
            for call in [own_time_off().token(&token), list()] {
                let reason = refused(&world, &agent, &what, call).await?;
                assert!(reasons(&order).contains(&reason), "{what}: {reason}");
            }
            // Whoever checks tokens is asked before; without it, nobody gets further for having none.
            assert!([401, 403].contains(&agent.send(own_time_off()).await?.status), "{what}");
            world.no_server_saw_anything();
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

/// Routes can switch filters off, any of them. What goes on although stages are off, goes on as they say that run.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_stages_a_route_switches_off_no_decision_is_made_without_what_it_needs() -> Result<()> {
    let subsets = || (0..1_u32 << CHAIN.len()).map(|bits| (bits.to_string(), stages(|at| bits & (1 << at) == 0)));
    let world = World::builder()
        .form(Form::Separate)
        .envoy(move |config| {
            let subsets: Vec<_> = subsets().map(|(name, off)| route_without(("x-off", &name), &off)).collect();
            routes(config)?.splice(0..0, subsets);
            Ok(())
        })
        .start()
        .await?;
    let agent = world.assistant()?;
    let token = world.sign(&world.identities().token(&ALICE))?;
    let mut passed = Vec::new();
    for (name, off) in subsets() {
        let on = stages(|at| !off.contains(&CHAIN[at]));
        let what = format!("only {on:?}");
        let call = own_time_off().token(&token).header("x-off", name.as_str());
        let expected = reasons(&on);
        if !expected.is_empty() {
            let reason = refused(&world, &agent, &what, call).await?;
            assert!(expected.contains(&reason), "{what}: {reason}");
            continue;
        }
        let answer = agent.send(call).await?;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let received = world.recorder(Server::Hr)?.take_one();
        match received.bearer() {
            None => assert!(on.contains(&"jwt_auth") && !on.contains(&"jwt_downscope"), "{what}: no token"),
            Some(bearer) if bearer == token => assert!(!on.contains(&"jwt_auth"), "{what}: the caller's token"),
            Some(_) => assert_eq!(on, CHAIN, "a smaller token"),
        }
        passed.push(on);
    }
    // The whole chain, the chain without a new token, and what is on when neither policy nor its answer is asked for.
    assert_eq!(passed.len(), 1 + 1 + 8, "{passed:?}");
    assert!(passed.iter().all(|on| !on.contains(&"cedar_authz") || on.len() >= 4), "{passed:?}");
    world.guard_never_failed();
    Ok(())
}

fn stages(which: impl Fn(usize) -> bool) -> Vec<&'static str> {
    CHAIN.into_iter().enumerate().filter(|&(at, _)| which(at)).map(|(_, name)| name).collect()
}
