//! Certificates and keys from PEM files.

use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::SecurityError;
use super::key_support;
use super::pem_content::{self, Wanted};

/// Maximum file size.
const MAX_BYTES: u64 = 4 << 20;

/// A PEM file that a setting names, with its content.
pub(crate) struct PemFile<'a> {
    setting: &'static str,
    path: &'a Path,
    pub bytes: Vec<u8>,
}

impl<'a> PemFile<'a> {
    /// Reads the file.
    ///
    /// # Errors
    /// It is missing, unreadable or too large.
    pub fn read(setting: &'static str, path: &'a Path) -> Result<PemFile<'a>, SecurityError> {
        let bytes = super::file_watch::read(setting, path, MAX_BYTES)?;
        Ok(PemFile { setting, path, bytes })
    }

    /// The certificates in it, at least one.
    ///
    /// # Errors
    /// Not PEM, or no certificates; the message names what the file holds.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
        if let Some(message) = pem_content::mismatch(&self.bytes, self.path, Wanted::Certificates) {
            return Err(self.refuse(message));
        }
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        found.map_err(|error| self.refuse(format!("it is no PEM file of certificates: {error}")))
    }

    /// The certificate chain of this side, whose first key must support signing.
    ///
    /// # Errors
    /// As [`PemFile::certificates`], or an unsupported key.
    pub fn own_certificates(&self) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
        let chain = self.certificates()?;
        match chain
            .first()
            .and_then(|first| key_support::certificate(first, true))
        {
            Some(why) => Err(self.refuse(format!("its first certificate {why}"))),
            None => Ok(chain),
        }
    }

    /// The private key in it.
    ///
    /// # Errors
    /// Not PEM, no private key (the message names what the file holds), or an unsupported key.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, SecurityError> {
        if let Some(message) = pem_content::mismatch(&self.bytes, self.path, Wanted::PrivateKey) {
            return Err(self.refuse(message));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.bytes)
            .map_err(|error| self.refuse(format!("it is no PEM file of a private key: {error}")))?;
        match key_support::private_key(&key) {
            Some(why) => Err(self.refuse(why)),
            None => Ok(key),
        }
    }

    /// The certificates in it, as trusted authorities.
    ///
    /// # Errors
    /// As [`PemFile::certificates`], or an invalid certificate or an unsupported key.
    pub fn authorities(&self) -> Result<RootCertStore, SecurityError> {
        let mut roots = RootCertStore::empty();
        for (certificate, number) in self.certificates()?.into_iter().zip(1..) {
            if let Some(why) = key_support::certificate(&certificate, false) {
                return Err(self.refuse(format!("its certificate {number} {why}")));
            }
            roots
                .add(certificate)
                .map_err(|error| self.refuse(format!("its certificate {number} cannot be used: {error}")))?;
        }
        Ok(roots)
    }

    /// An error about this file.
    pub fn refuse(&self, message: impl Into<String>) -> SecurityError {
        SecurityError::Content {
            setting: self.setting,
            path: self.path.to_path_buf(),
            message: message.into(),
        }
    }
}
