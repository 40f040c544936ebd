//! The worlds of `mcp-to-external-api` and `mcp-to-partner-api`: that of `agent-to-mcp`, an API outside, and a way there.

use std::fs;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::acme::{ALICE, SCOPES, Server};
use crate::client::{Caller, HttpCall, McpCall};
use crate::envoy::{Envoy, EnvoyOptions, filters_folder};
use crate::envoy_config::{EnvoyConfig, merge};
use crate::jose::{SigningKey, decode};
use crate::mcp_server::Errand;
use crate::outbound_story::{Outbound, OutboundRow, OutboundToken, Way};
use crate::pki::{Authority, Credential};
use crate::play::Played;
use crate::recorder::{Received, Recorder};
use crate::sts::{ClientAuthentication, ServiceClient, TokenService, TokenServiceOptions};
use crate::tls_front::TlsFront;
use crate::tokens::{IdentityProvider, tampered};
use crate::upstream::{Canned, Script, Upstream};
use crate::world::World;

/// Everything, running. It all stops when dropped.
pub struct OutboundWorld {
    inside: World,
    egress: Envoy,
    weather: Upstream,
    /// What stands for the outside on this machine.
    _fronts: Vec<TlsFront>,
    /// Who issues the API's tokens, where that is not the mesh.
    issuer: Option<TokenService>,
    /// `spiffe://acme.example/mcp/hr`.
    hr: Credential,
    /// Holds the gateway's certificate as long as Envoy may read it.
    _certificates: TempDir,
}

/// The host of the API.
pub const WEATHER_HOST: &str = "api.weather.example";
/// The host of who issues tokens for it.
const STS_HOST: &str = "sts.weather.example";
const CLIENT_ID: &str = "acme-egress";
const CLIENT_SECRET: &str = "weather: s&cret +%";
/// The tool of hr that looks outside.
const TOOL: &str = "suggest_day_off";
/// What policy says of it: with such a call goes the permission to look at the forecast.
const POLICY: &str = r#"
@id("suggest-day-off")
@reason("employees are advised, with a look at the weather")
@downscope_scope("hr.read forecast.read")
permit (principal in Group::"employees", action == Action::"tools/call", resource == Tool::"hr/suggest_day_off")
when { context.actor in Group::"user-agents" && context.token.scopes.contains("forecast.read") };
"#;

// === impl OutboundWorld ===

impl OutboundWorld {
    /// The world of the demo.
    ///
    /// # Errors
    /// There is no Envoy or there are no filters, or Envoy does not start.
    pub async fn start() -> Result<Self> {
        Self::with(false).await
    }

    /// The same, where the API takes tokens of its own issuer only.
    ///
    /// # Errors
    /// As above.
    pub async fn exchanging() -> Result<Self> {
        Self::with(true).await
    }

    async fn with(exchange: bool) -> Result<Self> {
        let way_out: Arc<OnceLock<Caller>> = Arc::default();
        let mut hr = Server::Hr.offer();
        hr.errand = Some(errand(Arc::clone(&way_out)));
        let with_tool = |guard: &mut Value| {
            if let Some(Value::String(cedar)) = guard.pointer_mut("/policy/cedar") {
                cedar.push_str(POLICY);
            }
            if let Some(tools) = guard.pointer_mut("/servers/0/tools") {
                let harmless = json!({ "hints": { "read_only": true, "destructive": false } });
                merge(tools, Map::from_iter([(TOOL.to_owned(), harmless)]));
            }
        };
        let inside = World::builder().offer(Server::Hr, hr).guard(with_tool).start().await?;

        let outside = Authority::new("weather.example")?;
        let forecast = json!({ "friday": "sunny", "saturday": "rain" });
        let weather = Upstream::canned(Script::always(Canned::json(&forecast))).await?;
        let front = TlsFront::start(&outside.server("/api", &[WEATHER_HOST])?, weather.address()).await?;
        let weather_port = front.address().port().to_string();
        let mut fronts = vec![front];
        let identities = inside.identities();
        let mesh_jwks = json!({ "keys": [identities.mesh.public_jwk("mesh-1")] });
        let (mut issuer, mut sts_port) = (None, String::new());
        if exchange {
            let service = TokenService::start(partner(&mesh_jwks)?).await?;
            let front = TlsFront::start(&outside.server("/sts", &[STS_HOST])?, service.address()).await?;
            sts_port = front.address().port().to_string();
            fronts.push(front);
            issuer = Some(service);
        }

        let certificates = tempfile::Builder::new().prefix("testbed-certificates-").tempdir()?;
        identities.acme.server("/egress", &[WEATHER_HOST])?.write(certificates.path(), "egress")?;
        fs::write(certificates.path().join("acme.example.pem"), identities.acme.pem())?;
        fs::write(certificates.path().join("weather.example.pem"), outside.pem())?;
        let (certificates_folder, filters) = (certificates.path().display(), filters_folder());
        let mut values = vec![
            ("ADMIN_PORT", "0".to_owned()),
            ("LISTENER_PORT", "0".to_owned()),
            ("WEATHER_PORT", weather_port),
            ("CERTIFICATES", certificates_folder.to_string()),
            ("FILTERS", filters.display().to_string()),
            ("MESH_JWKS", mesh_jwks.to_string()),
        ];
        // A template takes no value that it has no place for.
        values.extend(exchange.then_some(("STS_PORT", sts_port)));
        let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let file = if exchange { "mcp-to-partner-api.yaml" } else { "mcp-to-external-api.yaml" };
        let config = EnvoyConfig::from_template(file, &values)?;
        let key = identities.mesh.private_pem().context("no signing key")?;
        let environment = if exchange {
            vec![("WEATHER_CLIENT_SECRET".to_owned(), CLIENT_SECRET.to_owned())]
        } else {
            vec![("MESHWARDEN_SIGNING_KEY".to_owned(), key.to_owned())]
        };
        let egress = Envoy::start(&config, &EnvoyOptions { environment, ..EnvoyOptions::default() }).await?;

        let hr = identities.acme.svid("/mcp/hr")?;
        let caller = Caller::new(egress.listener(), &identities.acme, Some(&hr))?;
        way_out.set(caller).ok().context("started twice")?;
        Ok(Self { inside, egress, weather, _fronts: fronts, issuer, hr, _certificates: certificates })
    }

    /// The Envoy on the way out.
    #[must_use]
    pub fn egress(&self) -> &Envoy {
        &self.egress
    }

    /// Agents, servers, and the Envoy between them.
    #[must_use]
    pub fn inside(&self) -> &World {
        &self.inside
    }

    /// What the API received.
    #[must_use]
    pub fn weather(&self) -> &Recorder {
        self.weather.recorder()
    }

    /// Who issues the API's tokens, where that is not the mesh.
    #[must_use]
    pub fn issuer(&self) -> Option<&TokenService> {
        self.issuer.as_ref()
    }

    /// A workload at the way out.
    ///
    /// # Errors
    /// Its certificate can't be made.
    pub fn caller(&self, caller: Outbound) -> Result<Caller> {
        let identities = self.inside.identities();
        let made = match caller {
            Outbound::Hr => return Caller::new(self.egress.listener(), &identities.acme, Some(&self.hr)),
            Outbound::Docs => Some(identities.acme.svid("/mcp/docs")?),
            Outbound::Assistant => Some(identities.acme.svid("/agent/assistant")?),
            Outbound::Stranger => Some(identities.evil.svid("/mcp/hr")?),
            Outbound::Nobody => None,
        };
        Caller::new(self.egress.listener(), &identities.acme, made.as_ref())
    }

    /// Gets a token in the way in which it comes about.
    ///
    /// # Errors
    /// The world is broken.
    pub async fn token(&self, token: OutboundToken) -> Result<Option<String>> {
        let time_off = || McpCall::tool(Server::Hr.host(), "get_time_off", json!({ "employee_id": ALICE.employee_id }));
        Ok(Some(match token {
            OutboundToken::None => return Ok(None),
            OutboundToken::Alices => self.alices()?,
            OutboundToken::Hrs => self.called_with(Server::Hr, suggestion()).await?,
            OutboundToken::HrsForAnotherTool => self.called_with(Server::Hr, time_off()).await?,
            OutboundToken::Docs => {
                let read = McpCall::read(Server::Docs.host(), "doc://hr/policies/work-from-home");
                self.called_with(Server::Docs, read).await?
            }
            OutboundToken::Apis => {
                self.called_with(Server::Hr, suggestion()).await?;
                let got = self.weather().take();
                got.first().and_then(Received::bearer).context("the API got no token")?.to_owned()
            }
            OutboundToken::Tampered => tampered(&self.called_with(Server::Hr, suggestion()).await?),
            OutboundToken::OtherKey => {
                let (_, claims) = decode(&self.called_with(Server::Hr, suggestion()).await?)?;
                let impostor = IdentityProvider::new("https://mesh.acme.example", "mesh-1", SigningKey::es256()?);
                let claims = claims.as_object().cloned().unwrap_or_default();
                let same = |token: crate::tokens::Token, (name, value): (String, Value)| token.claim(&name, value);
                impostor.sign(&claims.into_iter().fold(impostor.token(ALICE.name), same))?
            }
        }))
    }

    /// Plays one row; nothing else may call at the same time.
    ///
    /// # Errors
    /// The world is broken, rather than the filters.
    pub async fn play(&self, row: &OutboundRow) -> Result<Played> {
        let weather = || self.weather().take();
        match row.way {
            Way::Tool => {
                let call = suggestion().token(&self.alices()?);
                Played::of(&self.inside.assistant()?, call, self.inside.envoy(), weather).await
            }
            Way::Out { caller, token } => {
                let call = forecast(self.token(token).await?.as_deref());
                Played::of(&self.caller(caller)?, call, &self.egress, weather).await
            }
        }
    }

    fn alices(&self) -> Result<String> {
        let identities = self.inside.identities();
        self.inside.sign(&identities.token(&ALICE).claim("scope", format!("{SCOPES} forecast.read")))
    }

    /// The token that a server gets when Alice's assistant calls it.
    async fn called_with(&self, server: Server, call: McpCall) -> Result<String> {
        drop(self.inside.received());
        let answer = self.inside.assistant()?.send(call.token(&self.alices()?)).await?;
        if answer.status != 200 {
            bail!("{}: {}", answer.status, answer.text());
        }
        let got = self.inside.recorder(server)?.take();
        Ok(got.first().and_then(Received::bearer).context("the server got no token")?.to_owned())
    }
}

/// The partner's token service: it knows the mesh and its gateway, and gives nothing but looks at the forecast.
fn partner(mesh_jwks: &Value) -> Result<TokenServiceOptions> {
    let issuer = IdentityProvider::new("https://sts.weather.example", "weather-1", SigningKey::es256()?);
    let mut options = TokenServiceOptions::new(issuer);
    let secret = ClientAuthentication::SecretBasic(CLIENT_SECRET.to_owned());
    options.clients.push(ServiceClient::new(CLIENT_ID, secret));
    options.trusted.push(("https://mesh.acme.example".to_owned(), mesh_jwks.clone()));
    options.audiences.push(format!("https://{WEATHER_HOST}"));
    Ok(options)
}

fn suggestion() -> McpCall {
    McpCall::tool(Server::Hr.host(), TOOL, json!({}))
}

fn forecast(token: Option<&str>) -> HttpCall {
    let call = HttpCall::new("GET", WEATHER_HOST, "/v1/forecast?place=lisbon");
    match token {
        None => call,
        Some(token) => call.header("authorization", format!("Bearer {token}")),
    }
}

/// What hr does for its answer: it presents the token that it was called with.
fn errand(way_out: Arc<OnceLock<Caller>>) -> Errand {
    let run = move |headers: HeaderMap| {
        let caller = way_out.get().cloned();
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let call = forecast(token);
        let answer = async move {
            let Some(caller) = caller else { return "There is no way out.".to_owned() };
            match caller.send(call).await {
                Ok(answer) if answer.status == 200 => {
                    let weather = answer.json().get("friday").and_then(Value::as_str).unwrap_or("?").to_owned();
                    format!("Friday: {weather}.")
                }
                Ok(answer) => format!("No forecast: {}", answer.status),
                Err(error) => format!("No forecast: {error}"),
            }
        };
        Box::pin(answer) as crate::mcp_server::Answering
    };
    Errand { name: TOOL, description: "The best day for a day off, by the weather", run: Arc::new(run) }
}
