//! What MCP has beside tools, resources and prompts: tasks, subscriptions, and methods of extensions. Policies and server
//! are those of the sandbox `tasks`.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use envoy_tests::in_both_forms;
use serde_json::{Value, json};
use testbed::{
    ALICE, Answer, Answers, Canned, Form, HttpCall, Library, MARIA, McpCall, McpServer, RawConnection, Revision,
    Script, Server, User, World, WorldBuilder, docs, workspace_root,
};

const OLD: Revision = Revision::V2025_11_25;
const NEW: Revision = Revision::V2026_07_28;
const BOTH: [Revision; 2] = [OLD, NEW];

/// Who, in which revisions, what, and the status and code of the refusal.
type Refused<'a> = (&'a User, &'a [Revision], &'a str, Value, (u16, i64));

const TASKS: &[&str] = &["t-1", "board-1", "t-2"];
const SKILLS: &[&str] = &["skill://docs/summarize/SKILL.md", "skill://exec-board/report/SKILL.md"];

/// The world of the demo with the documents' server, and the policies, of the sandbox.
fn sandbox(form: Form) -> Result<WorldBuilder> {
    let read = |file: &str| fs::read_to_string(workspace_root().join("tests/policies/tasks").join(file));
    let (policies, entities) = (read("policies.cedar")?, serde_json::from_str::<Value>(&read("entities.json")?)?);
    let server = serde_json::from_str::<Value>(&read("servers.json")?)?[0].take();
    let offer = McpServer { library: Some(Library { tasks: TASKS, skills: SKILLS }), ..docs() };
    Ok(World::builder().form(form).offer(Server::Docs, offer).guard(move |guard| {
        guard["policy"] = json!({"cedar": policies, "entities": entities});
        for known in guard["servers"].as_array_mut().into_iter().flatten().filter(|known| known["name"] == "docs") {
            *known = server.clone();
        }
    }))
}

fn call(world: &World, user: &User, revision: Revision, method: &str, params: &Value) -> Result<McpCall> {
    let token = world.sign(&world.identities().token(user))?;
    Ok(McpCall::new(Server::Docs.host(), method, params.clone()).token(&token).revision(revision))
}

async fn ask(world: &World, user: &User, revision: Revision, method: &str, params: Value) -> Result<Answer> {
    Ok(world.assistant()?.send(call(world, user, revision, method, &params)?).await?)
}

/// The messages of an answer, one by one where it is a stream.
fn messages(answer: &Answer) -> Result<Vec<Value>> {
    if !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return Ok(vec![answer.json()]);
    }
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.trim().is_empty());
    data.map(|data| Ok(serde_json::from_str(data)?)).collect()
}

fn result(answer: &Answer) -> Result<Value> {
    let last = messages(answer)?.pop().context("no message")?;
    Ok(last.get("result").with_context(|| last.to_string())?.clone())
}

fn named(items: &Value, key: &str) -> BTreeSet<String> {
    items.as_array().into_iter().flatten().filter_map(|item| item[key].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_goes_on_only_when_its_target_is_allowed() -> Result<()> {
    in_both_forms(async |form| {
        let world = sandbox(form)?.start().await?;
        let skill = SKILLS[0];
        let allowed: [(&User, &[Revision], &str, Value); 14] = [
            (&ALICE, &BOTH, "tasks/get", json!({"taskId": "t-1"})),
            (&ALICE, &[OLD], "tasks/result", json!({"taskId": "t-1"})),
            (&ALICE, &[OLD], "tasks/list", json!({})),
            (&ALICE, &[NEW], "tasks/update", json!({"taskId": "t-1", "inputResponses": {"q": {"action": "accept"}}})),
            (&MARIA, &BOTH, "tasks/cancel", json!({"taskId": "t-1"})),
            (&ALICE, &BOTH, "tools/call", json!({"name": "translate", "arguments": {"language": "Latin"}, "task": {}})),
            (&ALICE, &[NEW], "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})),
            (&ALICE, &[NEW], "subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["doc://a/b"]}})),
            (&ALICE, &BOTH, "skills/list", json!({})),
            (&ALICE, &BOTH, "skills/get", json!({"uri": skill})),
            (&ALICE, &BOTH, "resources/directory/read", json!({"uri": "skill://docs/summarize"})),
            (&ALICE, &BOTH, "acme/translate", json!({"job": {"tool": "translate", "with": {"language": "Latin"}}})),
            (&ALICE, &BOTH, "acme/audit", json!({"anything": [1]})),
            (
                &ALICE,
                &[NEW],
                "resources/read",
                json!({"uri": "doc://hr/policies/work-from-home", "inputResponses": {}, "requestState": "s"}),
            ),
        ];
        for (user, revisions, method, params) in &allowed {
            for &revision in *revisions {
                let answer = ask(&world, user, revision, method, params.clone()).await?;
                let what = format!("{method} {revision:?} {params}: {}", answer.text());
                assert_ne!(answer.status, 403, "{what}");
                let received = world.recorder(Server::Docs)?.take_one();
                assert_eq!(received.json()["method"], *method, "{what}");
                let claims = received.claims().context("no token")?;
                assert_eq!(claims["tctx"]["method"], *method, "{what}");
            }
        }

        let (forbidden, wrong) = ((403, -31_403), (400, -32_602));
        let listen = |wanted: Value| json!({ "notifications": wanted });
        let refused: [Refused; 17] = [
            (&MARIA, &BOTH, "tasks/get", json!({"taskId": "board-1"}), forbidden),
            (&MARIA, &[OLD], "tasks/result", json!({"taskId": "board-1"}), forbidden),
            (&MARIA, &BOTH, "tasks/cancel", json!({"taskId": "board-1"}), forbidden),
            (&MARIA, &[NEW], "tasks/update", json!({"taskId": "board-1"}), forbidden),
            (&ALICE, &BOTH, "tasks/cancel", json!({"taskId": "t-1"}), forbidden),
            (&ALICE, &BOTH, "tasks/get", json!({"taskId": "t-1", "task_id": "board-1"}), wrong),
            (
                &ALICE,
                &BOTH,
                "tools/call",
                json!({"name": "translate", "arguments": {"language": "Klingon"}, "task": {}}),
                forbidden,
            ),
            (
                &ALICE,
                &[NEW],
                "tools/call",
                json!({"name": "translate", "arguments": {"language": "Klingon"}, "inputResponses": {}, "requestState": "s"}),
                forbidden,
            ),
            (
                &ALICE,
                &[NEW],
                "subscriptions/listen",
                listen(json!({"resourceSubscriptions": ["doc://a/b", "doc://exec/b"]})),
                forbidden,
            ),
            (&ALICE, &[NEW], "subscriptions/listen", listen(json!({"taskIds": ["t-1", "board-1"]})), forbidden),
            (&ALICE, &[NEW], "subscriptions/listen", listen(json!({"salaries": true})), wrong),
            (&ALICE, &BOTH, "skills/get", json!({"uri": SKILLS[1]}), forbidden),
            (&ALICE, &BOTH, "skills/get", json!({"uri": skill, "URI": SKILLS[1]}), wrong),
            (&ALICE, &BOTH, "skills/get", json!({"uri": [skill]}), wrong),
            (
                &ALICE,
                &BOTH,
                "acme/translate",
                json!({"job": {"tool": "translate", "with": {"language": "Klingon"}}}),
                forbidden,
            ),
            (&ALICE, &[OLD], "acme/format", json!({}), (403, -32_601)),
            (&ALICE, &[NEW], "tasks/list", json!({}), (404, -32_601)),
        ];
        for (user, revisions, method, params, expected) in refused {
            for &revision in revisions {
                let answer = ask(&world, user, revision, method, params.clone()).await?;
                let code = answer.json()["error"]["code"].as_i64().unwrap_or_default();
                assert_eq!((answer.status, code), expected, "{method} {revision:?} {params}: {}", answer.text());
                world.no_server_saw_anything();
            }
        }
        let other = call(&world, &ALICE, NEW, "skills/get", &json!({"uri": skill}))?.into_http();
        let answer = world.assistant()?.send(other.with("mcp-name", SKILLS[1])).await?;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (400, Some(-32_020)));
        world.no_server_saw_anything();
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_tasks_and_skills_show_what_the_caller_could_get() -> Result<()> {
    in_both_forms(async |form| {
        for answers in [Answers::Json, Answers::Sse] {
            let world = sandbox(form)?.answers(answers).start().await?;
            let tasks = result(&ask(&world, &ALICE, OLD, "tasks/list", json!({})).await?)?;
            assert_eq!(named(&tasks["tasks"], "taskId"), BTreeSet::from(["t-1", "t-2"].map(str::to_owned)));
            assert_eq!(tasks["nextCursor"], "", "an empty cursor is one");
            for revision in BOTH {
                let skills = result(&ask(&world, &ALICE, revision, "skills/list", json!({})).await?)?;
                let own = BTreeSet::from([SKILLS[0].to_owned()]);
                assert_eq!(named(&skills["skills"], "uri"), own, "{revision:?}");
                // Nobody said what this one lists: what looks like resources is filtered as resources.
                let directory = json!({"uri": "skill://docs/summarize"});
                let listed = result(&ask(&world, &ALICE, revision, "resources/directory/read", directory).await?)?;
                assert_eq!(named(&listed["resources"], "uri"), own, "{revision:?}");
                let scope = (revision == NEW).then_some("private");
                assert_eq!((skills["cacheScope"].as_str(), listed["cacheScope"].as_str()), (scope, scope));
            }
            world.guard_never_failed();
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listened_to_is_heard() -> Result<()> {
    in_both_forms(async |form| {
        let world = sandbox(form)?.start().await?;
        let uri = "doc://hr/policies/work-from-home";
        let wanted = json!({"notifications": {"resourceSubscriptions": [uri], "toolsListChanged": true}});
        let answer = ask(&world, &ALICE, NEW, "subscriptions/listen", wanted).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let heard = messages(&answer)?;
        let methods: Vec<_> = heard.iter().filter_map(|message| message["method"].as_str()).collect();
        assert_eq!(methods, ["notifications/subscriptions/acknowledged", "notifications/resources/updated"]);
        let claims = world.recorder(Server::Docs)?.take_one().claims().context("no token")?;
        assert_eq!(claims["scope"], "docs.read", "no more than the permits of all its targets grant");
        let id = answer.header("x-request-id").context("no id")?;
        let line = world.audit_of(id).await?;
        assert_eq!(line["policies"], json!(["connect", "watch"]), "{line}");
        assert_eq!(line["resource"], format!("Resource::{uri:?}"), "{line}");
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_task_looks_like_a_missing_one() -> Result<()> {
    in_both_forms(async |form| {
        let world = sandbox(form)?.guard(|guard| guard["hide_denied"] = json!(true)).start().await?;
        for method in ["tasks/get", "tasks/cancel"] {
            let denied = ask(&world, &MARIA, NEW, method, json!({"taskId": "board-1"})).await?;
            world.no_server_saw_anything();
            let missing = ask(&world, &MARIA, NEW, method, json!({"taskId": "t-9"})).await?;
            drop(world.recorder(Server::Docs)?.take_one());
            assert_eq!((denied.status, denied.json()), (missing.status, missing.json()), "{method}");
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_policy_decided_about_is_never_public_and_never_compressed() -> Result<()> {
    in_both_forms(async |form| {
        let script = Script::default();
        let world = sandbox(form)?.canned(Server::Docs, &script).start().await?;
        let uri = json!({"uri": SKILLS[0]});
        let public = |list: &str| {
            let result = json!({list: [], "ttlMs": 60_000, "cacheScope": "public", "resultType": "complete"});
            json!({"jsonrpc": "2.0", "id": 1, "result": result})
        };
        let lists = ["tools", "prompts", "resources", "resourceTemplates", "contents", "skill", "skills", "versions"];
        for (list, (method, params)) in lists.into_iter().zip([
            ("tools/list", json!({"cursor": ""})),
            ("prompts/list", json!({})),
            ("resources/list", json!({"cursor": "page-2"})),
            ("resources/templates/list", json!({})),
            ("resources/read", uri.clone()),
            ("skills/get", uri.clone()),
            ("skills/list", json!({})),
            ("server/discover", json!({})),
        ]) {
            for canned in [Canned::json(&public(list)), Canned::sse(&[&format!("data: {}\n\n", public(list))])] {
                script.play([canned]);
                let answer = result(&ask(&world, &ALICE, NEW, method, params.clone()).await?)?;
                assert_eq!(answer["cacheScope"], "private", "{method}");
                assert_eq!(answer["ttlMs"], 60_000, "{method}");
            }
            script.play([Canned::json(&public(list)).header("content-encoding", "gzip")]);
            let answer = ask(&world, &ALICE, NEW, method, params).await?;
            assert_eq!(answer.status, 502, "{method}: {}", answer.text());
            drop(world.received());
        }
        world.guard_never_failed();
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_tell_of_a_denied_target_never_go_on() -> Result<()> {
    let world = sandbox(Form::Guard)?.unheld().start().await?;
    let (agent, batch) = (world.assistant()?, world.caller(Some(&world.identities().batch))?);
    let new =
        |method: &str, params: Value| Ok::<HttpCall, anyhow::Error>(call(&world, &ALICE, NEW, method, &params)?.into());
    let listen = json!({"notifications": {"toolsListChanged": true}});
    for (what, caller, call) in [
        ("a task of the board", &agent, new("tasks/get", json!({"taskId": "board-1"}))?),
        ("stopping a task", &agent, new("tasks/cancel", json!({"taskId": "t-1"}))?),
        ("a skill of the board", &agent, new("skills/get", json!({"uri": SKILLS[1]}))?),
        ("listening for nobody", &batch, new("subscriptions/listen", listen)?),
        ("an extension for nobody", &batch, new("acme/audit", json!({}))?),
    ] {
        let mut connection = caller.begin(call, 10).await?;
        let answer = connection.read().await.with_context(|| what.to_owned())?;
        assert_eq!(RawConnection::status(&answer), Some(403), "{what}: {answer}");
        world.no_server_saw_anything();
    }
    for (method, params) in [
        ("tasks/get", json!({"taskId": "t-1"})),
        ("skills/get", json!({"uri": SKILLS[0]})),
        ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["doc://a/b"]}})),
        ("acme/audit", json!({})),
    ] {
        let answer = ask(&world, &ALICE, NEW, method, params).await?;
        assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        assert_eq!(world.recorder(Server::Docs)?.take_one().json()["method"], method);
    }
    // One that its body shows to be too much: no byte of that goes on.
    let wanted = json!({"notifications": {"resourceSubscriptions": ["doc://exec/b"]}});
    let answer = ask(&world, &ALICE, NEW, "subscriptions/listen", wanted).await?;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(world.received().iter().all(|(_, received)| received.body_bytes == 0));
    world.guard_never_failed();
    Ok(())
}
