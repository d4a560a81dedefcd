//! Certificates and keys from PEM files.

use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::SecurityError;
use super::key_support;
use super::pem_content::{self, Wanted};

/// No file of certificates or keys is larger.
const LARGEST: u64 = 4 << 20;

/// A file that a setting names, with what it held when it was read.
pub(crate) struct PemFile<'a> {
    setting: &'static str,
    path: &'a Path,
    pub bytes: Vec<u8>,
}

impl<'a> PemFile<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It is not there, may not be read, or is far too large.
    pub fn read(setting: &'static str, path: &'a Path) -> Result<PemFile<'a>, SecurityError> {
        let bytes = super::file_watch::read(setting, path, LARGEST)?;
        Ok(PemFile { setting, path, bytes })
    }

    /// The certificates in it, at least one.
    ///
    /// # Errors
    /// What is no PEM, or holds none: what it holds in their place.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, SecurityError> {
        if let Some(message) = pem_content::mismatch(&self.bytes, self.path, Wanted::Certificates) {
            return Err(self.refuse(message));
        }
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        found.map_err(|error| self.refuse(format!("it is no PEM file of certificates: {error}")))
    }

    /// The certificates in it, the first of which is shown to others and has a key that can sign.
    ///
    /// # Errors
    /// As [`PemFile::certificates`], or a key that cannot.
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
    /// What is no PEM, holds none (and what in its place), or one that cannot sign here.
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

    /// The certificates in it, as authorities that others' are checked by.
    ///
    /// # Errors
    /// As [`PemFile::certificates`], one that is no certificate, or one whose signatures cannot be checked.
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

    /// The error that says what is wrong with it.
    pub fn refuse(&self, message: impl Into<String>) -> SecurityError {
        SecurityError::Content {
            setting: self.setting,
            path: self.path.to_path_buf(),
            message: message.into(),
        }
    }
}
