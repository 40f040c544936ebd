//! The grants: what is asked in exchange for what.

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::Desk;
use super::clients::ServiceClient;
use super::tokens::Wanted;
use crate::jose::{decode, verify_with_set};
use crate::oauth::{Refused, is_form};
use crate::parameters::Parameters;
use crate::tokens::now;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(super) const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

// === impl Desk ===

impl Desk {
    /// The answer, with these claims of the token replaced: null takes one out.
    pub(super) fn token(&self, headers: &HeaderMap, body: &[u8], claims: &Value) -> Result<Value, Refused> {
        is_form(headers)?;
        let form = Parameters::parse_with_lists(body, &["audience", "resource"])?;
        let client = self.client(headers, &form)?;
        let wanted = match form.required("grant_type", "no grant_type")? {
            EXCHANGE => self.exchange(&form, client)?,
            JWT_BEARER => self.jwt_bearer(&form, client)?,
            _ => return Err(Refused::new("unsupported_grant_type", "exchange and jwt-bearer")),
        };
        self.issue(wanted, claims)
    }

    /// RFC 8693 section 2.1.
    fn exchange(&self, form: &Parameters, client: &ServiceClient) -> Result<Wanted, Refused> {
        let invalid = |description| Refused::new("invalid_request", description);
        let subject_type = form.required("subject_token_type", "no subject_token_type")?;
        let subject = self.verified(form.required("subject_token", "no subject_token")?, subject_type)?;
        let actor = match (form.get("actor_token"), form.get("actor_token_type")) {
            (None, None) => None,
            (Some(token), Some(kind)) => Some(self.verified(token, kind)?),
            _ => return Err(invalid("actor_token and actor_token_type come together")),
        };
        let id_jag = match form.get("requested_token_type") {
            None | Some(ACCESS_TOKEN) => false,
            Some(JWT) if !self.options.opaque => false,
            Some(ID_JAG) => true,
            Some(_) => return Err(invalid("there is no token of this type")),
        };
        let audience: Vec<&str> = form.all("audience").chain(form.all("resource")).collect();
        if audience.is_empty() || !audience.iter().all(|asked| self.options.audiences.iter().any(|own| own == asked)) {
            return Err(Refused::new("invalid_target", "not an audience or resource of this service"));
        }
        // RFC 8693 section 4.4: who may act for the subject, where its token says so.
        let of_actor = actor.as_ref().and_then(|actor| actor.get("sub"));
        if subject.pointer("/may_act/sub").is_some_and(|may| Some(may) != of_actor) {
            return Err(invalid("the actor may not act for the subject"));
        }
        let mut claims = Map::new();
        for name in ["sub", "groups", "employee_id", "department", "auth_time", "acr", "amr"] {
            claims.extend(subject.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        if let Some(act) = acting(&subject, of_actor) {
            claims.insert("act".to_owned(), act);
        }
        claims.insert("client_id".to_owned(), client.id.as_str().into());
        if id_jag {
            // The draft, section 3.1: meant for one authorization server, which is told the resources beside.
            let mut servers = form.all("audience");
            let (Some(server), None) = (servers.next(), servers.next()) else {
                return Err(invalid("an ID-JAG is for one authorization server"));
            };
            claims.insert("aud".to_owned(), server.into());
            let resources: Vec<&str> = form.all("resource").collect();
            if !resources.is_empty() {
                claims.insert("resource".to_owned(), one_or_many(&resources));
            }
        } else {
            claims.insert("aud".to_owned(), one_or_many(&audience));
        }
        Ok(Wanted { scope: scope(form, &subject)?, subject_expiry: expiry(&subject), id_jag, exchanged: true, claims })
    }

    /// RFC 7523 section 2.1: an ID-JAG, or any other JWT that is meant for this server.
    fn jwt_bearer(&self, form: &Parameters, client: &ServiceClient) -> Result<Wanted, Refused> {
        let grant = |description| Refused::new("invalid_grant", description);
        let assertion = form.required("assertion", "no assertion")?;
        let (header, claims) = self.verify(assertion, "invalid_grant")?;
        if !self.is_meant(&claims) {
            return Err(grant("the assertion is for somebody else"));
        }
        let subject = claims.get("sub").cloned().ok_or_else(|| grant("no sub"))?;
        if header.get("typ").is_some_and(|typ| typ == "oauth-id-jag+jwt") {
            if claims.get("client_id").and_then(Value::as_str) != Some(&client.id) {
                return Err(grant("the ID-JAG was issued to another client"));
            }
            let id = claims.get("jti").and_then(Value::as_str).ok_or_else(|| grant("no jti"))?;
            if !self.memory().seen.insert(id.to_owned()) {
                return Err(grant("the ID-JAG was used before"));
            }
        }
        let granted = claims.get("resource").map(strings);
        let asked: Vec<&str> = form.all("resource").collect();
        let audience = match (&granted, asked.as_slice()) {
            (Some(granted), []) => granted.clone(),
            (Some(granted), asked) if asked.iter().all(|asked| granted.contains(asked)) => asked.to_vec(),
            (None, asked) if !asked.is_empty() => asked.to_vec(),
            _ => return Err(Refused::new("invalid_target", "not what the assertion is for")),
        };
        if !audience.iter().all(|asked| self.options.audiences.iter().any(|own| own == asked)) {
            return Err(Refused::new("invalid_target", "not a resource of this server"));
        }
        let mut issued = Map::new();
        issued.insert("sub".to_owned(), subject);
        issued.insert("client_id".to_owned(), client.id.as_str().into());
        issued.insert("aud".to_owned(), one_or_many(&audience));
        issued.extend(claims.get("act").map(|act| ("act".to_owned(), act.clone())));
        Ok(Wanted {
            scope: scope(form, &claims)?,
            subject_expiry: expiry(&claims),
            id_jag: false,
            exchanged: false,
            claims: issued,
        })
    }

    /// A token that is good as what it is said to be. One that is not makes the request invalid (RFC 8693 section 2.2.2).
    fn verified(&self, token: &str, kind: &str) -> Result<Value, Refused> {
        let (header, claims) = self.verify(token, "invalid_request")?;
        let typ = header.get("typ").and_then(Value::as_str).unwrap_or("JWT");
        let fits = match kind {
            ACCESS_TOKEN => matches!(typ, "at+jwt" | "application/at+jwt" | "JWT"),
            ID_TOKEN => typ == "JWT",
            JWT => true,
            _ => return Err(Refused::new("invalid_request", "an unknown type of token")),
        };
        fits.then_some(claims).ok_or_else(|| Refused::new("invalid_request", "the token is of another type"))
    }

    /// A token that one of the trusted issuers signed, and that is good now; else this error.
    fn verify(&self, token: &str, error: &'static str) -> Result<(Value, Value), Refused> {
        let bad = |description| Refused::new(error, description);
        let (_, claims) = decode(token).map_err(|_| bad("not a JWT"))?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        let keys = self.options.trusted.iter().find(|(known, _)| Some(known.as_str()) == issuer);
        let (_, keys) = keys.ok_or_else(|| bad("an issuer that nobody trusts"))?;
        let (header, claims) = verify_with_set(token, keys).map_err(|_| bad("a bad signature"))?;
        if expiry(&claims).is_none_or(|expiry| expiry <= now()) {
            return Err(bad("the token has expired"));
        }
        Ok((header, claims))
    }

    /// Whether an assertion is meant for this server: by its issuer or its token endpoint (RFC 7523 section 3).
    pub(super) fn is_meant(&self, claims: &Value) -> bool {
        let own = [self.options.issuer.issuer(), &self.options.endpoint];
        claims.get("aud").map(strings).is_some_and(|audience| audience.iter().any(|named| own.contains(named)))
    }
}

/// What is asked, if the subject's token allows as much; else all that it allows.
fn scope(form: &Parameters, subject: &Value) -> Result<String, Refused> {
    let allowed = subject.get("scope").and_then(Value::as_str).unwrap_or_default();
    match form.get("scope") {
        None => Ok(allowed.to_owned()),
        Some(asked) if asked.split(' ').all(|scope| allowed.split(' ').any(|own| own == scope)) => Ok(asked.to_owned()),
        Some(_) => Err(Refused::new("invalid_scope", "more than the subject's token allows")),
    }
}

/// Who acts, and who did before (RFC 8693 section 4.1).
fn acting(subject: &Value, actor: Option<&Value>) -> Option<Value> {
    let before = subject.get("act").cloned();
    let Some(actor) = actor else { return before };
    let mut act = json!({ "sub": actor });
    if let (Some(members), Some(before)) = (act.as_object_mut(), before) {
        members.insert("act".to_owned(), before);
    }
    Some(act)
}

fn expiry(claims: &Value) -> Option<u64> {
    claims.get("exp").and_then(Value::as_u64)
}

fn one_or_many(values: &[&str]) -> Value {
    match values {
        [one] => json!(one),
        many => json!(many),
    }
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
