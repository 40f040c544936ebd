use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{CallHandOff, DecisionHandOff, HandOff, HandOffProblem, PeerHandOff, TokenHandOff, written};

fn peer() -> Value {
    json!({ "known": { "spiffe_id": "spiffe://acme.example/agent/assistant", "source": "tls" } })
}

fn token() -> Value {
    let claims = json!({
        "issuer": "https://idp.acme.example", "subject": "alice", "audiences": ["https://hr.mcp.acme.example/mcp"],
        "expires_at": 2, "not_before": 1, "issued_at": null, "scopes": ["hr.read"], "client_id": null, "acr": "1",
        "amr": [], "transaction": null, "actors": { "sub": "spiffe://acme.example/agent/assistant" },
        "confirmation": { "of": { "certificate": vec![1; 32], "key": null } }, "tags": { "employee_id": ["E1001"] },
    });
    let verified = json!({ "claims": claims, "groups": ["employees"], "roles": [], "fingerprint": vec![2; 32] });
    let transaction = json!({
        "id": "t", "subject": "alice", "subject_issuer": "https://idp.acme.example", "audience": "acme.example",
        "scopes": ["hr.read"], "expires_at": 2, "actors": { "sub": "spiffe://acme.example/agent/assistant" },
        "context": { "tool": "get_time_off" }, "request": { "req_ip": "192.0.2.7" },
    });
    json!({
        "server": "hr", "audience": "https://hr.mcp.acme.example/mcp", "resource_metadata": null,
        "dpop": { "algorithms": "ES256", "required": false, "presented": true },
        "token": { "verified": verified }, "transaction": transaction,
    })
}

fn call(operation: &Value, list: &Value) -> Value {
    let call = json!({
        "id": 1, "revision": "modern", "method": "m", "operation": operation, "list": list, "params": null, "binding": "JSONRPC",
        "extra_lists": [{ "extra": { "member": "skills", "item": "/uri", "kind": "resource" } }],
    });
    json!({ "server": "hr", "call": call })
}

fn tool_call() -> Value {
    call(&json!({ "call_tool": { "name": "get_time_off", "arguments": { "employee_id": "E1001" } } }), &Value::Null)
}

fn decision() -> Value {
    let grant = json!({
        "scopes": ["hr.read"], "audience": null, "ttl_seconds": 30, "protocol": "mcp", "target": { "tool": "get_time_off" },
        "arguments_sha256": vec![3; 32],
    });
    json!({
        "decision": "allow", "request_id": "r", "server": "hr", "principal": "p", "actor": null, "action": "tools/call",
        "resource": null, "policies": ["own-time-off"], "policy_digest": null, "grant": grant,
    })
}

/// The value is taken, and nothing in it is optional.
fn reads_exactly<T: DeserializeOwned + Serialize>(hand_off: HandOff, good: &Value, free: &[&str]) {
    let read = |value: &Value| hand_off.read::<T>(Some(value.to_string().as_bytes()));
    let again = written(&read(good).unwrap_or_else(|rejection| panic!("{good}: {rejection:?}"))).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&again).unwrap(), *good, "the example is complete");
    let malformed = Some(hand_off.rejected(HandOffProblem::Malformed));
    let mut tried = 0;
    for (at, object) in objects(good, "") {
        if free.contains(&at.as_str()) {
            continue;
        }
        for name in object.keys() {
            let less = changed(good, &at, |object| drop(object.remove(name)));
            assert_eq!(read(&less).err(), malformed, "without {at}/{name}: {less}");
            tried += 1;
        }
        let more = changed(good, &at, |object| drop(object.insert("surprise".to_owned(), Value::Null)));
        assert_eq!(read(&more).err(), malformed, "with a member more in {at}: {more}");
    }
    assert!(tried > 0);
    for odd in ["", "hello", "null", "[]", "{}", &format!("{good}x"), &format!("{{{good}}}")] {
        assert_eq!(hand_off.read::<T>(Some(odd.as_bytes())).err(), malformed, "{odd}");
    }
    assert_eq!(hand_off.read::<T>(None).err(), Some(hand_off.rejected(HandOffProblem::Missing)));
}

/// Every object in a value, with where it is.
fn objects<'a>(value: &'a Value, at: &str) -> Vec<(String, &'a Map<String, Value>)> {
    let Some(object) = value.as_object() else { return Vec::new() };
    let inner = object.iter().flat_map(|(name, value)| objects(value, &format!("{at}/{name}")));
    [(at.to_owned(), object)].into_iter().chain(inner).collect()
}

fn changed(value: &Value, at: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut value = value.clone();
    change(value.pointer_mut(at).and_then(Value::as_object_mut).unwrap());
    value
}

#[test]
fn a_hand_off_with_a_member_less_or_more_is_malformed() {
    reads_exactly::<PeerHandOff>(HandOff::Peer, &peer(), &[]);
    // Of the actors, the claim itself is handed over, and of tags and contexts any.
    let free = [
        "/token/verified/claims/actors",
        "/token/verified/claims/tags",
        "/transaction/actors",
        "/transaction/context",
        "/transaction/request",
    ];
    reads_exactly::<TokenHandOff>(HandOff::Token, &token(), &free);
    reads_exactly::<CallHandOff>(HandOff::Call, &tool_call(), &["/call/operation/call_tool/arguments"]);
    let batch = call(&json!({ "batch": { "calls": [tool_call()["call"]], "messages": [{ "id": 1 }] } }), &Value::Null);
    reads_exactly::<CallHandOff>(HandOff::Call, &batch, &[]);
    let free = ["/call/operation/server_task/arguments"];
    let task = json!({ "server_task": { "kind": "get", "arguments": { "taskId": "t" } } });
    reads_exactly::<CallHandOff>(HandOff::Call, &call(&task, &Value::Null), &free);
    let kinds = json!([
        "connect", { "read_resource": { "uri": "u" } }, { "subscribe_resource": { "uri": "u" } },
        { "listen": { "targets": [{ "subscribe_resource": { "uri": "u" } }] } },
    ]);
    for operation in kinds.as_array().unwrap() {
        reads_exactly::<CallHandOff>(HandOff::Call, &call(operation, &json!("tools")), &[]);
        let list = json!({ "extra": { "member": "skills", "item": "/uri", "kind": "resource" } });
        reads_exactly::<CallHandOff>(HandOff::Call, &call(operation, &list), &[]);
    }
}

#[test]
fn a_decision_lacks_a_grant_only_as_a_whole() {
    let without = changed(&decision(), "", |decision| drop(decision.remove("grant")));
    let read: DecisionHandOff = HandOff::Decision.read(Some(without.to_string().as_bytes())).unwrap();
    assert_eq!(read.grant, None, "and who needs one refuses");
    let grant = objects(&decision(), "").into_iter().map(|(at, object)| (at, object.clone())).collect::<Vec<_>>();
    assert_eq!(grant.len(), 3);
    for (at, object) in grant {
        for name in object.keys().filter(|name| *name != "grant") {
            let less = changed(&decision(), &at, |object| drop(object.remove(name)));
            let read = HandOff::Decision.read::<DecisionHandOff>(Some(less.to_string().as_bytes()));
            let malformed = HandOff::Decision.rejected(HandOffProblem::Malformed);
            assert_eq!(read.err(), Some(malformed), "without {at}/{name}");
        }
    }
}

#[test]
fn a_name_that_is_no_spiffe_id_is_malformed() {
    let odd = json!({ "known": { "spiffe_id": "https://acme.example/agent", "source": "tls" } });
    let read: PeerHandOff = HandOff::Peer.read(Some(odd.to_string().as_bytes())).unwrap();
    assert_eq!(read.peer().err(), Some(HandOff::Peer.rejected(HandOffProblem::Malformed)));
}
