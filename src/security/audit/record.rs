//! Audit record of one call.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use super::Audit;
use crate::security::client::{AuthMethod, ClientIdentity, Peer};

/// Audit record of one call. It writes a line per image; a call without images writes one line when the last reference is dropped.
pub struct AuditRecord {
    audit: Audit,
    method: String,
    peer: Option<Peer>,
    /// Requested log level, in calls that set it.
    log_level: OnceLock<&'static str>,
    client: OnceLock<(Arc<str>, AuthMethod)>,
    code: Mutex<&'static str>,
    has_line: AtomicBool,
}

/// Audit data of one image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Image<'a> {
    /// `NAME@VERSION` of the model, if one was found.
    pub model: Option<&'a str>,
    /// The caller's name for the image.
    pub request_id: Option<&'a str>,
    /// SHA-256 of its bytes.
    pub hash: Option<&'a str>,
    /// Decision of the gate, if there is one.
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
    /// The trusted proxy that stated the peer.
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
    /// Begins the record of a call. `method` is a served `SERVICE/METHOD`; `None`: any other.
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
    /// Sets the caller.
    pub fn set_client(&self, client: &ClientIdentity) {
        let _ = self.client.set((client.name.clone(), client.auth_method));
    }

    /// Sets the log level that the call requests.
    pub fn log_level(&self, level: &'static str) {
        let _ = self.log_level.set(level);
    }

    /// Sets the gRPC status of the call; the default is CANCELLED.
    pub fn ended(&self, code: &'static str) {
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }

    /// Writes the line of one image.
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
        // Serialising text and numbers does not fail.
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
