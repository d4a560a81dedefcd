//! The access log: one line per gRPC or HTTP call with duration and sizes. The only caller-supplied text in it is a request id that follows
//! the rule of the protocol.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::client::{ClientIdentity, Peer};
use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::line_log::{Destination, LineLog};
use crate::config::{self, AccessFormat};

/// The access log of this process. Clones share it.
#[derive(Clone)]
pub struct AccessLog {
    lines: LineLog,
    format: AccessFormat,
    clients: bool,
}

/// Access record of one call. The line is written when the last reference is dropped.
pub struct AccessRecord {
    log: AccessLog,
    begun: Instant,
    begun_at: SystemTime,
    protocol: &'static str,
    method: OnceLock<String>,
    peer: Option<Peer>,
    client: OnceLock<Arc<str>>,
    request_id: OnceLock<String>,
    /// Whether its images have different ids; then none is logged.
    several_ids: AtomicBool,
    images: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    http_status: AtomicU16,
    seconds: OnceLock<f64>,
    /// Status sent to the caller.
    reported: Mutex<Option<&'static str>>,
    /// Status of the handler.
    ended: Mutex<Option<&'static str>>,
}

impl AccessLog {
    /// Opens the file for appending; `None` without one in the settings.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(
        settings: &config::AccessLogSettings,
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

    /// Reopens the file after an external rotation.
    pub fn reopen(&self) {
        self.lines.reopen();
    }

    /// Waits until all queued lines are written, for a few seconds at most. Blocks the thread.
    pub fn flush(&self) {
        self.lines.flush();
    }

    /// Begins the record of a call. `method` is a served `SERVICE/METHOD`; `None`: any other.
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
    /// Sets the method `SERVICE/METHOD` if it was not known at the beginning.
    pub fn set_method(&self, method: &str) {
        let _ = self.method.set(method.trim_start_matches('/').to_owned());
    }

    /// Sets the caller.
    pub fn set_client(&self, client: &ClientIdentity) {
        let _ = self.client.set(client.name.clone());
    }

    /// Counts an image.
    pub fn image(&self) {
        self.images.fetch_add(1, Relaxed);
    }

    /// Sets the request id of an image, which must follow the rule of the protocol.
    pub fn request_id(&self, id: &str) {
        if self.request_id.get_or_init(|| id.to_owned()).as_str() != id {
            self.several_ids.store(true, Relaxed);
        }
    }

    /// Adds received body bytes.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
    }

    /// Adds sent body bytes.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// Sets the HTTP status.
    pub fn http_status(&self, status: u16) {
        self.http_status.store(status, Relaxed);
    }

    /// Sets the gRPC status sent to the caller.
    pub fn set_code(&self, code: &'static str) {
        *self.reported.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    /// Sets the end of the call: the answer is sent, or the caller is gone.
    pub fn closed(&self) {
        let _ = self.seconds.set(self.begun.elapsed().as_secs_f64());
    }

    /// Sets the gRPC status of the handler, which is logged if the caller gets no other.
    pub fn ended(&self, code: &'static str) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
    }

    fn code(&self) -> &'static str {
        let get = |code: &Mutex<Option<&'static str>>| *code.lock().unwrap_or_else(PoisonError::into_inner);
        let by_status = || match self.http_status.load(Relaxed) {
            // The caller left before the answer.
            0 => "CANCELLED",
            200..400 => "OK",
            _ => "UNKNOWN",
        };
        get(&self.reported)
            .or_else(|| get(&self.ended))
            .unwrap_or_else(by_status)
    }

    /// Field names and values in order; unknown values are null.
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

/// A value, quoted only if necessary.
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
