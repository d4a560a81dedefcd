//! Credentials of a client, and authorities that it trusts.

use std::fmt;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Request, Status};

use super::url::ServerUrl;
use crate::config;
use crate::security::{PemFile, SecurityError, read_text};

/// Maximum size of a token file.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Authorities, client certificate and token; each is optional.
#[derive(Clone, Default)]
pub struct Access {
    ca: Option<Certificate>,
    identity: Option<Identity>,
    token: Option<MetadataValue<Ascii>>,
}

/// A file of the section `client` that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It cannot be read, or its content is invalid.
    #[error(transparent)]
    File(#[from] SecurityError),
    /// The token file holds invalid characters.
    #[error("client.token_file: {}: it should hold a token in one line, as `sagate token` prints it, and nothing else", path.display())]
    Token {
        /// The file.
        path: PathBuf,
    },
}

impl Access {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn open(settings: &config::ClientSettings) -> Result<Access, AccessError> {
        let named = |path: &Path| !path.as_os_str().is_empty();
        let mut access = Access::default();
        if named(&settings.ca) {
            let file = PemFile::read("client.ca", &settings.ca)?;
            file.authorities()?;
            access = access.with_ca(&file.bytes);
        }
        if named(&settings.cert) && named(&settings.key) {
            let cert = PemFile::read("client.cert", &settings.cert)?;
            let key = PemFile::read("client.key", &settings.key)?;
            cert.own_certificates()?;
            key.key()?;
            access = access.with_certificate(&cert.bytes, &key.bytes);
        }
        if named(&settings.token_file) {
            let token = read_text("client.token_file", &settings.token_file, MAX_TOKEN_BYTES)?;
            let text = str::from_utf8(&token).ok().map(str::trim);
            let taken = text.and_then(|token| access.with_token(token));
            access = taken.ok_or_else(|| AccessError::Token {
                path: settings.token_file.clone(),
            })?;
        }
        Ok(access)
    }

    /// Trusts only servers with a certificate of one of these PEM authorities.
    pub fn with_ca(self, pem: &[u8]) -> Access {
        Access {
            ca: Some(Certificate::from_pem(pem)),
            ..self
        }
    }

    /// Authenticates with this PEM certificate.
    pub fn with_certificate(self, cert: &[u8], key: &[u8]) -> Access {
        Access {
            identity: Some(Identity::from_pem(cert, key)),
            ..self
        }
    }

    /// Sends this token with each request; `None` if it is invalid.
    pub fn with_token(self, token: &str) -> Option<Access> {
        let plain = !token.is_empty() && token.bytes().all(|it| it.is_ascii_graphic());
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().ok().filter(|_| plain)?;
        value.set_sensitive(true);
        Some(Access {
            token: Some(value),
            ..self
        })
    }

    /// Whether a token would be sent unencrypted to another machine.
    pub(super) fn would_leak(&self, url: &ServerUrl) -> bool {
        self.token.is_some() && !url.encrypted() && !url.local()
    }

    pub(super) fn tls(&self) -> ClientTlsConfig {
        let tls = ClientTlsConfig::new();
        let tls = match &self.ca {
            Some(ca) => tls.ca_certificate(ca.clone()),
            None => tls.with_native_roots(),
        };
        match &self.identity {
            Some(identity) => tls.identity(identity.clone()),
            None => tls,
        }
    }

    /// The header that holds the token.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_bytes(self.token.as_ref()?.as_bytes()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    pub(super) fn bearer(&self) -> Bearer {
        Bearer(self.token.clone())
    }
}

/// Hides the secrets.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("ca", &self.ca.is_some())
            .field("identity", &self.identity.is_some())
            .field("token", &self.token.is_some())
            .finish()
    }
}

/// Adds the token to each request.
#[derive(Debug, Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}
