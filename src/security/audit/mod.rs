//! The audit log: one JSON line per request with caller, method, model and result. Of the image it holds only the hash, of the answer only
//! the decision.

mod record;

use std::sync::Arc;

pub use record::{AuditRecord, Image};

use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::line_log::{Destination, LineLog};
use crate::config;

/// The audit log of this process. Clones share it.
#[derive(Clone)]
pub struct Audit(LineLog);

impl Audit {
    /// Opens the file for appending; `None` without one in the settings.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(
        settings: &config::AuditSettings,
        counts: &Arc<SecurityCounts>,
    ) -> Result<Option<Audit>, SecurityError> {
        if settings.file.as_os_str().is_empty() {
            return Ok(None);
        }
        let destination = Destination {
            setting: "audit.file",
            name: "audit log",
            path: settings.file.clone(),
            max_bytes: settings.max_bytes,
            keep: settings.keep,
        };
        let counts = counts.clone();
        let lines = LineLog::open(destination, Arc::new(move |written| counts.audited(written)))?;
        Ok(Some(Audit(lines)))
    }

    /// Reopens the file after an external rotation.
    pub fn reopen(&self) {
        self.0.reopen();
    }

    /// Waits until all queued lines are written, for a few seconds at most. Blocks the thread.
    pub fn flush(&self) {
        self.0.flush();
    }
}
