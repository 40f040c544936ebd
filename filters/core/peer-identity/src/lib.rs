//! Who the workload is: the SPIFFE ID of the TLS peer, exactly as the SPIFFE standard writes it.
//!
//! Scope: parsing identifiers and choosing the peer among what the host reports. Certificates are validated by the
//! proxy's TLS configuration; nothing here can make up for a listener that accepts untrusted ones.

mod peer;
mod spiffe_id;
mod trust_domain;
mod xfcc;

pub use peer::{PeerError, PeerEvidence, PeerIdentity, Source, TlsPeer};
pub use spiffe_id::{SpiffeId, SpiffeIdError};
pub use trust_domain::{TrustDomain, TrustDomainError};
pub use xfcc::XfccError;
