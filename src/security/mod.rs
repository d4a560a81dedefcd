//! TLS, authentication, authorization, rate limits, audit log and access log.
//!
//! - [`Tls`]: the server's certificate and the authorities of client certificates, reloaded when their files change.
//! - [`Auth`]: authenticates a request by its headers and connection. [`required_access`] holds the access rule of each method.
//! - [`Proxies`]: trusted proxies, which state the client address.
//! - [`RateLimiter`]: limits the request rate per client.
//! - [`Audit`]: audit log, one line per request. [`AccessLog`]: one line per call.
//! - [`SecurityCounts`]: counters for telemetry.
//!
//! `docs/operate/security.md` has the threat model.

mod access_log;
mod audit;
mod auth;
mod authorize;
mod certificate;
mod client;
mod counts;
mod error;
mod file_watch;
mod forwarded;
mod http_client;
mod jwks;
mod jwt;
mod jwt_crypto;
mod key_support;
mod line_log;
mod pem;
mod pem_content;
mod rate_limiter;
mod rights;
mod tls;
pub mod tokens;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use access_log::{AccessLog, AccessRecord};
pub use audit::{Audit, AuditRecord, Image};
pub use auth::{Auth, Unauthenticated};
pub use authorize::Refusal;
pub use certificate::name_of;
pub use client::{AuthMethod, ClientIdentity, ClientKey, Peer};
pub use counts::{Handshake, SecurityCounts};
pub use error::SecurityError;
pub(crate) use file_watch::read as read_text;
pub use forwarded::Proxies;
pub(crate) use http_client::Endpoint;
pub(crate) use pem::PemFile;
pub use rate_limiter::{ClientLimit, RateLimiter};
pub use rights::{RequiredAccess, access_to_call, required_access};
pub use tls::Tls;

use crate::config::Settings;

/// All of the above, as configured. Clones share the state.
#[derive(Clone)]
pub struct Security {
    /// TLS, if enabled.
    pub tls: Option<Tls>,
    /// Authentication.
    pub auth: Auth,
    /// Trusted proxies.
    pub proxies: Proxies,
    /// Rate limit, if enabled.
    pub rate_limiter: Option<RateLimiter>,
    /// Audit log, if enabled.
    pub audit: Option<Audit>,
    /// Access log, if enabled.
    pub access_log: Option<AccessLog>,
    /// Counters.
    pub counts: Arc<SecurityCounts>,
    /// Triggers an immediate reload of files.
    reread: watch::Sender<()>,
}

impl Security {
    /// Reads every file that the settings name. Events are counted in `counts`.
    ///
    /// # Errors
    /// The first file that is missing or invalid.
    pub fn open(settings: &Settings, counts: Arc<SecurityCounts>) -> Result<Security, SecurityError> {
        Ok(Security {
            tls: Tls::open(&settings.tls, &counts)?,
            auth: Auth::open(&settings.auth, &counts)?,
            proxies: Proxies::new(&settings.server.proxies),
            rate_limiter: RateLimiter::new(&settings.rate),
            audit: Audit::open(&settings.audit, &counts)?,
            access_log: AccessLog::open(&settings.access_log, &counts)?,
            counts,
            reread: watch::Sender::new(()),
        })
    }

    /// Waits until audit log and access log are written, for a few seconds at most. Blocks the thread.
    pub fn flush_logs(&self) {
        if let Some(audit) = &self.audit {
            audit.flush();
        }
        if let Some(access_log) = &self.access_log {
            access_log.flush();
        }
    }

    /// Watches the files until the returned set is dropped. Must be called inside a tokio runtime.
    pub fn follow(&self, settings: &Settings) -> JoinSet<()> {
        let every = std::time::Duration::from_secs(settings.tls.reload_seconds);
        let mut following = JoinSet::new();
        if let Some(tls) = self.tls.clone() {
            let now = self.reread.subscribe();
            following.spawn(async move { tls.follow(every, now).await });
        }
        self.auth.follow(every, &self.reread.subscribe(), &mut following);
        following
    }

    /// Handles SIGHUP: reopens the audit log and the access log, and reloads certificates, tokens and keys.
    pub fn reopen(&self) {
        if let Some(audit) = &self.audit {
            audit.reopen();
        }
        if let Some(access_log) = &self.access_log {
            access_log.reopen();
        }
        self.reread.send_replace(());
    }
}
