//! Section `audit`.

use std::path::PathBuf;

use crate::config::rule::{any, whole, zero_or};
use crate::config::section::section;

section! {
    /// The audit log: who asked what of which model, and how it ended.
    pub struct AuditSettings: "audit" {
        /// A file that gets one JSON line per request. SIGHUP reopens it.
        file: PathBuf = "", any("a file, or \"\" (no audit log)");
        /// Size in bytes at which the file is rotated to FILE.1, FILE.2, and so on.
        max_bytes: u64 = 104857600, zero_or("never rotated", ..);
        /// Number of rotated files that are kept.
        keep: u64 = 10, whole(1..=10_000);
    }
}
