//! `meshwarden explain`.

use std::collections::BTreeMap;
use std::io::Write;

use access_policy::{Caller, Effect, Statement};
use access_tokens::{ClaimPaths, ClaimsVerifier, ProxyIssuer, VerifiedToken};
use agent_messages::{AgentCall, Limits, MessageHeaders};
use peer_identity::{PeerIdentity, Source};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cli::ExplainArguments;
use crate::configuration::{Configuration, Taken};
use crate::expression::{conditions, scope};
use crate::failure::{Failure, Outcome, read};
use crate::rehearsal::{Rehearsed, rehearse};
use crate::request::Request;
use crate::table::{Mood, coloured};
use crate::words::words;

/// What became of one policy.
#[derive(Debug, Serialize)]
struct Told {
    policy: String,
    effect: &'static str,
    applies: bool,
    /// Conditions that do not hold, in words.
    lacks: Vec<String>,
    /// Conditions that can't be judged, since they build on one that does not hold.
    open: Vec<String>,
}

pub(crate) fn run(arguments: &ExplainArguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let configuration = Configuration::load(&arguments.configuration)?;
    let taken = configuration.taken()?;
    let text = read(&arguments.request)?;
    let mut request = Request::read(&arguments.request, &text, &taken.review, &configuration.value)?;
    if let Some(file) = &arguments.claims {
        let claims: Map<String, Value> =
            serde_json::from_str(&read(file)?).map_err(|error| Failure::content(file, error))?;
        request.claims = Some(claims);
        request.lacking.retain(|what| !what.starts_with("every claim"));
    }
    let wrong = |problem: String| Failure::content(&arguments.request, problem);
    let rehearsed = rehearse(&configuration, &request).map_err(wrong)?;
    let told = judged(&configuration, &taken, &request, &rehearsed.audit);
    let allowed = rehearsed.audit.get("decision").and_then(Value::as_str) == Some("allow");
    if arguments.json {
        let reply = rehearsed.reply.as_ref().map(|reply| {
            let headers: BTreeMap<&String, &String> = reply.headers.iter().map(|(name, value)| (name, value)).collect();
            json!({"status": reply.status, "headers": headers})
        });
        let all = json!({"audit": rehearsed.audit, "reply": reply, "policies": told, "token": rehearsed.token, "not_told": request.lacking});
        writeln!(out, "{all:#}")?;
    } else {
        show(out, &request, &rehearsed, &told, allowed)?;
    }
    Ok(if allowed { Outcome::Fine } else { Outcome::Findings })
}

fn show(
    out: &mut impl Write,
    request: &Request,
    rehearsed: &Rehearsed,
    told: &[Told],
    allowed: bool,
) -> std::io::Result<()> {
    let text = |name: &str| rehearsed.audit.get(name).and_then(Value::as_str);
    let peer = text("actor").or(request.peer.as_deref()).unwrap_or("nobody that showed a name");
    match text("principal") {
        Some(principal) if !principal.contains(peer) => writeln!(out, "who     {principal} through {peer}")?,
        _ => writeln!(out, "who     {peer}")?,
    }
    let target = text("resource").or(text("server")).unwrap_or("no server of this listener");
    let what = text("action").unwrap_or("a message that was not read");
    writeln!(out, "what    {what}, to {target}")?;
    let mood = if allowed { Mood::Good } else { Mood::Bad };
    let word = match text("decision") {
        Some("allow") => "allowed",
        Some("deny") => "denied",
        Some("error") => "allowed, and then failed",
        _ => "refused before policy",
    };
    let status = rehearsed.reply.as_ref().map(|reply| format!(", {}", reply.status)).unwrap_or_default();
    let reason = text("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
    writeln!(out, "answer  {}{status}{reason}", coloured(word, mood))?;
    let challenge = rehearsed.reply.iter().flat_map(|reply| &reply.headers);
    for (_, value) in challenge.filter(|(name, _)| name == "www-authenticate") {
        writeln!(out, "        {value}")?;
    }
    for error in rehearsed.audit.get("errors").and_then(Value::as_array).into_iter().flatten() {
        writeln!(out, "        {}", error.as_str().unwrap_or_default())?;
    }
    for one in told {
        let mood = match (one.applies, one.effect) {
            (false, _) => Mood::Plain,
            (true, "permit") => Mood::Good,
            (true, _) => Mood::Bad,
        };
        let mark = if one.applies { "applies" } else { "does not apply" };
        writeln!(out, "policy  {} ({}) {}", one.policy, one.effect, coloured(mark, mood))?;
        one.lacks.iter().try_for_each(|condition| writeln!(out, "        needs: {condition}"))?;
        one.open
            .iter()
            .try_for_each(|condition| writeln!(out, "        needs, which can't be told yet: {condition}"))?;
    }
    if let Some(token) = &rehearsed.token {
        writeln!(out, "token   goes on with these claims")?;
        for (name, value) in token.as_object().into_iter().flatten() {
            let drawn =
                name == "jti" || (name == "txn" && !request.claims.as_ref().is_some_and(|own| own.contains_key("txn")));
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(out, "        {name} {}", if drawn { "(drawn anew for each token)" } else { &value })?;
        }
    }
    request.lacking.iter().try_for_each(|what| writeln!(out, "not told by the audit line: {what}"))
}

/// What became of each policy that is about such a call; those that apply first, then those that lack least. A `forbid`
/// that does not apply is left out.
fn judged(configuration: &Configuration, taken: &Taken, request: &Request, audit: &Value) -> Vec<Told> {
    // What was refused never came before a policy.
    if audit.get("decision").and_then(Value::as_str) == Some("refuse") {
        return Vec::new();
    }
    let Some(server) = audit.get("server").and_then(Value::as_str) else { return Vec::new() };
    let Some((call, token, peer)) = parts(configuration, taken, request, server) else { return Vec::new() };
    let Ok(now) = request.now() else { return Vec::new() };
    let caller = Caller { token: token.as_deref(), actor: peer.as_ref(), now, source_ip: request.source_ip };
    let holds = |condition: &Value| taken.review.policies.holds(&caller, server, call.operation(), condition);
    let enforced = taken.statements.iter().filter(|one| !one.shadow);
    let mut all: Vec<Told> = enforced.filter_map(|one| tell(one, &holds)).collect();
    all.retain(|one| one.applies || one.effect == "permit");
    all.sort_by_key(|one| (!one.applies, one.lacks.len().saturating_add(one.open.len())));
    all
}

fn tell(statement: &Statement, holds: &impl Fn(&Value) -> Result<bool, String>) -> Option<Told> {
    let (of_principal, about): (Vec<Value>, Vec<Value>) = scope(statement)
        .into_iter()
        .partition(|part| crate::expression::any(part, &|inner| inner.get("Var") == Some(&json!("principal"))));
    // Of another method or another target: not about such a call at all.
    if !about.iter().all(|part| holds(part) == Ok(true)) {
        return None;
    }
    let (mut lacks, mut open) = (Vec::new(), Vec::new());
    let mut held = json!({"Value": true});
    for part in of_principal.into_iter().chain(conditions(statement)) {
        let both = json!({"&&": {"left": held, "right": part}});
        match holds(&both) {
            Ok(true) => held = both,
            Ok(false) => lacks.push(words(&part)),
            Err(_) => open.push(words(&part)),
        }
    }
    let effect = match statement.effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    };
    Some(Told { policy: statement.id.clone(), effect, applies: lacks.is_empty() && open.is_empty(), lacks, open })
}

pub(crate) type Parts = (AgentCall, Option<std::rc::Rc<VerifiedToken>>, Option<PeerIdentity>);

/// What the guard has seen too; nothing where it came to no decision.
pub(crate) fn parts(configuration: &Configuration, taken: &Taken, request: &Request, server: &str) -> Option<Parts> {
    let protocol = taken.review.servers.iter().find(|one| one.name == server)?.protocol;
    let headers = request.all_headers();
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let headers = MessageHeaders::read(protocol, headers).ok()?;
    let limits = Limits {
        max_body_bytes: 1_048_576,
        max_json_depth: 32,
        max_json_nodes: 20_000,
        max_sse_event_bytes: 1_048_576,
    };
    let call = AgentCall::parse(&headers, request.body_text().as_bytes(), &limits).ok()?;
    let token = match &request.claims {
        Some(claims) => Some(verified(&configuration.value, claims, request.now().ok()?)?),
        None => None,
    };
    let peer = match &request.peer {
        Some(peer) => Some(PeerIdentity::handed_over(peer, Source::Tls).ok()?),
        None => None,
    };
    Some((call, token, peer))
}

/// The claims as those of a token that is good.
pub(crate) fn verified(
    configuration: &Value,
    claims: &Map<String, Value>,
    now: u64,
) -> Option<std::rc::Rc<VerifiedToken>> {
    let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let stated = configuration.pointer("/tokens/issuers").and_then(Value::as_array);
    let mut issuers: Vec<ProxyIssuer> = stated
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let claims = ClaimPaths { groups: text(one, "/claims/groups"), roles: text(one, "/claims/roles") };
            Some(ProxyIssuer { issuer: text(one, "/issuer")?, claims })
        })
        .collect();
    if issuers.is_empty() {
        let paths = ClaimPaths { groups: Some("groups".to_owned()), roles: Some("roles".to_owned()) };
        issuers.push(ProxyIssuer { issuer: claims.get("iss")?.as_str()?.to_owned(), claims: paths });
    }
    let mut all: Map<String, Value> = Map::from_iter([
        ("aud".to_owned(), "https://nobody.example/".into()),
        ("iat".to_owned(), now.saturating_sub(60).into()),
        ("exp".to_owned(), now.saturating_add(300).into()),
    ]);
    all.extend(claims.clone());
    let audience = match all.get("aud")? {
        Value::Array(many) => many.first()?.as_str()?.to_owned(),
        one => one.as_str()?.to_owned(),
    };
    // The guard has checked what is configured; here the claims are only read.
    ClaimsVerifier::new(issuers, 300, u64::MAX).ok()?.verify(&all, &audience, now).ok()
}
