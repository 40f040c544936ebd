//! Exchanges and tokens in words.

use std::borrow::Cow;
use std::error::Error;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Step;
use crate::client::Exchange;
use crate::jose::decode;
use crate::recorder::Received;

/// What of an answer is worth a line, in this order.
const TELLING: [&str; 11] = [
    "resource",
    "authorization_servers",
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "client_id_metadata_document_supported",
    "code_challenge_methods_supported",
    "client_id",
    "scopes_supported",
    "scope",
    "error",
];
/// What of a token is.
const CLAIMS: [&str; 5] = ["iss", "sub", "aud", "scope", "client_id"];
/// Parameters that are random, and in part secret.
const RANDOM: [&str; 4] = ["code", "code_challenge", "code_verifier", "state"];
/// Of those, so much is shown.
const ENOUGH: usize = 12;

/// An exchange with the authorization server, or with the gateway about it.
pub(super) fn told(exchange: &Exchange) -> Step {
    let title = match exchange.url.path() {
        path if path.starts_with("/.well-known/oauth-protected-resource") => {
            "It asks who issues tokens for this server"
        }
        path if path.starts_with("/.well-known/") => "And how one asks there",
        "/register" => "It registers",
        "/authorize" => "Alice consents, in a browser",
        "/token" => "The agent redeems the code, for one resource",
        _ => "It asks",
    };
    let mut url = exchange.url.clone();
    url.set_query(None);
    let mut sent = vec![format!("{} {url}", exchange.method)];
    sent.extend(pairs(exchange.url.query()));
    if !exchange.body.starts_with('{') {
        sent.extend(pairs(Some(&exchange.body)));
    }
    let mut came_back = vec![exchange.status.to_string()];
    if let Some(location) = &exchange.location {
        let mut url = location.clone();
        url.set_query(None);
        came_back.push(format!("to {url}"));
        came_back.extend(pairs(location.query()));
    }
    let answer: Value = serde_json::from_str(&exchange.answer).unwrap_or_default();
    let member = |&name: &&str| Some(format!("  {name}: {}", plain(answer.get(name)?)));
    came_back.extend(TELLING.iter().filter_map(member));
    let token = answer.get("access_token").and_then(Value::as_str).and_then(|token| decode(token).ok());
    if let Some((_, claims)) = token {
        came_back.push("  access_token, which says".to_owned());
        came_back.extend(claim_lines(&claims));
    }
    Step { title: title.to_owned(), sent, came_back }
}

/// The claims of the smaller token that one request brought to a server.
pub(super) fn server_received(received: &[Received], clients: &str) -> Result<Vec<String>> {
    let [request] = received else { bail!("one request should have arrived, not {}", received.len()) };
    ensure!(request.bearer().is_some_and(|token| token != clients), "the client's own token went on");
    let claims = request.claims().context("no token arrived")?;
    let number = |name| claims.get(name).and_then(Value::as_u64).unwrap_or_default();
    let lifetime = number("exp").saturating_sub(number("iat"));
    let mut lines = vec![format!("the server received another token, good for this call and {lifetime} s:")];
    lines.extend(claim_lines(&claims));
    Ok(lines)
}

/// A challenge, one parameter a line.
pub(super) fn challenged(status: u16, challenge: &str) -> Vec<String> {
    let parameters = challenge.split(", ").map(|parameter| format!("  {parameter}"));
    [format!("{status}, WWW-Authenticate:")].into_iter().chain(parameters).collect()
}

/// What is at the bottom of an error.
pub(super) fn cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string();
    text.split_once("HTTP ").map_or(text.clone(), |(_, status)| status.to_owned())
}

/// JSON without its punctuation.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn claim_lines(claims: &Value) -> Vec<String> {
    let line = |name: &str| Some(format!("    {name:9} {}", plain(claims.get(name)?)));
    CLAIMS.into_iter().filter_map(line).collect()
}

/// Pairs of a query or a form, one a line.
fn pairs(text: Option<&str>) -> Vec<String> {
    let line = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
        let cut: String = value.chars().take(ENOUGH).collect();
        let random = RANDOM.contains(&name.as_ref()) && cut.len() < value.len();
        format!("  {name}={}", if random { format!("{cut}…") } else { value.into_owned() })
    };
    url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_random_is_cut() {
        let told = pairs(Some("code=0123456789abcdef&scope=hr.read+docs.read"));
        assert_eq!(told, ["  code=0123456789ab…", "  scope=hr.read docs.read"]);
    }
}
