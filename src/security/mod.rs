//! TLS, authentication, authorization, rate limits, audit log and access log.
//!
//! - [`Tls`]: the server's certificate and the authorities of client certificates, read anew when their files change.
//! - [`Auth`]: a request's headers and its connection become a [`ClientIdentity`], or a [`Unauthenticated`]; [`required_access`] is the table of methods.
//! - [`Proxies`]: whose word on a client's address is taken.
//! - [`RateLimiter`]: so many requests a second for each client.
//! - [`Audit`]: one line a request. [`AccessLog`]: one line a call.
//! - [`SecurityCounts`]: what of this is counted, for telemetry to show.
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
pub use rights::{RequiredAccess, required_access};
pub use tls::Tls;

use crate::config::Settings;

/// Everything above, as the settings want it. Clones are the same.
#[derive(Clone)]
pub struct Security {
    /// How connections are encrypted, where they are.
    pub tls: Option<Tls>,
    /// Who callers are.
    pub auth: Auth,
    /// Which proxies say for whom they ask.
    pub proxies: Proxies,
    /// How often each may ask, where that is limited.
    pub rate_limiter: Option<RateLimiter>,
    /// The record, where one is kept.
    pub audit: Option<Audit>,
    /// The access log, where one is kept.
    pub access_log: Option<AccessLog>,
    /// What is counted.
    pub counts: Arc<SecurityCounts>,
    /// Changes when files are to be read again now.
    reread: watch::Sender<()>,
}

impl Security {
    /// Reads every file that the settings name. `counts` is told what happens from then on.
    ///
    /// # Errors
    /// The first file that is not there or not what it should be.
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

    /// Waits until audit log and access log are written, for a few seconds at most. Not for a thread that others wait for.
    pub fn flush_logs(&self) {
        if let Some(audit) = &self.audit {
            audit.flush();
        }
        if let Some(access_log) = &self.access_log {
            access_log.flush();
        }
    }

    /// Looks at the files again and again, until what it gives is dropped. To be called inside a tokio runtime.
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

    /// Opens the audit log and the access log anew under their names, and looks at certificates, tokens and keys now: what SIGHUP asks
    /// for.
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
