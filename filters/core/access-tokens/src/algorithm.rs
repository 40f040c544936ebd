//! The signature algorithms that an issuer may use.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::error::shortened;

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1). Asymmetric ones only: whoever can verify a
/// shared secret can also forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519. Its newer name `Ed25519` (RFC 9864) means the same here, because there are no Ed448 keys.
    EdDSA,
}

/// Why a name is not accepted as an algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AlgorithmError {
    /// `none`: no signature at all (RFC 8725 section 3.2).
    #[error("`none` is never accepted: it means no signature")]
    Unsecured,
    /// A shared secret in place of a key pair.
    #[error("`{name}` is never accepted: it uses a shared secret")]
    Symmetric {
        /// `HS256`, `HS384` or `HS512`.
        name: String,
    },
    /// Anything else.
    #[error("`{name}` is not one of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`")]
    Unknown {
        /// The name, shortened.
        name: String,
    },
}

// === impl Algorithm ===

impl Algorithm {
    /// Every one of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The name that RFC 7518 and RFC 8037 give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// Whether a key of this kind can be used with it (RFC 7518 section 6, RFC 8037 section 2).
    pub(crate) fn fits(self, key_type: &str, curve: Option<&str>) -> bool {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => key_type == "RSA",
            Self::ES256 => key_type == "EC" && curve == Some("P-256"),
            Self::ES384 => key_type == "EC" && curve == Some("P-384"),
            Self::EdDSA => key_type == "OKP" && curve == Some("Ed25519"),
        }
    }
}

impl FromStr for Algorithm {
    type Err = AlgorithmError;

    /// Names are case-sensitive (RFC 7515 section 4.1.1), but no spelling of `none` gets another answer.
    fn from_str(name: &str) -> Result<Self, AlgorithmError> {
        match name {
            "RS256" => Ok(Self::RS256),
            "RS384" => Ok(Self::RS384),
            "RS512" => Ok(Self::RS512),
            "PS256" => Ok(Self::PS256),
            "PS384" => Ok(Self::PS384),
            "PS512" => Ok(Self::PS512),
            "ES256" => Ok(Self::ES256),
            "ES384" => Ok(Self::ES384),
            "EdDSA" | "Ed25519" => Ok(Self::EdDSA),
            "HS256" | "HS384" | "HS512" => Err(AlgorithmError::Symmetric { name: name.to_owned() }),
            _ if name.eq_ignore_ascii_case("none") => Err(AlgorithmError::Unsecured),
            _ => Err(AlgorithmError::Unknown { name: shortened(name) }),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, AlgorithmError};

    #[test]
    fn names_are_read_as_they_are_written() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDSA));
    }

    #[test]
    fn every_other_name_is_refused_for_its_own_reason() {
        for none in ["none", "None", "NONE", "nOnE"] {
            assert_eq!(none.parse::<Algorithm>(), Err(AlgorithmError::Unsecured));
        }
        for name in ["HS256", "HS384", "HS512"] {
            assert_eq!(name.parse::<Algorithm>(), Err(AlgorithmError::Symmetric { name: name.to_owned() }));
        }
        for name in ["", "rs256", "RS256 ", "RS224", "ES256K", "ES512", "Ed448", "RSA-OAEP", "dir"] {
            assert_eq!(name.parse::<Algorithm>(), Err(AlgorithmError::Unknown { name: name.to_owned() }));
        }
    }
}
