//! Whether a caller has the key that its token is bound to (RFC 9449).

use std::rc::Rc;

use access_tokens::{BearerToken, DpopVerifier, ProvenRequest, ReplayStore, Scheme, VerifiedToken};
use serde::{Deserialize, Serialize};

use crate::headers::Headers;
use crate::journal::Journal;
use crate::path::Path;
use crate::rejection::Rejection;
use crate::server::Server;

/// How proofs are checked, and where it is remembered which were used.
pub(crate) struct PossessionCheck {
    pub(crate) verifier: DpopVerifier,
    pub(crate) replays: Rc<dyn ReplayStore>,
    /// As the operator names them, with spaces between.
    pub(crate) algorithms: Rc<str>,
}

/// What challenges say of proofs (RFC 9449 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DpopChallenge {
    /// `algs`.
    pub(crate) algorithms: Rc<str>,
    /// There is no other way in.
    pub(crate) required: bool,
    /// The caller has come this way.
    pub(crate) presented: bool,
}

// === impl PossessionCheck ===

impl PossessionCheck {
    /// What a caller that shows this token, or none, is told.
    pub(crate) fn challenge(&self, token: Option<&BearerToken<'_>>) -> DpopChallenge {
        DpopChallenge {
            algorithms: Rc::clone(&self.algorithms),
            required: self.verifier.is_required(),
            presented: token.is_some_and(|token| token.scheme() == Scheme::Dpop),
        }
    }

    /// Checks, last of all, how a verified token is presented, and uses the proof. Its URL is the one that callers know:
    /// of the origin of the server's audience, whatever host the request names.
    pub(crate) fn check(
        &self,
        journal: &mut Journal,
        headers: &Headers<'_>,
        server: &Server,
        presented: &BearerToken<'_>,
        token: &VerifiedToken,
        now: u64,
    ) -> Result<(), Rejection> {
        let proofs: Vec<&[u8]> = headers.all("dpop").collect();
        let (path, _) = headers.first(":path").and_then(Path::parse).ok_or(Rejection::AmbiguousPath)?;
        let url = format!("{}{}", server.origin, path.as_str());
        let method = headers.first(":method").unwrap_or_default();
        let request = ProvenRequest { proofs: &proofs, method, url: &url };
        let proof = self.verifier.verify(&request, presented, token, now).map_err(Rejection::Possession)?;
        // A request that has to wait is judged anew, with the proof that it has used itself.
        if let Some(proof) = proof.filter(|proof| journal.proof.as_ref() != Some(proof.id())) {
            proof.spend(&*self.replays, now).map_err(Rejection::Possession)?;
            journal.proof = Some(*proof.id());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
