//! Section `client`.

use std::path::PathBuf;

use super::{Relation, is_set};
use crate::config::rule::any;
use crate::config::section::section;

section! {
    /// How commands with `--server https://...` authenticate, and which servers they accept.
    pub struct ClientSettings: "client" {
        /// Authorities of accepted server certificates.
        ca: PathBuf = "", any("a PEM file of certificates, or \"\" (the system's)"), flag "ca";
        /// This client's certificate.
        cert: PathBuf = "", any("a PEM file of certificates, or \"\""), flag "cert";
        /// The private key of that certificate.
        key: PathBuf = "", any("a PEM file with a private key where client.cert is set, else \"\""), flag "key";
        /// This client's token, which stands alone in the file.
        token_file: PathBuf = "", any("a file that holds a token, or \"\""), flag "token-file";
    }
}

impl ClientSettings {
    pub(in crate::config) fn relations(&self) -> [Relation; 1] {
        [("client.key", is_set(&self.key) == is_set(&self.cert))]
    }
}
