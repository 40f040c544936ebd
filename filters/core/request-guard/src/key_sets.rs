//! Key sets that others publish: where they are fetched, and what becomes of an answer.

use access_tokens::KeySetError;

use crate::audit::Count;
use crate::host::{Answered, CallOut, Endpoint, Purpose, Taken};

/// Where the key sets of one section are fetched.
pub(crate) struct KeySets {
    /// In which field of the configuration they are listed.
    pub(crate) field: &'static str,
    /// What one of them is fetched for.
    pub(crate) purpose: fn(usize) -> Purpose,
    /// Of each, in the order of the list; nothing where it is written down.
    pub(crate) endpoints: Vec<Option<Endpoint>>,
}

// === impl KeySets ===

impl KeySets {
    /// Whether any are fetched.
    pub(crate) fn are_fetched(&self) -> bool {
        self.endpoints.iter().any(Option::is_some)
    }

    /// The calls for those that are due.
    pub(crate) fn calls(&self, due: Vec<usize>) -> Vec<CallOut> {
        let call = |at: usize| {
            let endpoint = self.endpoints.get(at)?.clone()?;
            let headers = vec![("accept", "application/json".to_owned())];
            Some(CallOut { purpose: (self.purpose)(at), endpoint, headers, body: None })
        };
        due.into_iter().filter_map(call).collect()
    }

    /// Hands the answer over to `take`: what did not come with status 200 is no set.
    pub(crate) fn answered(
        &self,
        at: usize,
        answer: Option<&Answered>,
        take: impl FnOnce(Option<&[u8]>) -> Result<(), KeySetError>,
    ) -> Taken {
        let set = answer.filter(|answer| answer.status == 200).map(|answer| answer.body.as_slice());
        match take(set) {
            Ok(()) => Taken { count: Count::JwksRefreshOk, problem: None },
            Err(error) => {
                let endpoint = self.endpoints.get(at).and_then(Option::as_ref);
                let uri = endpoint.map(Endpoint::uri).unwrap_or_default();
                let problem = format!("keys of {}[{at}] ({uri}): {error}", self.field);
                Taken { count: Count::JwksRefreshFailed, problem: Some(problem) }
            }
        }
    }
}
