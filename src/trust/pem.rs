//! Certificates and keys from PEM files.

use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TrustError;

/// No file of certificates or keys is larger.
const LARGEST: u64 = 4 << 20;

/// A file that a setting names, with what it held when it was read.
pub(super) struct PemFile<'a> {
    setting: &'static str,
    path: &'a Path,
    pub bytes: Vec<u8>,
}

impl<'a> PemFile<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It is not there, may not be read, or is far too large.
    pub fn read(setting: &'static str, path: &'a Path) -> Result<PemFile<'a>, TrustError> {
        let bytes = super::watched::read(setting, path, LARGEST)?;
        Ok(PemFile { setting, path, bytes })
    }

    /// The certificates in it, at least one.
    ///
    /// # Errors
    /// What is no PEM, or holds none.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TrustError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(self.refuse("it holds no certificate (`-----BEGIN CERTIFICATE-----`)")),
            Err(error) => Err(self.refuse(format!("it is no PEM file of certificates: {error}"))),
        }
    }

    /// The private key in it.
    ///
    /// # Errors
    /// What is no PEM, or holds none.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, TrustError> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                self.refuse("it holds no unencrypted private key (`-----BEGIN PRIVATE KEY-----`)")
            }
            error => self.refuse(format!("it is no PEM file of a private key: {error}")),
        })
    }

    /// The certificates in it, as authorities that others' are checked by.
    ///
    /// # Errors
    /// As [`PemFile::certificates`], or one that is no certificate.
    pub fn authorities(&self) -> Result<RootCertStore, TrustError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in self.certificates()?.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                self.refuse(format!("its certificate {} cannot be used: {error}", index + 1))
            })?;
        }
        Ok(roots)
    }

    /// The error that says what is wrong with it.
    pub fn refuse(&self, message: impl Into<String>) -> TrustError {
        TrustError::Content {
            setting: self.setting,
            path: self.path.to_path_buf(),
            message: message.into(),
        }
    }
}
