//! Diagnosis of files that do not hold the expected certificates or private key as PEM, with the command that converts them.

use std::path::Path;

use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Tag, Tagged};

/// Expected content of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Certificates,
    PrivateKey,
}

/// PEM labels of unencrypted private keys.
const PLAIN_KEYS: [&str; 3] = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/// Why a file does not hold the expected content; `None` if it does.
pub(super) fn mismatch(bytes: &[u8], path: &Path, wanted: Wanted) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.is_empty()).collect();
    let labels: Vec<&str> = lines.iter().filter_map(|line| label(line)).collect();
    let file = path.display();
    let found = match (labels.is_empty(), wanted) {
        (true, _) => match lines.iter().any(|line| label(line.trim_start()).is_some()) {
            true => "its lines begin with blanks; PEM has none there".to_owned(),
            false => not_pem(bytes, path, wanted),
        },
        (false, Wanted::Certificates) => no_certificate(&labels, &file)?,
        (false, Wanted::PrivateKey) => no_key(&labels, &lines, &file)?,
    };
    let without = match wanted {
        Wanted::Certificates => "it holds no certificate (`-----BEGIN CERTIFICATE-----`)",
        Wanted::PrivateKey => "it holds no unencrypted private key (`-----BEGIN PRIVATE KEY-----`)",
    };
    Some(format!("{without}: {found}"))
}

/// The label of a line that begins a PEM section.
fn label(line: &str) -> Option<&str> {
    line.strip_prefix("-----BEGIN ")?.trim_end().strip_suffix("-----")
}

fn no_certificate(labels: &[&str], file: &impl std::fmt::Display) -> Option<String> {
    if labels.contains(&"CERTIFICATE") {
        return None;
    }
    let has = |wanted: &str| labels.iter().any(|label| label.ends_with(wanted));
    Some(if has("TRUSTED CERTIFICATE") || has("X509 CERTIFICATE") {
        format!(
            "its certificate is in a form of OpenSSL's own; `openssl x509 -in {file} -out new.pem` writes a plain one"
        )
    } else if has("PRIVATE KEY") {
        "it holds a private key, which belongs into the setting of the key".to_owned()
    } else if has("CERTIFICATE REQUEST") {
        "it holds a request for a certificate; the certificate is what the authority answers to it".to_owned()
    } else if has("PKCS7") || has("CMS") {
        format!(
            "it is PKCS#7; `openssl pkcs7 -in {file} -print_certs -out new.pem` takes the certificates out"
        )
    } else {
        format!("it holds `{}`", labels[0])
    })
}

fn no_key(labels: &[&str], lines: &[&str], file: &impl std::fmt::Display) -> Option<String> {
    let decrypt = || {
        format!(
            "its private key is encrypted, and nobody is there to type the passphrase; `openssl pkey -in {file} -out new.key` removes it"
        )
    };
    let key_at = lines
        .iter()
        .position(|line| label(line).is_some_and(|label| PLAIN_KEYS.contains(&label)));
    if let Some(key_at) = key_at {
        let header = lines.get(key_at + 1).copied().unwrap_or_default();
        return header.starts_with("Proc-Type:").then(decrypt);
    }
    let has = |wanted: &str| labels.contains(&wanted);
    Some(if has("ENCRYPTED PRIVATE KEY") {
        decrypt()
    } else if has("OPENSSH PRIVATE KEY") {
        "it holds a key for SSH; `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key` makes one for TLS"
            .to_owned()
    } else if has("CERTIFICATE") {
        "it holds a certificate, which belongs into the setting of the certificate".to_owned()
    } else if has("PUBLIC KEY") || has("RSA PUBLIC KEY") {
        "it holds a public key; the private one was made beside it".to_owned()
    } else {
        format!("it holds `{}`", labels[0])
    })
}

fn not_pem(bytes: &[u8], path: &Path, wanted: Wanted) -> String {
    let file = path.display();
    let out_of_pkcs12 = match wanted {
        Wanted::Certificates => "-nokeys -out new.pem",
        Wanted::PrivateKey => "-nocerts -noenc -out new.key",
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return "it is empty".to_owned();
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return format!("it is UTF-16 text; `iconv -f UTF-16 -t UTF-8 {file} > new.pem` makes it PEM");
    }
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return format!(
            "it is a Java key store; `keytool -importkeystore -srckeystore {file} -destkeystore new.p12 -deststoretype PKCS12` and then \
             `openssl pkcs12 -in new.p12 {out_of_pkcs12}` take it out"
        );
    }
    if is_pkcs12(bytes) {
        return format!("it is PKCS#12; `openssl pkcs12 -in {file} {out_of_pkcs12}` takes it out");
    }
    let (what, command) = if Certificate::from_der(bytes).is_ok() {
        ("a certificate", "openssl x509 -inform DER")
    } else if is_private_key(bytes) {
        ("a private key", "openssl pkey -inform DER")
    } else {
        return "it is no PEM at all".to_owned();
    };
    format!("it is {what} as DER; `{command} -in {file} -out new.pem` makes it PEM")
}

/// A SEQUENCE that begins with version 3 and another SEQUENCE; some programs write its length as indefinite, which no DER reader takes.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let begin = &bytes[..bytes.len().min(16)];
    bytes.first() == Some(&0x30) && begin.windows(4).any(|part| part == [2, 1, 3, 0x30])
}

/// PKCS#8, PKCS#1 or SEC 1: a SEQUENCE of a small version and then what each has.
fn is_private_key(bytes: &[u8]) -> bool {
    let Ok(parts) = Vec::<AnyRef>::from_der(bytes) else {
        return false;
    };
    let tags: Vec<Tag> = parts.iter().take(3).map(Tagged::tag).collect();
    match tags[..] {
        [Tag::Integer, Tag::Sequence | Tag::Integer, _] | [Tag::Integer, Tag::OctetString, ..] => {
            parts[0].value().len() == 1
        }
        _ => false,
    }
}
