//! The workload's own token, where it shows one.

use access_tokens::{JwtSvid, SvidError, SvidVerifier, TokenError};

use crate::audit::Count;
use crate::headers::Headers;
use crate::host::{Answered, CallOut, Endpoint, Purpose, Taken};
use crate::rejection::Rejection;

/// Which JWT-SVIDs are accepted.
pub(crate) struct SvidCheck {
    /// The header that has nothing but one.
    pub(crate) header: String,
    pub(crate) verifier: SvidVerifier,
    /// Where the keys of each bundle are fetched, where they are.
    pub(crate) endpoints: Vec<Option<Endpoint>>,
}

// === impl SvidCheck ===

impl SvidCheck {
    /// The one that is shown. What is shown and is not good is refused, whatever else names the workload.
    pub(crate) fn shown(&self, headers: &Headers<'_>, now: u64) -> Result<Option<JwtSvid>, Rejection> {
        let value = headers.only(&self.header).map_err(|()| Rejection::RepeatedHeader)?;
        value.map(|value| self.verifier.verify(value, now).map_err(refused)).transpose()
    }

    /// Whether any keys are fetched.
    pub(crate) fn calls_out(&self) -> bool {
        self.endpoints.iter().any(Option::is_some)
    }

    /// The bundles to fetch now (Unix seconds).
    pub(crate) fn due(&self, now: u64) -> Vec<CallOut> {
        let call = |bundle: usize| {
            let endpoint = self.endpoints.get(bundle)?.clone()?;
            let headers = vec![("accept", "application/json".to_owned())];
            Some(CallOut { purpose: Purpose::BundleKeys(bundle), endpoint, headers, body: None })
        };
        self.verifier.due(now).into_iter().filter_map(call).collect()
    }

    /// Takes a bundle: what did not come with status 200 is none.
    pub(crate) fn answered(&self, bundle: usize, answer: Option<&Answered>, now: u64) -> Taken {
        let set = answer.filter(|answer| answer.status == 200).map(|answer| answer.body.as_slice());
        match self.verifier.fetched(bundle, set, now) {
            Ok(()) => Taken { count: Count::JwksRefreshOk, problem: None },
            Err(error) => {
                let endpoint = self.endpoints.get(bundle).and_then(Option::as_ref);
                let uri = endpoint.map(Endpoint::uri).unwrap_or_default();
                let problem = format!("keys of identity.jwt_svid.bundles[{bundle}] ({uri}): {error}");
                Taken { count: Count::JwksRefreshFailed, problem: Some(problem) }
            }
        }
    }
}

fn refused(error: SvidError) -> Rejection {
    match error {
        // Proxies join what repeats with a comma.
        SvidError::Token(TokenError::Repeated) => Rejection::RepeatedHeader,
        SvidError::Token(error @ (TokenError::KeysAwaited | TokenError::KeysUnavailable)) => Rejection::of_token(error),
        error => Rejection::Svid(error),
    }
}
