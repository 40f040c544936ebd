//! From what the host reports to the one identity that counts.

use thiserror::Error;

use crate::spiffe_id::{SpiffeId, SpiffeIdError};
use crate::trust_domain::TrustDomain;
use crate::xfcc::{self, XfccError};

/// Proof that the peer is known: its SPIFFE ID comes from a source that the operator trusts, and its trust domain is
/// one that the operator named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    id: SpiffeId,
    source: Source,
}

/// Where an identity may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The peer's certificate on this very connection.
    Tls,
    /// The principal that an Istio waypoint took from the outer connection.
    Waypoint,
    /// `x-forwarded-client-cert`, which is worth as much as the hop that sets it.
    Xfcc,
    /// A token that the workload has of its trust domain (SPIFFE JWT-SVID): of whoever shows it.
    JwtSvid,
}

/// The peer's end of the TLS connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct TlsPeer<'a> {
    /// It presented a certificate.
    pub mtls: bool,
    /// The URI SAN of its certificate, as the host gives it: Envoy joins several with commas.
    pub uri_san: Option<&'a [u8]>,
}

/// Everything that the host reports, of which nothing is judged yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct PeerEvidence<'a> {
    /// This connection's peer.
    pub tls: TlsPeer<'a>,
    /// `io.istio.peer_principal` of a waypoint.
    pub waypoint_principal: Option<&'a [u8]>,
    /// The value of `x-forwarded-client-cert`.
    pub xfcc: Option<&'a [u8]>,
    /// The subject of a JWT-SVID whose signature, audience and times are good, and whose keys were those of the trust
    /// domain in it. Of what is shown and is not good, nothing may come here.
    pub jwt_svid: Option<&'a [u8]>,
}

/// Why there is no identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeerError {
    /// No source has anything to say.
    #[error("the peer showed no identity")]
    Absent,
    /// A certificate without a URI SAN.
    #[error("the peer's certificate has no URI SAN")]
    NoUriSan,
    /// Several names where there must be one (X509-SVID section 2: exactly one URI SAN).
    #[error("the peer shows more than one name")]
    SeveralNames,
    /// Not text.
    #[error("the peer's name is not text")]
    NotText,
    /// Not a SPIFFE ID.
    #[error("the peer's name is no SPIFFE ID: {0}")]
    NotSpiffe(#[from] SpiffeIdError),
    /// The header is not in the form that Envoy writes.
    #[error("x-forwarded-client-cert: {0}")]
    Xfcc(#[from] XfccError),
    /// The trust domain is not among those allowed.
    #[error("trust domain `{0}` is not among `identity.trust_domains`")]
    UntrustedDomain(TrustDomain),
}

// === impl PeerIdentity ===

impl PeerIdentity {
    /// Takes the first source that has something to say; what that says is final, good or bad. A JWT-SVID is shown on
    /// purpose, so that one which is wrong is refused whatever comes before it.
    ///
    /// # Errors
    /// No source says anything, or what it says is not the SPIFFE ID of a workload of an allowed trust domain.
    pub fn resolve(
        evidence: &PeerEvidence<'_>,
        sources: &[Source],
        allowed: &[TrustDomain],
    ) -> Result<Self, PeerError> {
        let svid = evidence.jwt_svid.filter(|_| sources.contains(&Source::JwtSvid));
        let mut svid = svid.map(|name| Self::named(name, Source::JwtSvid, allowed)).transpose()?;
        for &source in sources {
            let name = match source {
                Source::Tls => tls_name(&evidence.tls)?,
                Source::Waypoint => evidence.waypoint_principal.filter(|name| !name.is_empty()),
                Source::Xfcc => match evidence.xfcc {
                    Some(value) => Some(xfcc::uri(value)?),
                    None => None,
                },
                Source::JwtSvid => match svid.take() {
                    Some(peer) => return Ok(peer),
                    None => None,
                },
            };
            if let Some(name) = name {
                return Self::named(name, source, allowed);
            }
        }
        Err(PeerError::Absent)
    }

    /// Takes over what [`resolve`](Self::resolve) made in an earlier stage within the same proxy; never anything that a
    /// peer sent.
    ///
    /// # Errors
    /// It is not the SPIFFE ID of a workload.
    pub fn handed_over(spiffe_id: &str, source: Source) -> Result<Self, SpiffeIdError> {
        Ok(Self { id: SpiffeId::parse(spiffe_id)?, source })
    }

    /// The workload's SPIFFE ID.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    fn named(name: &[u8], source: Source, allowed: &[TrustDomain]) -> Result<Self, PeerError> {
        // Envoy joins several SANs with commas, and no SPIFFE ID holds one.
        if name.contains(&b',') {
            return Err(PeerError::SeveralNames);
        }
        let id = SpiffeId::parse(std::str::from_utf8(name).map_err(|_| PeerError::NotText)?)?;
        if !allowed.contains(id.trust_domain()) {
            return Err(PeerError::UntrustedDomain(id.trust_domain().clone()));
        }
        Ok(Self { id, source })
    }
}

// === impl PeerError ===

impl PeerError {
    /// Nothing was shown at all, as opposed to something that is wrong.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// A certificate was shown, so it has to name its bearer.
fn tls_name<'a>(tls: &TlsPeer<'a>) -> Result<Option<&'a [u8]>, PeerError> {
    match (tls.mtls, tls.uri_san) {
        (false, _) => Ok(None),
        (true, Some(name)) if !name.is_empty() => Ok(Some(name)),
        (true, _) => Err(PeerError::NoUriSan),
    }
}

#[cfg(test)]
mod tests {
    use super::{PeerError, PeerEvidence, PeerIdentity, Source, TlsPeer};
    use crate::{SpiffeIdError, TrustDomain, TrustDomainError, XfccError};

    const AGENT: &[u8] = b"spiffe://acme.example/agent/assistant";

    fn resolve(evidence: &PeerEvidence<'_>, sources: &[Source]) -> Result<PeerIdentity, PeerError> {
        PeerIdentity::resolve(evidence, sources, &[TrustDomain::parse("acme.example").unwrap()])
    }

    fn tls(uri_san: Option<&[u8]>) -> PeerEvidence<'_> {
        PeerEvidence { tls: TlsPeer { mtls: true, uri_san }, ..PeerEvidence::default() }
    }

    #[test]
    fn the_certificate_names_the_peer() {
        let peer = resolve(&tls(Some(AGENT)), &[Source::Tls]).unwrap();
        assert_eq!(peer.id().as_str().as_bytes(), AGENT);
        assert_eq!(peer.source(), Source::Tls);
    }

    #[test]
    fn a_name_without_mutual_tls_counts_for_nothing() {
        let evidence = PeerEvidence { tls: TlsPeer { mtls: false, uri_san: Some(AGENT) }, ..PeerEvidence::default() };
        assert_eq!(resolve(&evidence, &[Source::Tls]), Err(PeerError::Absent));
    }

    #[test]
    fn a_source_that_is_not_configured_is_not_asked() {
        let evidence =
            PeerEvidence { waypoint_principal: Some(AGENT), xfcc: Some(b"URI=spiffe://acme.example/a"), ..tls(None) };
        let evidence = PeerEvidence { tls: TlsPeer::default(), ..evidence };
        assert_eq!(resolve(&evidence, &[Source::Tls]), Err(PeerError::Absent));
        assert_eq!(resolve(&evidence, &[Source::Tls, Source::Waypoint]).unwrap().source(), Source::Waypoint);
        assert_eq!(resolve(&evidence, &[Source::Xfcc]).unwrap().source(), Source::Xfcc);
    }

    #[test]
    fn with_a_certificate_and_a_token_the_order_of_sources_decides() {
        let other = b"spiffe://acme.example/agent/other";
        let both = PeerEvidence { jwt_svid: Some(other), ..tls(Some(AGENT)) };
        let by = |evidence: &PeerEvidence<'_>, sources: &[Source]| resolve(evidence, sources).map(|peer| peer.source());
        assert_eq!(by(&both, &[Source::Tls, Source::JwtSvid]), Ok(Source::Tls));
        assert_eq!(by(&both, &[Source::JwtSvid, Source::Tls]), Ok(Source::JwtSvid));
        assert_eq!(resolve(&both, &[Source::JwtSvid]).unwrap().id().as_str().as_bytes(), other);
        let alone = PeerEvidence { tls: TlsPeer::default(), ..both };
        assert_eq!(by(&alone, &[Source::Tls, Source::JwtSvid]), Ok(Source::JwtSvid));
        assert_eq!(by(&alone, &[Source::Tls]), Err(PeerError::Absent));
        let elsewhere = PeerEvidence { jwt_svid: Some(b"spiffe://evil.example/a"), ..alone };
        let evil = TrustDomain::parse("evil.example").unwrap();
        assert_eq!(by(&elsewhere, &[Source::JwtSvid]), Err(PeerError::UntrustedDomain(evil)));
        for certificate in [TlsPeer::default(), both.tls] {
            let root = PeerEvidence { jwt_svid: Some(b"spiffe://acme.example/"), tls: certificate, ..alone };
            let refused = Err(PeerError::NotSpiffe(SpiffeIdError::EmptySegment));
            assert_eq!(by(&root, &[Source::Tls, Source::JwtSvid]), refused);
            assert_eq!(by(&root, &[Source::JwtSvid]), refused);
        }
    }

    #[test]
    fn a_bad_name_is_final_even_when_a_later_source_has_a_good_one() {
        let evidence = PeerEvidence { waypoint_principal: Some(AGENT), ..tls(Some(b"https://acme.example/")) };
        let sources = [Source::Tls, Source::Waypoint];
        assert_eq!(resolve(&evidence, &sources), Err(PeerError::NotSpiffe(SpiffeIdError::Scheme)));
        let evidence = PeerEvidence { waypoint_principal: Some(AGENT), ..tls(None) };
        assert_eq!(resolve(&evidence, &sources), Err(PeerError::NoUriSan));
    }

    #[test]
    fn every_wrong_name_is_refused_for_its_own_reason() {
        let refused = |name: &[u8]| resolve(&tls(Some(name)), &[Source::Tls]).unwrap_err();
        let evil = TrustDomain::parse("evil.example").unwrap();
        assert_eq!(refused(b"spiffe://evil.example/agent/assistant"), PeerError::UntrustedDomain(evil));
        assert_eq!(refused(b"spiffe://acme.example/a,spiffe://acme.example/b"), PeerError::SeveralNames);
        assert_eq!(refused(b"spiffe://acme.example"), PeerError::NotSpiffe(SpiffeIdError::NoPath));
        assert_eq!(refused(b"\xff"), PeerError::NotText);
        assert_eq!(refused(b""), PeerError::NoUriSan);
    }

    #[test]
    fn every_byte_in_a_name_is_allowed_or_refused_as_the_standard_says() {
        let trust_domain = b"abcdefghijklmnopqrstuvwxyz0123456789.-_";
        for byte in 0..=255_u8 {
            let host = [b"spiffe://acme.example", &[byte][..], b"x/agent"].concat();
            let expected = match byte {
                b'/' => None,
                b',' => Some(PeerError::SeveralNames),
                128.. => Some(PeerError::NotText),
                byte if trust_domain.contains(&byte) => {
                    let name = format!("acme.example{}x", char::from(byte));
                    Some(PeerError::UntrustedDomain(TrustDomain::parse(&name).unwrap()))
                }
                byte => Some(PeerError::NotSpiffe(SpiffeIdError::TrustDomain(TrustDomainError::BadByte(byte)))),
            };
            assert_eq!(resolve(&tls(Some(&host)), &[Source::Tls]).err(), expected, "trust domain, 0x{byte:02x}");
            let path = [b"spiffe://acme.example/a", &[byte][..], b"b"].concat();
            let expected = match byte {
                b'/' | b'.' | b'-' | b'_' => None,
                byte if byte.is_ascii_alphanumeric() => None,
                b',' => Some(PeerError::SeveralNames),
                128.. => Some(PeerError::NotText),
                byte => Some(PeerError::NotSpiffe(SpiffeIdError::BadByte(byte))),
            };
            assert_eq!(resolve(&tls(Some(&path)), &[Source::Tls]).err(), expected, "path, 0x{byte:02x}");
        }
    }

    #[test]
    fn a_neighbour_of_an_allowed_trust_domain_is_not_allowed() {
        for name in ["example", "evil.acme.example", "acme.example.evil.example", "acme.exampl", "acme.example."] {
            let refused = PeerError::UntrustedDomain(TrustDomain::parse(name).unwrap());
            assert_eq!(resolve(&tls(Some(format!("spiffe://{name}/a").as_bytes())), &[Source::Tls]), Err(refused));
        }
    }

    #[test]
    fn nobody_is_trusted_when_no_trust_domain_is() {
        let acme = TrustDomain::parse("acme.example").unwrap();
        let refused = PeerIdentity::resolve(&tls(Some(AGENT)), &[Source::Tls], &[]);
        assert_eq!(refused, Err(PeerError::UntrustedDomain(acme)));
        assert_eq!(resolve(&tls(Some(AGENT)), &[]), Err(PeerError::Absent));
    }

    #[test]
    fn a_header_of_two_hops_is_refused() {
        let evidence =
            PeerEvidence { xfcc: Some(b"URI=spiffe://acme.example/a,URI=spiffe://acme.example/b"), ..tls(None) };
        assert_eq!(resolve(&evidence, &[Source::Xfcc]), Err(PeerError::Xfcc(XfccError::SeveralElements)));
    }

    #[test]
    fn only_absence_is_absence() {
        assert!(PeerError::Absent.is_absent());
        assert!(!PeerError::NoUriSan.is_absent());
    }
}
