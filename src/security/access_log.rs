//! The access log: one line a call, over gRPC or HTTP, with how long it took and how much it carried. Nothing that a caller made up but
//! an id that keeps to the protocol's rule.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::client::{ClientIdentity, Peer};
use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::line_log::{Destination, LineLog};
use crate::config::{self, AccessFormat};

/// The log of this process. Clones are the same.
#[derive(Clone)]
pub struct AccessLog {
    lines: LineLog,
    format: AccessFormat,
    clients: bool,
}

/// A call on its way to its line, which is written when the last that holds this lets go.
pub struct AccessRecord {
    log: AccessLog,
    begun: Instant,
    begun_at: SystemTime,
    protocol: &'static str,
    method: OnceLock<String>,
    peer: Option<Peer>,
    client: OnceLock<Arc<str>>,
    request_id: OnceLock<String>,
    /// Its images have different ids: none stands for all.
    several_ids: AtomicBool,
    images: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    http_status: AtomicU16,
    seconds: OnceLock<f64>,
    /// What the caller was told.
    reported: Mutex<Option<&'static str>>,
    /// How the call ended for who answered it.
    ended: Mutex<Option<&'static str>>,
}

impl AccessLog {
    /// Opens the file to be written to behind what it holds; `None` where the settings name none.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(
        settings: &config::AccessLog,
        counts: &Arc<SecurityCounts>,
    ) -> Result<Option<AccessLog>, SecurityError> {
        if settings.file.as_os_str().is_empty() {
            return Ok(None);
        }
        let destination = Destination {
            setting: "access_log.file",
            name: "access log",
            path: settings.file.clone(),
            max_bytes: settings.max_bytes,
            keep: settings.keep,
        };
        let counts = counts.clone();
        let counted = Arc::new(move |written| counts.access_logged(written));
        Ok(Some(AccessLog {
            lines: LineLog::open(destination, counted)?,
            format: settings.format,
            clients: settings.clients,
        }))
    }

    /// Begins the file anew, where something has moved it away.
    pub fn reopen(&self) {
        self.lines.reopen();
    }

    /// Waits until everything so far was written, for a few seconds at most. Not for a thread that others wait for.
    pub fn flush(&self) {
        self.lines.flush();
    }

    /// A call begins. `method` is `SERVICE/METHOD`, one that is served; `None`: something else.
    pub fn begin(
        &self,
        protocol: &'static str,
        method: Option<&str>,
        peer: Option<&Peer>,
    ) -> Arc<AccessRecord> {
        let record = AccessRecord {
            log: self.clone(),
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            protocol,
            method: OnceLock::new(),
            peer: peer.cloned(),
            client: OnceLock::new(),
            request_id: OnceLock::new(),
            several_ids: AtomicBool::new(false),
            images: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            http_status: AtomicU16::new(0),
            seconds: OnceLock::new(),
            reported: Mutex::new(None),
            ended: Mutex::new(None),
        };
        if let Some(method) = method {
            record.set_method(method);
        }
        Arc::new(record)
    }
}

impl AccessRecord {
    /// The method that is asked, `SERVICE/METHOD`, where it was not known from the beginning.
    pub fn set_method(&self, method: &str) {
        let _ = self.method.set(method.trim_start_matches('/').to_owned());
    }

    /// Who it is of.
    pub fn set_client(&self, client: &ClientIdentity) {
        let _ = self.client.set(client.name.clone());
    }

    /// An image of it begins.
    pub fn image(&self) {
        self.images.fetch_add(1, Relaxed);
    }

    /// The caller's name for an image of it, one that keeps to the protocol's rule.
    pub fn request_id(&self, id: &str) {
        if self.request_id.get_or_init(|| id.to_owned()).as_str() != id {
            self.several_ids.store(true, Relaxed);
        }
    }

    /// Bytes of its body came.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
    }

    /// Bytes of its answer's body went.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// The answer began with this status of HTTP.
    pub fn http_status(&self, status: u16) {
        self.http_status.store(status, Relaxed);
    }

    /// What the caller was told of its end, as gRPC writes it.
    pub fn set_code(&self, code: &'static str) {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    /// Its answer is out, or nobody waits for it any more. What still works for it counts no longer.
    pub fn closed(&self) {
        let _ = self.seconds.set(self.begun.elapsed().as_secs_f64());
    }

    /// How it ended, as gRPC writes it, where the caller is told nothing else.
    pub fn ended(&self, code: &'static str) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    fn code(&self) -> &'static str {
        let get = |code: &Mutex<Option<&'static str>>| *code.lock().unwrap_or_else(PoisonError::into_inner);
        let by_status = || match self.http_status.load(Relaxed) {
            // It went away before it was answered.
            0 => "CANCELLED",
            200..400 => "OK",
            _ => "UNKNOWN",
        };
        get(&self.reported)
            .or_else(|| get(&self.ended))
            .unwrap_or_else(by_status)
    }

    /// Names and values in their order; what is not known is null.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let several_ids = self.several_ids.load(Relaxed);
        let request_id = self.request_id.get().filter(|_| !several_ids);
        let seconds = self.seconds.get().copied();
        let seconds = seconds.unwrap_or_else(|| self.begun.elapsed().as_secs_f64());
        let count = |it: &AtomicU64| json!(it.load(Relaxed));
        let mut fields = vec![
            (
                "time",
                json!(prost_types::Timestamp::from(self.begun_at).to_string()),
            ),
            ("protocol", json!(self.protocol)),
            (
                "method",
                json!(self.method.get().map_or("unknown", String::as_str)),
            ),
            ("code", json!(self.code())),
            (
                "http_status",
                json!(Some(self.http_status.load(Relaxed)).filter(|it| *it > 0)),
            ),
            ("seconds", json!((seconds * 1e6).round() / 1e6)),
            ("bytes_in", count(&self.received)),
            ("bytes_out", count(&self.sent)),
            ("images", count(&self.images)),
            ("request_id", json!(request_id)),
        ];
        if self.log.clients {
            let peer = self.peer.as_ref();
            fields.extend([
                ("client", json!(self.client.get().map(|name| &**name))),
                ("peer", json!(peer.map(Peer::display_address))),
                ("proxy", json!(peer.and_then(|peer| peer.proxy))),
            ]);
        }
        fields
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let fields = self.fields();
        let line = match self.log.format {
            AccessFormat::Json => {
                let members: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
            AccessFormat::Logfmt => {
                let known = fields.iter().filter(|(_, value)| !value.is_null());
                let pairs: Vec<String> = known
                    .map(|(name, value)| format!("{name}={}", bare(value)))
                    .collect();
                pairs.join(" ")
            }
        };
        self.log.lines.line(line);
    }
}

/// A value without quotes where it needs none.
fn bare(value: &Value) -> String {
    match value {
        Value::String(text)
            if text
                .bytes()
                .all(|it| it.is_ascii_graphic() && !b"=\"\\".contains(&it)) =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}
