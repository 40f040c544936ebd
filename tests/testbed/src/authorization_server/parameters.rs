//! Parameters of requests, each of which may be there once (OAuth 2.1 section 3.1).

use std::collections::BTreeMap;

use url::form_urlencoded;

use super::Refused;

/// Names and values of a query or a form.
pub(super) struct Parameters(BTreeMap<String, String>);

// === impl Parameters ===

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`. A parameter without a value counts as absent.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refused> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if value.is_empty() {
                continue;
            }
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Refused::new("invalid_request", "a parameter is there twice"));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn required(&self, name: &str, otherwise: &'static str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| Refused::new("invalid_request", otherwise))
    }
}
