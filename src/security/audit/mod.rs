//! The audit log: one JSON line a request, who asked what of which model and how it ended. Nothing of the image but its hash, nothing
//! of the answer but the decision.

mod record;

use std::sync::Arc;

pub use record::{AuditRecord, Image};

use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::line_log::{Destination, LineLog};
use crate::config;

/// The log of this process. Clones are the same.
#[derive(Clone)]
pub struct Audit(LineLog);

impl Audit {
    /// Opens the file to be written to behind what it holds; `None` where the settings name none.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(
        settings: &config::Audit,
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

    /// Begins the file anew, where something has moved it away.
    pub fn reopen(&self) {
        self.0.reopen();
    }

    /// Waits until everything so far was written, for a few seconds at most. Not for a thread that others wait for.
    pub fn flush(&self) {
        self.0.flush();
    }
}
