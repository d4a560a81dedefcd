//! Keys that TLS supports, and names of unsupported ones for messages.

use std::ops::RangeInclusive;

use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{Decode, Tagged};
use x509_cert::spki::AlgorithmIdentifierRef;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Supported sizes of RSA signing keys in bits.
const SIGNING: RangeInclusive<usize> = 2048..=4096;
/// Supported sizes of RSA keys for verification in bits.
const VERIFYING: RangeInclusive<usize> = 2048..=8192;

/// Advice: supported keys, and how to make one.
const SUPPORTED: &str = "TLS takes RSA from 2048 bits, P-256, P-384 and Ed25519 here: \
                     `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key` makes a new one";

/// Algorithm of a key, with the parameters that decide whether it is supported.
enum KeyKind {
    Rsa { bits: usize },
    Curve(Option<ObjectIdentifier>),
    Other(ObjectIdentifier),
}

impl KeyKind {
    /// `None` if it is supported, else its name.
    fn unsupported(&self, rsa: &RangeInclusive<usize>) -> Option<String> {
        Some(match self {
            KeyKind::Rsa { bits } if rsa.contains(bits) => return None,
            KeyKind::Rsa { bits } => format!("an RSA key of {bits} bits"),
            KeyKind::Curve(None) => "an elliptic-curve key whose curve has no name".to_owned(),
            KeyKind::Curve(Some(curve)) => match &*curve.to_string() {
                "1.2.840.10045.3.1.7" | "1.3.132.0.34" => return None,
                "1.3.132.0.35" => "an elliptic-curve key on P-521".to_owned(),
                "1.3.132.0.10" => "an elliptic-curve key on secp256k1".to_owned(),
                other => format!("an elliptic-curve key on the curve {other}"),
            },
            KeyKind::Other(algorithm) => match &*algorithm.to_string() {
                "1.3.101.112" => return None,
                "1.3.101.113" => "an Ed448 key".to_owned(),
                "1.2.840.10040.4.1" => "a DSA key".to_owned(),
                "1.2.840.113549.1.1.10" => "an RSA key for PSS only".to_owned(),
                other => format!("a key of the algorithm {other}"),
            },
        })
    }
}

/// Why a private key is not supported; `None` if it is.
pub(super) fn private_key(key: &PrivateKeyDer<'_>) -> Option<String> {
    let name = kind_of(key)?.unsupported(&SIGNING)?;
    Some(format!("it holds {name}; {SUPPORTED}"))
}

/// Why the key of a certificate is not supported; `None` if it is. `own`: this side signs with it.
pub(super) fn certificate(der: &[u8], own: bool) -> Option<String> {
    let certificate = Certificate::from_der(der).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    let kind = match key.algorithm.oid {
        RSA => KeyKind::Rsa {
            bits: bits(
                Vec::<AnyRef>::from_der(key.subject_public_key.raw_bytes())
                    .ok()?
                    .first()?,
            ),
        },
        ELLIPTIC_CURVE => {
            let curve = key.algorithm.parameters.as_ref();
            KeyKind::Curve(curve.and_then(|curve| curve.decode_as().ok()))
        }
        other => KeyKind::Other(other),
    };
    let name = kind.unsupported(if own { &SIGNING } else { &VERIFYING })?;
    Some(format!("is of {name}; {SUPPORTED}"))
}

/// KeyKind of a private key; `None` if it cannot be parsed.
fn kind_of(key: &PrivateKeyDer<'_>) -> Option<KeyKind> {
    let parts = Vec::<AnyRef>::from_der(key.secret_der()).ok()?;
    match key {
        PrivateKeyDer::Pkcs1(_) => Some(KeyKind::Rsa {
            bits: bits(parts.get(1)?),
        }),
        PrivateKeyDer::Sec1(_) => {
            let curve = parts.iter().find(|part| part.tag().is_context_specific())?;
            Some(KeyKind::Curve(ObjectIdentifier::from_der(curve.value()).ok()))
        }
        PrivateKeyDer::Pkcs8(_) => {
            let algorithm: AlgorithmIdentifierRef<'_> = parts.get(1)?.decode_as().ok()?;
            Some(match algorithm.oid {
                RSA => KeyKind::Rsa {
                    bits: bits(Vec::<AnyRef>::from_der(parts.get(2)?.value()).ok()?.get(1)?),
                },
                ELLIPTIC_CURVE => {
                    KeyKind::Curve(algorithm.parameters.and_then(|curve| curve.decode_as().ok()))
                }
                other => KeyKind::Other(other),
            })
        }
        _ => None,
    }
}

/// Bits of a positive INTEGER.
fn bits(number: &AnyRef<'_>) -> usize {
    let digits = number.value();
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[zeros..];
    let leading = digits.first().map_or(0, |first| first.leading_zeros() as usize);
    digits.len() * 8 - leading
}
