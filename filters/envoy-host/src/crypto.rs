//! Signatures that Envoy computes itself, with BoringSSL.

use prost::Message;
use request_guard::{Hash, HostCrypto};

use crate::abi;

/// Envoy's foreign functions `verify_signature` and, since 1.37, `sign`.
pub(crate) struct EnvoyCrypto;

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`, with the key in DER.
#[derive(Message)]
struct VerifySignature {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// `VerifySignatureResult`; its `error` says no more than that the signature is wrong.
#[derive(Message)]
struct VerifySignatureResult {
    #[prost(bool, tag = "1")]
    result: bool,
}

/// `SignArguments`, with the key in DER.
#[derive(Message)]
struct Sign {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    private_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    text: Vec<u8>,
}

/// `SignResult`.
#[derive(Message)]
struct SignResult {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
}

// === impl EnvoyCrypto ===

impl HostCrypto for EnvoyCrypto {
    fn verify(&self, hash: Hash, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
        let arguments = VerifySignature {
            hash_function: name(hash),
            public_key: public_key.to_vec(),
            signature: signature.to_vec(),
            text: message.to_vec(),
        };
        let result: VerifySignatureResult = called("verify_signature", &arguments)?;
        Some(result.result)
    }

    fn sign(&self, hash: Hash, private_key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let arguments = Sign { hash_function: name(hash), private_key: private_key.to_vec(), text: message.to_vec() };
        let result: SignResult = called("sign", &arguments)?;
        result.result.then_some(result.signature)
    }
}

/// Nothing where the host does not have the function, or answers something else.
fn called<R: Message + Default>(function: &str, arguments: &impl Message) -> Option<R> {
    R::decode(abi::call_foreign_function(function, &arguments.encode_to_vec()).ok()?.as_slice()).ok()
}

fn name(hash: Hash) -> String {
    match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
    .to_owned()
}
