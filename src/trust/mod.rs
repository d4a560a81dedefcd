//! Whom the service trusts: encrypted connections, who a caller is, what it may do, how often, and the record of it.
//!
//! - [`Tls`]: the server's certificate and the authorities of client certificates, read anew when their files change.
//! - [`Auth`]: a request's headers and its connection become a [`Client`], or a [`Denied`]; [`need`] is the table of methods.
//! - [`Pacer`]: so many requests a second for each client.
//! - [`Audit`]: one line a request.
//! - [`Counts`]: what of this is counted, for telemetry to show.
//!
//! `docs/security.md` has the threat model.

mod admit;
mod audit;
mod auth;
mod certificate;
mod client;
mod counts;
mod error;
mod jwks;
mod jwt;
mod pace;
mod pem;
mod rights;
mod ring;
mod tls;
pub mod tokens;
mod watched;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use admit::Refusal;
pub use audit::{Asked, Audit, Image};
pub use auth::{Auth, Denied};
pub use certificate::name_of;
pub use client::{Client, ClientKey, Peer, Proof};
pub use counts::{Counts, Handshake};
pub use error::TrustError;
pub use pace::{Pace, Pacer};
pub use rights::{Need, need};
pub use tls::Tls;

use crate::config::Settings;

/// Everything above, as the settings want it. Clones are the same.
#[derive(Clone)]
pub struct Trust {
    /// How connections are encrypted, where they are.
    pub tls: Option<Tls>,
    /// Who callers are.
    pub auth: Auth,
    /// How often each may ask, where that is limited.
    pub pacer: Option<Pacer>,
    /// The record, where one is kept.
    pub audit: Option<Audit>,
    /// What is counted.
    pub counts: Arc<Counts>,
    /// Changes when files are to be read again now.
    reread: watch::Sender<()>,
}

impl Trust {
    /// Reads every file that the settings name. `counts` is told what happens from then on.
    ///
    /// # Errors
    /// The first file that is not there or not what it should be.
    pub fn open(settings: &Settings, counts: Arc<Counts>) -> Result<Trust, TrustError> {
        Ok(Trust {
            tls: Tls::open(&settings.tls, &counts)?,
            auth: Auth::open(&settings.auth, &counts)?,
            pacer: Pacer::new(&settings.rate),
            audit: Audit::open(&settings.audit, &counts)?,
            counts,
            reread: watch::Sender::new(()),
        })
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

    /// Opens the audit log anew under its name, and looks at certificates, tokens and keys now: what SIGHUP asks for.
    pub fn reopen(&self) {
        if let Some(audit) = &self.audit {
            audit.reopen();
        }
        self.reread.send_replace(());
    }
}
