//! What Envoy says of the connection's other end.

use std::net::IpAddr;

use crate::abi::HostError;
use crate::properties::property;

/// Where the listener can put all URI SANs of the peer's certificate, joined with commas: Envoy's own attribute shows
/// the first one only, and a certificate with two is no X509-SVID.
const ALL_URI_SANS: [&str; 2] = ["filter_state", "meshwarden.peer_uri_sans"];

/// Where an Istio waypoint keeps the principal of the outer connection.
const WAYPOINT_PRINCIPAL: [&str; 2] = ["filter_state", "io.istio.peer_principal"];

/// The downstream peer as the host reports it; nothing is judged here.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// The downstream connection is TLS and the peer presented a certificate. Not that it was validated:
    /// that is the listener's configuration.
    pub(crate) mtls: bool,
    /// The URI SANs of the peer's certificate, joined with commas, where the listener provides them; else the first.
    pub(crate) uri_san: Option<Vec<u8>>,
    /// SHA-256 of the peer's certificate (DER), in hexadecimal.
    pub(crate) certificate_sha256: Option<Vec<u8>>,
    /// The principal that an Istio waypoint took from the outer connection.
    pub(crate) waypoint_principal: Option<Vec<u8>>,
    /// The address of the direct peer.
    pub(crate) address: Option<IpAddr>,
}

/// Reads the peer of this stream's connection.
///
/// # Errors
/// The host refused for another reason than that an attribute is not there.
pub(crate) fn read_peer() -> Result<Peer, HostError> {
    let uri_san = match property(&ALL_URI_SANS)? {
        Some(all) => Some(all),
        None => property(&["connection", "uri_san_peer_certificate"])?,
    };
    Ok(Peer {
        mtls: property(&["connection", "mtls"])?.is_some_and(|value| value == [1]),
        uri_san,
        certificate_sha256: property(&["connection", "sha256_peer_certificate_digest"])?,
        waypoint_principal: property(&WAYPOINT_PRINCIPAL)?,
        address: property(&["source", "address"])?.as_deref().and_then(ip_of),
    })
}

/// `ip:port` or `[ip]:port`; anything else (a Unix socket) is no address.
fn ip_of(address: &[u8]) -> Option<IpAddr> {
    let address = std::str::from_utf8(address).ok()?;
    address.parse::<std::net::SocketAddr>().map(|socket| socket.ip()).ok()
}

#[cfg(test)]
mod tests {
    use super::ip_of;

    #[test]
    fn addresses_lose_their_port() {
        assert_eq!(ip_of(b"10.0.0.7:1234"), "10.0.0.7".parse().ok());
        assert_eq!(ip_of(b"[::1]:1234"), "::1".parse().ok());
    }

    #[test]
    fn what_is_no_socket_address_is_none() {
        for odd in [&b"10.0.0.7"[..], b"/tmp/socket", b"", b"\xff"] {
            assert_eq!(ip_of(odd), None);
        }
    }
}
