//! Certificate authorities of trust domains, and the certificates that they issue: right ones and odd ones.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use time::{Duration, OffsetDateTime};

/// The authority of one trust domain: what a SPIFFE server is in production.
///
/// Anybody can make one under any name; only those that the gateway was given are trusted.
pub struct Authority {
    trust_domain: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What a certificate says.
#[derive(Debug, Clone, Default)]
pub struct Leaf {
    /// URI SANs, in this order. An X509-SVID has exactly one (SPIFFE X509-SVID §2).
    pub uris: Vec<String>,
    /// DNS SANs.
    pub dns: Vec<String>,
    /// IP SANs.
    pub ips: Vec<IpAddr>,
    /// When it is good.
    pub validity: Validity,
}

/// When a certificate is good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Validity {
    /// From an hour ago, for a day.
    #[default]
    Now,
    /// Until an hour ago.
    Expired,
    /// From tomorrow on.
    NotYet,
}

/// A certificate with its private key.
#[derive(Debug, Clone)]
pub struct Credential {
    certificate_der: Vec<u8>,
    certificate_pem: String,
    key_pem: String,
}

// === impl Authority ===

impl Authority {
    /// A new self-signed authority of `trust_domain`.
    ///
    /// # Errors
    /// The name can't stand in a certificate.
    pub fn new(trust_domain: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&format!("{trust_domain} authority"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.subject_alt_names = vec![SanType::URI(format!("spiffe://{trust_domain}").try_into()?)];
        (params.not_before, params.not_after) = Validity::Now.bounds();
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { trust_domain: trust_domain.to_owned(), issuer })
    }

    /// Its name.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// Its own certificate: the trust bundle of its domain.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The same, as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        self.issuer.der()
    }

    /// Issues whatever is asked for, also what no real authority should.
    ///
    /// # Errors
    /// A name can't stand in a certificate.
    pub fn issue(&self, leaf: &Leaf) -> Result<Credential> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let common_name = leaf.uris.first().or(leaf.dns.first()).map_or("nobody", String::as_str);
        params.distinguished_name = name(common_name);
        for uri in &leaf.uris {
            params.subject_alt_names.push(SanType::URI(uri.clone().try_into()?));
        }
        for dns in &leaf.dns {
            params.subject_alt_names.push(SanType::DnsName(dns.clone().try_into()?));
        }
        params.subject_alt_names.extend(leaf.ips.iter().copied().map(SanType::IpAddress));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = leaf.validity.bounds();
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Credential {
            certificate_der: certificate.der().to_vec(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// An X509-SVID for `spiffe://<trust domain><path>`.
    ///
    /// # Errors
    /// The path can't stand in a certificate.
    pub fn svid(&self, path: &str) -> Result<Credential> {
        let id = format!("spiffe://{}{path}", self.trust_domain);
        self.issue(&Leaf { uris: vec![id], ..Leaf::default() })
    }

    /// A server's certificate for these DNS names and 127.0.0.1.
    ///
    /// # Errors
    /// A name can't stand in a certificate.
    pub fn server(&self, path: &str, dns: &[&str]) -> Result<Credential> {
        self.issue(&Leaf {
            uris: vec![format!("spiffe://{}{path}", self.trust_domain)],
            dns: dns.iter().map(|&name| name.to_owned()).collect(),
            ips: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            validity: Validity::Now,
        })
    }
}

// === impl Validity ===

impl Validity {
    fn bounds(self) -> (OffsetDateTime, OffsetDateTime) {
        let now = OffsetDateTime::now_utc();
        match self {
            Self::Now => (now - Duration::hours(1), now + Duration::days(1)),
            Self::Expired => (now - Duration::days(2), now - Duration::hours(1)),
            Self::NotYet => (now + Duration::days(1), now + Duration::days(2)),
        }
    }
}

// === impl Credential ===

impl Credential {
    /// The certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate as DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// The private key as PEM, PKCS#8.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate's `x5t#S256` (RFC 8705 §3.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, &self.certificate_der))
    }

    /// Writes `<name>.pem` and `<name>.key` into `folder` and gives their paths.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&certificate, &self.certificate_pem).with_context(|| certificate.display().to_string())?;
        fs::write(&key, &self.key_pem).with_context(|| key.display().to_string())?;
        Ok((certificate, key))
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    // RFC 5280 allows 64 characters here; the names that count are the SANs.
    name.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(haystack: &[u8], needle: &str) -> usize {
        haystack.windows(needle.len()).filter(|window| *window == needle.as_bytes()).count()
    }

    #[test]
    fn an_svid_carries_its_id() {
        let authority = Authority::new("acme.example").unwrap();
        let credential = authority.svid("/agent/assistant").unwrap();
        // Once as the common name, once as the URI SAN.
        assert_eq!(count(credential.certificate_der(), "spiffe://acme.example/agent/assistant"), 2);
        assert_eq!(credential.thumbprint().len(), 43);
    }

    #[test]
    fn a_certificate_may_carry_what_it_should_not() {
        let authority = Authority::new("acme.example").unwrap();
        let uris = vec!["spiffe://acme.example/a".to_owned(), "https://evil.example/x".to_owned()];
        let credential = authority.issue(&Leaf { uris, ..Leaf::default() }).unwrap();
        assert_eq!(count(credential.certificate_der(), "https://evil.example/x"), 1);
        assert_eq!(count(authority.issue(&Leaf::default()).unwrap().certificate_der(), "spiffe://"), 0);
    }
}
