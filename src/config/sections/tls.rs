//! Section `tls`.

use std::path::PathBuf;

use super::{A_DAY, Relation, is_set};
use crate::config::rule::{any, switch, whole};
use crate::config::section::section;

section! {
    /// Encryption of connections to the service, and client certificates.
    pub struct TlsSettings: "tls" {
        /// The server's certificate, followed by those that lead to its authority.
        cert: PathBuf = "", any("a PEM file of certificates, or \"\" (no TLS)");
        /// The private key of that certificate.
        key: PathBuf = "", any("a PEM file with a private key where tls.cert is set, else \"\"");
        /// Authorities of accepted client certificates (mutual TLS); `""`: none is requested.
        client_ca: PathBuf = "", any("a PEM file of certificates, where tls.cert is set, or \"\"");
        /// Whether a client without a certificate is refused.
        client_required: bool = false, switch().with("; true needs tls.client_ca");
        /// Whether the admin port uses TLS as well; it requests no client certificate.
        admin: bool = false, switch().with("; true needs tls.cert");
        /// Seconds between two checks whether the files of `tls` and `auth` have changed. An invalid new file changes
        /// nothing; the log says what is wrong with it.
        reload_seconds: u64 = 10, whole(1..=A_DAY);
    }
}

impl TlsSettings {
    /// Whether there is a certificate to use TLS with.
    pub fn on(&self) -> bool {
        is_set(&self.cert)
    }

    pub(in crate::config) fn relations(&self) -> [Relation; 4] {
        [
            ("tls.key", is_set(&self.key) == self.on()),
            ("tls.client_ca", self.on() || !is_set(&self.client_ca)),
            (
                "tls.client_required",
                !self.client_required || is_set(&self.client_ca),
            ),
            ("tls.admin", !self.admin || self.on()),
        ]
    }
}
