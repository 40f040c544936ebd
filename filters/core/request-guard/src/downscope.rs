//! What goes on in place of the caller's token.

use std::rc::Rc;

use access_tokens::{CallBinding, DownscopedToken, Mint, VerifiedToken};

use crate::audit::Minted;
use crate::event::Moment;
use crate::rejection::Rejection;
use crate::step::HeaderEdit;

/// What happens to the caller's token.
pub(crate) enum Downscope {
    /// A smaller one of our own goes on in its place.
    Mint(Rc<Mint>),
    /// Nothing goes on in its place.
    Remove,
    /// It goes on. MCP forbids that; an operator has to say the word "danger".
    ForwardClientToken,
}

/// Where our public keys are.
pub(crate) const KEYS: &str = "/.well-known/meshwarden/jwks.json";

// === impl Downscope ===

impl Downscope {
    pub(crate) fn forwards_client_token(&self) -> bool {
        matches!(self, Self::ForwardClientToken)
    }

    /// Our public keys, when `path` asks for them.
    pub(crate) fn keys_at(&self, path: &str) -> Option<&str> {
        match self {
            Self::Mint(mint) if path == KEYS => Some(mint.public_jwks()),
            Self::Mint(_) | Self::Remove | Self::ForwardClientToken => None,
        }
    }

    /// The header with the smaller token, and what can be said of it; nothing where none is made.
    pub(crate) fn replacement(
        &self,
        subject: Option<&VerifiedToken>,
        binding: &CallBinding<'_>,
        moment: &Moment,
    ) -> Result<Option<(HeaderEdit, Minted)>, Rejection> {
        let (Self::Mint(mint), Some(subject)) = (self, subject) else { return Ok(None) };
        let token =
            DownscopedToken::mint(mint, subject, binding, moment.seconds(), moment.entropy).map_err(Rejection::Mint)?;
        let minted =
            Minted { jti: token.jti().to_owned(), scope: token.scope().to_owned(), ttl_seconds: token.ttl_seconds() };
        Ok(Some((HeaderEdit::Set("authorization", format!("Bearer {}", token.as_str())), minted)))
    }
}
