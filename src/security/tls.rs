//! TLS of the server: its certificate, and the authorities of client certificates.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::certificate;
use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::file_watch::{self, ContentDigest};
use super::pem::PemFile;
use crate::config;

/// The cryptography provider.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// TLS of the server. Clones share the current certificates.
#[derive(Clone)]
pub struct Tls {
    settings: Arc<config::TlsSettings>,
    current: Arc<RwLock<Current>>,
    counts: Arc<SecurityCounts>,
}

struct Current {
    digest: ContentDigest,
    /// For gRPC: requests client certificates if configured.
    grpc: Arc<ServerConfig>,
    /// The same for HTTP/JSON.
    http: Arc<ServerConfig>,
    /// For the admin port: without client certificates.
    admin: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files; `None` without TLS.
    ///
    /// # Errors
    /// A file that is missing or holds no certificate or key, or a key that does not match the certificate.
    pub fn open(
        settings: &config::TlsSettings,
        counts: &Arc<SecurityCounts>,
    ) -> Result<Option<Tls>, SecurityError> {
        if !settings.on() {
            return Ok(None);
        }
        let current = load(settings, None, counts)?.ok_or_else(|| SecurityError::Setting {
            setting: "tls.cert",
            message: "nothing was read".into(),
        })?;
        Ok(Some(Tls {
            settings: Arc::new(settings.clone()),
            current: Arc::new(RwLock::new(current)),
            counts: counts.clone(),
        }))
    }

    /// Acceptor for gRPC connections.
    pub fn grpc(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.grpc.clone().into()
    }

    /// Acceptor for HTTP/JSON connections.
    pub fn http(&self) -> TlsAcceptor {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.http.clone().into()
    }

    /// Acceptor for the admin port, if it uses TLS.
    pub fn admin(&self) -> Option<TlsAcceptor> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        self.settings.admin.then(|| current.admin.clone().into())
    }

    /// Reloads the files periodically and whenever `now` changes.
    pub(super) async fn follow(&self, every: Duration, now: watch::Receiver<()>) {
        let tls = self.clone();
        let counts = self.counts.clone();
        let reload = move || tls.reload();
        let counted = |fine| counts.reloaded(fine);
        file_watch::follow(every, now, "the files of [tls]", reload, counted).await;
    }

    /// Reloads the files if they have changed.
    fn reload(&self) -> Result<bool, SecurityError> {
        let digest = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .digest
            .clone();
        let Some(new) = load(&self.settings, Some(&digest), &self.counts)? else {
            return Ok(false);
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }
}

/// Reads the files; `None` if they have not changed.
fn load(
    settings: &config::TlsSettings,
    old: Option<&ContentDigest>,
    counts: &SecurityCounts,
) -> Result<Option<Current>, SecurityError> {
    let cert = PemFile::read("tls.cert", &settings.cert)?;
    let key = PemFile::read("tls.key", &settings.key)?;
    let client_ca = match settings.client_ca.as_os_str().is_empty() {
        true => None,
        false => Some(PemFile::read("tls.client_ca", &settings.client_ca)?),
    };
    let digest = ContentDigest::compute(
        [&cert, &key]
            .into_iter()
            .chain(&client_ca)
            .map(|file| &file.bytes[..]),
    );
    if old == Some(&digest) {
        return Ok(None);
    }
    let builder = || {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        builder.map_err(|error| cert.refuse(format!("TLS cannot be spoken: {error}")))
    };
    let (chain, secret) = (cert.own_certificates()?, key.key()?);
    let not_a_pair = |error| {
        match error {
        rustls::Error::InconsistentKeys(_) => cert.refuse(format!(
            "the key of tls.key, {}, is that of another certificate: `openssl x509 -in {} -noout -pubkey` and `openssl pkey -in {} \
             -pubout` must print the same",
            settings.key.display(),
            settings.cert.display(),
            settings.key.display()
        )),
        error => cert.refuse(format!("it cannot be used with the key of tls.key: {error}")),
    }
    };
    let verified = match client_ca {
        None => builder()?.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(file.authorities()?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
            let verifier = match settings.client_required {
                true => verifier,
                false => verifier.allow_unauthenticated(),
            };
            let verifier = verifier
                .build()
                .map_err(|error| file.refuse(format!("its certificates cannot be used: {error}")))?;
            builder()?.with_client_cert_verifier(verifier)
        }
    };
    let mut grpc = verified
        .with_single_cert(chain.clone(), secret.clone_key())
        .map_err(not_a_pair)?;
    grpc.alpn_protocols = vec![b"h2".to_vec()];
    let mut http = grpc.clone();
    http.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut admin = builder()?
        .with_no_client_auth()
        .with_single_cert(chain.clone(), secret)
        .map_err(not_a_pair)?;
    admin.alpn_protocols.clone_from(&http.alpn_protocols);
    let ends =
        certificate::expires_at(&chain[0]).ok_or_else(|| cert.refuse("its first certificate has no end"))?;
    counts.certificate_ends(ends);
    Ok(Some(Current {
        digest,
        grpc: Arc::new(grpc),
        http: Arc::new(http),
        admin: Arc::new(admin),
    }))
}
