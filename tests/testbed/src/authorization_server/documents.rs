//! Clients that never registered: their id is the URL of a document about them
//! (draft-ietf-oauth-client-id-metadata-document), so that whoever owns the name owns the client.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use url::Url;

use super::{Client, Desk};
use crate::oauth::Refused;

/// What the draft advises: 5 KB.
const MAX_DOCUMENT_BYTES: usize = 5_120;

// === impl Desk ===

impl Desk {
    /// The client that the document at this URL describes. A server on the internet must also look where the URL leads:
    /// not into its own network.
    pub(super) async fn read_document(&self, client_id: &str) -> Result<Client, Refused> {
        let unknown = || Refused::new("invalid_request", "nobody registered this client");
        let reader = self.options.documents.as_ref().filter(|_| is_client_url(client_id)).ok_or_else(unknown)?;
        let document = fetch(reader, client_id).await;
        let document = document.map_err(|_| Refused::new("invalid_request", "the client's document can't be read"))?;
        if document.get("client_id").is_none_or(|id| id != client_id) {
            return Err(Refused::new("invalid_request", "the document is about another client"));
        }
        Client::of(&document)
    }
}

/// https, with a path, spelt in the one right way, and nothing besides: no user, no fragment, no dots in the path.
fn is_client_url(client_id: &str) -> bool {
    Url::parse(client_id).is_ok_and(|url| {
        url.scheme() == "https"
            && url.as_str() == client_id
            && url.path() != "/"
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

async fn fetch(reader: &reqwest::Client, url: &str) -> Result<Value> {
    let mut response = reader.get(url).send().await?;
    ensure!(response.status() == 200, "status {}", response.status());
    let content_type = response.headers().get("content-type").context("no content type")?.to_str()?;
    ensure!(content_type.starts_with("application/json"), "it is {content_type}");
    let mut document = Vec::new();
    while let Some(piece) = response.chunk().await? {
        document.extend_from_slice(&piece);
        ensure!(document.len() <= MAX_DOCUMENT_BYTES, "too large");
    }
    Ok(serde_json::from_slice(&document)?)
}

#[cfg(test)]
mod tests {
    use super::is_client_url;

    #[test]
    fn only_plain_https_urls_name_clients() {
        assert!(is_client_url("https://agent.example/client.json"));
        for odd in [
            "agent",
            "http://agent.example/client.json",
            "https://agent.example",
            "https://agent.example/",
            "https://agent.example/a/../client.json",
            "https://agent.example/client.json#x",
            "https://user@agent.example/client.json",
            "https://AGENT.example/client.json",
            "https://agent.example:443/client.json",
        ] {
            assert!(!is_client_url(odd), "{odd}");
        }
    }
}
