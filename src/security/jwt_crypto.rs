//! Signatures of signed tokens, checked by the provider of cryptography that TLS has as well.

use ::ring::signature::{self as sig, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};

/// Checks signatures, and makes none.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |&algorithm, key| Ok(Box::new(Checked::new(algorithm, key)?)),
    // For keys from private keys, which never come here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes it the provider of this process. Where it is one already, nothing changes.
pub(super) fn install() {
    let _ = PROVIDER.install_default();
}

/// The algorithms whose signatures are checked: none in which whoever checks could also sign.
pub(super) fn known(algorithm: Algorithm) -> bool {
    how(algorithm).is_some()
}

enum How {
    Rsa(&'static RsaParameters),
    Plain(&'static dyn sig::VerificationAlgorithm),
}

fn how(algorithm: Algorithm) -> Option<How> {
    Some(match algorithm {
        Algorithm::RS256 => How::Rsa(&sig::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => How::Rsa(&sig::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => How::Rsa(&sig::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => How::Rsa(&sig::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => How::Rsa(&sig::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => How::Rsa(&sig::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => How::Plain(&sig::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => How::Plain(&sig::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => How::Plain(&sig::ED25519),
        _ => return None,
    })
}

struct Checked {
    algorithm: Algorithm,
    how: How,
    key: DecodingKey,
}

impl Checked {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Checked> {
        let how = how(algorithm).ok_or(ErrorKind::UnsupportedAlgorithm)?;
        if key.family() != algorithm.family() || key.family() == AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        let key = key.clone();
        Ok(Checked { algorithm, how, key })
    }
}

impl Verifier<Vec<u8>> for Checked {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let right = match (&self.how, self.key.kind()) {
            (How::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (How::Plain(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            _ => return Err(Error::new()),
        };
        right.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Checked {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
