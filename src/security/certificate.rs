//! Subject and expiry of certificates. Certificates are verified before they get here.

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Maximum length of a name in bytes; longer ones are ignored.
const MAX_NAME_BYTES: usize = 256;

/// The name of a client certificate's subject: its common name, or else its first DNS name, mail address or URI. `None`: it has
/// none that can be logged.
pub fn name_of(der: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(der).ok()?;
    let body = certificate.tbs_certificate();
    let common = body.subject().common_name().ok().flatten();
    let common = common.map(|name| name.value().into_owned());
    let alternative = || {
        let (_, names) = body.get_extension::<SubjectAltName>().ok().flatten()?;
        names.0.iter().find_map(|name| match name {
            GeneralName::DnsName(name)
            | GeneralName::Rfc822Name(name)
            | GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
            _ => None,
        })
    };
    common
        .filter(|name| is_loggable(name))
        .or_else(alternative)
        .filter(|name| is_loggable(name))
}

/// Expiry, in seconds since 1970.
pub(super) fn expires_at(der: &[u8]) -> Option<u64> {
    let certificate = Certificate::from_der(der).ok()?;
    Some(
        certificate
            .tbs_certificate()
            .validity()
            .not_after
            .to_unix_duration()
            .as_secs(),
    )
}

/// Whether a name may appear in logs and settings.
pub(super) fn is_loggable(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}
