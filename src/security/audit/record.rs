//! A request on its way to its line.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use super::Audit;
use crate::security::client::{AuthMethod, ClientIdentity, Peer};

/// One call. Each of its images leaves a line; where it has none, the call itself leaves one when the last that holds it lets go. So
/// none is without.
pub struct AuditRecord {
    audit: Audit,
    method: String,
    peer: Option<Peer>,
    /// The level that the log shall have, where that is asked for.
    log_level: OnceLock<&'static str>,
    client: OnceLock<(Arc<str>, AuthMethod)>,
    code: Mutex<&'static str>,
    has_line: AtomicBool,
}

/// What is known of one image of a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Image<'a> {
    /// `NAME@VERSION` of the model, where one was found.
    pub model: Option<&'a str>,
    /// The caller's name for the image.
    pub request_id: Option<&'a str>,
    /// SHA-256 of its bytes.
    pub hash: Option<&'a str>,
    /// The gate's word, where it came to one.
    pub accepted: Option<bool>,
}

/// A line of the log.
#[derive(Serialize)]
struct Line<'a> {
    /// UTC, RFC 3339.
    time: String,
    client: Option<&'a str>,
    auth_method: &'static str,
    peer: Option<String>,
    /// The trusted proxy that said where the peer is.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<SocketAddr>,
    method: &'a str,
    model: Option<&'a str>,
    request_id: Option<&'a str>,
    image_hash: Option<&'a str>,
    code: &'static str,
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_level: Option<&'static str>,
}

impl Audit {
    /// A call begins. `method` is `SERVICE/METHOD`, one that is served; `None`: something else.
    pub fn begin(&self, method: Option<&str>, peer: Option<&Peer>) -> Arc<AuditRecord> {
        Arc::new(AuditRecord {
            audit: self.clone(),
            method: method.unwrap_or("unknown").trim_start_matches('/').to_owned(),
            peer: peer.cloned(),
            log_level: OnceLock::new(),
            client: OnceLock::new(),
            code: Mutex::new("CANCELLED"),
            has_line: AtomicBool::new(false),
        })
    }
}

impl AuditRecord {
    /// Who it is of.
    pub fn set_client(&self, client: &ClientIdentity) {
        let _ = self.client.set((client.name.clone(), client.auth_method));
    }

    /// Which level the log shall have, by this call.
    pub fn log_level(&self, level: &'static str) {
        let _ = self.log_level.set(level);
    }

    /// How the call ended, as gRPC writes it. Without this it was cancelled.
    pub fn ended(&self, code: &'static str) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }

    /// One of its images ended.
    pub fn image(&self, image: Image<'_>, code: &'static str) {
        self.has_line.store(true, Relaxed);
        self.line(image, code);
    }

    fn line(&self, image: Image<'_>, code: &'static str) {
        let client = self.client.get();
        let line = Line {
            time: prost_types::Timestamp::from(SystemTime::now()).to_string(),
            client: client.map(|(name, _)| &**name),
            auth_method: client
                .map_or(AuthMethod::None, |&(_, auth_method)| auth_method)
                .name(),
            peer: self.peer.as_ref().map(Peer::display_address),
            proxy: self.peer.as_ref().and_then(|peer| peer.proxy),
            method: &self.method,
            model: image.model,
            request_id: image.request_id,
            image_hash: image.hash,
            code,
            decision: image
                .accepted
                .map(|accepted| if accepted { "ACCEPT" } else { "REJECT" }),
            log_level: self.log_level.get().copied(),
        };
        // Text and numbers are always JSON.
        if let Ok(line) = serde_json::to_string(&line) {
            self.audit.0.line(line);
        }
    }
}

impl Drop for AuditRecord {
    fn drop(&mut self) {
        if !self.has_line.load(Relaxed) {
            let code = *self.code.lock().unwrap_or_else(PoisonError::into_inner);
            self.line(Image::default(), code);
        }
    }
}
