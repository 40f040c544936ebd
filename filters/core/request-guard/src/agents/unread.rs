//! gRPC: the method is judged, the body goes on unread.

use serde_json::{Value, json};

use super::{claims, with_agent};
use crate::audit::Outcome;
use crate::event::Event;
use crate::plugin::{BodyWanted, Stream as _};
use crate::step::{HeaderEdit, Reply, Step};
use crate::testing::{Exchange, exchange_with, headers, moment, peer, reply, response_headers};

const SERVICE: &str = "/lf.a2a.v1.A2AService/";

fn agent_with(change: impl FnOnce(&mut Value)) -> Exchange {
    exchange_with(|configuration| {
        with_agent(configuration);
        configuration["servers"][0]["bindings"] = json!(["JSONRPC", "HTTP+JSON", "GRPC"]);
        change(configuration);
    })
}

fn agent() -> Exchange {
    agent_with(|_| {})
}

fn grpc(exchange: &mut Exchange, path: &str, others: &[(&str, &str)]) -> Step {
    let own = [(":path", path), ("content-type", "application/grpc"), ("te", "trailers")];
    let own = own.into_iter().filter(|(name, _)| others.iter().all(|(other, _)| other != name));
    let all = headers(&own.chain(others.iter().copied()).collect::<Vec<_>>());
    exchange.on(&Event::RequestHeaders { headers: &all, connection: &peer(), end_of_stream: false, moment: moment() })
}

fn called(exchange: &mut Exchange, method: &str) -> Step {
    grpc(exchange, &format!("{SERVICE}{method}"), &[])
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_call_goes_on_at_once_and_its_body_as_it_comes() {
    for hold_headers in [true, false] {
        let mut exchange = agent_with(|configuration| configuration["hold_headers"] = json!(hold_headers));
        let Step::Forward(forward) = called(&mut exchange, "SendStreamingMessage") else { panic!() };
        let token = forward.edits().iter().find_map(|edit| match edit {
            HeaderEdit::Set("authorization", value) => value.strip_prefix("Bearer "),
            _ => None,
        });
        let context = json!({"protocol": "a2a", "server": "hr", "method": "SendStreamingMessage"});
        assert_eq!(claims(token.unwrap())["tctx"], context, "nothing is known of the arguments");
        let record: Value = serde_json::from_str(&exchange.take_record().unwrap().line(0)).unwrap();
        assert_eq!((&record["policies"], record.get("arguments_sha256")), (&json!(["ask"]), None));
        let passes = |exchange: &mut Exchange, event: &Event<'_>| {
            assert!(matches!(exchange.on(event), Step::Continue), "{event:?}");
            assert_eq!(exchange.body_wanted(), BodyWanted::Nothing);
        };
        // More than would be held.
        passes(&mut exchange, &Event::RequestBody { size: 1_000_000 });
        // Both ways at once.
        let answer = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
        assert!(matches!(response_headers(&mut exchange, &answer), Step::Continue));
        passes(&mut exchange, &Event::RequestBody { size: 7 });
        passes(&mut exchange, &Event::ResponsePiece { piece: b"\0", end_of_stream: false });
        passes(&mut exchange, &Event::RequestEnd { body: b"\0", moment: moment() });
        passes(&mut exchange, &Event::ResponseEnd { body: b"" });
    }
}

#[test]
fn content_length_is_no_limit_where_nothing_is_held() {
    let path = format!("{SERVICE}SendMessage");
    assert!(matches!(grpc(&mut agent(), &path, &[("content-length", "1000000")]), Step::Forward(_)));
    assert_eq!(reply(grpc(&mut agent(), &path, &[("content-length", "x")])).grpc_status, Some(3));
}

#[test]
fn policies_know_that_they_see_nothing() {
    let with_policy = |condition: &str| {
        let cedar = format!(
            "@id(\"seen\") permit (principal, action == Action::\"message/send\", resource) when {{ {condition} }};"
        );
        agent_with(|configuration| configuration["policy"]["cedar"] = json!(cedar))
    };
    for (condition, goes_on) in [
        ("!context.arguments.complete", true),
        ("context.arguments.complete", false),
        ("context.arguments.string.hasTag(\"taskId\")", false),
        ("context.arguments.strings.hasTag(\"partKinds\")", false),
    ] {
        let step = called(&mut with_policy(condition), "SendMessage");
        assert_eq!(matches!(step, Step::Forward(_)), goes_on, "{condition}: {step:?}");
    }
    // What the headers say is known.
    let mut exchange = with_policy("context.arguments.strings.hasTag(\"extensions\")");
    let step = grpc(&mut exchange, &format!("{SERVICE}SendMessage"), &[("a2a-extensions", "urn:x")]);
    assert!(matches!(step, Step::Forward(_)), "{step:?}");
}

#[test]
fn a_denied_task_is_not_found() {
    for method in ["GetTask", "SubscribeToTask", "DeleteTaskPushNotificationConfig"] {
        let mut exchange = agent();
        let reply = reply(called(&mut exchange, method));
        assert_eq!((reply.grpc_status, reply.body.as_slice()), (Some(5), &b"Task not found"[..]), "{method}");
        let details = include_str!("../testing/task-not-found.txt").trim_end();
        assert_eq!(header(&reply, "grpc-status-details-bin"), Some(details));
        assert_eq!(header(&reply, "content-type"), None, "it is the proxy's");
        assert_eq!(exchange.take_record().unwrap().outcome(), Outcome::Deny);
        assert!(matches!(exchange.on(&Event::RequestBody { size: 1 }), Step::Hold));
        assert!(matches!(exchange.on(&Event::RequestEnd { body: b"\0", moment: moment() }), Step::Hold));
    }
    // 0.3 has other words for it.
    let reply = reply(grpc(&mut agent(), "/a2a.v1.A2AService/GetTask", &[]));
    assert_eq!((reply.grpc_status, reply.body.as_slice()), (Some(5), &b"TaskNotFoundError: Task not found"[..]));
    assert_eq!(header(&reply, "grpc-status-details-bin"), None);
}

#[test]
fn refusals_have_a_status_of_grpc() {
    let refused = |exchange: &mut Exchange, path: &str, others: &[(&str, &str)]| {
        let reply = reply(grpc(exchange, path, others));
        (reply.grpc_status.unwrap(), String::from_utf8(reply.body).unwrap())
    };
    let send = format!("{SERVICE}SendMessage");
    let said = |code, message: &str| (code, message.to_owned());
    assert_eq!(refused(&mut agent(), &send, &[("authorization", "Bearer x.y.z")]), said(16, "invalid token"));
    assert_eq!(refused(&mut agent(), &format!("{SERVICE}ListTasks"), &[]), said(7, "denied by policy"));
    assert_eq!(refused(&mut agent(), &format!("{SERVICE}CancelTask"), &[]), said(7, "insufficient scope"));
    let nothing = said(12, "the agent has nothing at this path");
    for path in ["/lf.a2a.v1.A2AService/Sendmessage", "/grpc.health.v1.Health/Check2A2AService", "/tasks/T-1:cancel2"] {
        assert_eq!(refused(&mut agent(), path, &[]), nothing, "{path}");
    }
    let mut unnamed = exchange_with(with_agent);
    assert_eq!(refused(&mut unnamed, &send, &[]), nothing);
    for path in ["/", "/message:send"] {
        assert_eq!(refused(&mut agent(), path, &[]).0, 3, "{path}");
    }
    assert_eq!(refused(&mut agent(), &send, &[("content-encoding", "gzip")]).0, 3);
    let web = reply(grpc(&mut agent(), &send, &[("content-type", "application/grpc-web")]));
    assert_eq!((web.status, web.grpc_status), (415, None));
}
