//! Parameters of OAuth requests, each of which may be there once (OAuth 2.1 section 3.1), but for those that say
//! otherwise.

use url::form_urlencoded;

use crate::oauth::Refused;

/// Names and values of a query or a form, in their order.
pub(crate) struct Parameters(Vec<(String, String)>);

// === impl Parameters ===

impl Parameters {
    /// Reads `application/x-www-form-urlencoded`. A parameter without a value counts as absent.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refused> {
        Self::parse_with_lists(text, &[])
    }

    /// The same, where these parameters may be there several times.
    pub(crate) fn parse_with_lists(text: &[u8], lists: &[&str]) -> Result<Self, Refused> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if value.is_empty() {
                continue;
            }
            if !lists.contains(&&*name) && parameters.iter().any(|(known, _)| *known == name) {
                return Err(Refused::new("invalid_request", "a parameter is there twice"));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn required(&self, name: &str, otherwise: &'static str) -> Result<&str, Refused> {
        self.get(name).ok_or_else(|| Refused::new("invalid_request", otherwise))
    }
}
