//! What a host tells the guard.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::hand_off::HandOffs;

/// A header as it was received: any bytes, repeats as separate entries, pseudo-headers included.
pub type Header = (Vec<u8>, Vec<u8>);

/// One thing that happened to a stream, in the order in which a proxy's callbacks come.
#[derive(Debug)]
pub enum Event<'a> {
    /// The request's headers are here; nothing has gone on yet.
    RequestHeaders {
        /// All of them.
        headers: &'a [Header],
        /// Where they came from.
        connection: &'a Connection<'a>,
        /// Neither a body nor trailers follow.
        end_of_stream: bool,
        /// When, and with which randomness, a decision may be made.
        moment: Moment,
    },
    /// The held body has grown and is not complete.
    RequestBody {
        /// Bytes held so far.
        size: usize,
    },
    /// The body is complete: its last byte came, or trailers did.
    RequestEnd {
        /// All of it.
        body: &'a [u8],
        /// When, and with which randomness, a decision may be made.
        moment: Moment,
    },
    /// The answer's headers are here: the upstream's, or a reply that the proxy made itself.
    ResponseHeaders {
        /// All of them.
        headers: &'a [Header],
        /// No body follows.
        end_of_stream: bool,
    },
    /// The held answer has grown and is not complete.
    ResponseBody {
        /// Bytes held so far.
        size: usize,
    },
    /// A piece of an answer that is passed on as it comes.
    ResponsePiece {
        /// The piece alone.
        piece: &'a [u8],
        /// It is the last one.
        end_of_stream: bool,
    },
    /// The held answer is complete.
    ResponseEnd {
        /// All of it.
        body: &'a [u8],
    },
}

/// The downstream connection as the host reports it; nothing here is judged yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection<'a> {
    /// The peer presented a certificate over TLS.
    pub mtls: bool,
    /// The URI SANs of the peer's certificate, joined with commas if there are several.
    pub uri_san: Option<&'a [u8]>,
    /// SHA-256 of the peer's certificate (DER), in hexadecimal.
    pub certificate_sha256: Option<&'a [u8]>,
    /// The principal that an Istio waypoint took from the outer connection.
    pub waypoint_principal: Option<&'a [u8]>,
    /// The address of the direct peer.
    pub address: Option<IpAddr>,
    /// What earlier stages left in the stream's filter state.
    pub hand_offs: HandOffs<'a>,
    /// The claims of the token that the proxy itself has verified, where a stream asks for them
    /// ([`Stream::claims`](crate::Stream::claims)).
    pub claims: Option<&'a Map<String, Value>>,
}

/// When something happens, and sixteen random bytes for what must be unique.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Nanoseconds since the Unix epoch.
    pub nanoseconds: u64,
    /// From a cryptographic generator, fresh at every moment.
    pub entropy: [u8; 16],
}

// === impl Moment ===

impl Moment {
    /// Seconds since the Unix epoch, as tokens count them.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.nanoseconds / 1_000_000_000
    }
}
