//! Section `access_log`.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::config::rule::{any, one_of, switch, whole, zero_or};
use crate::config::section::section;
use crate::config::value::named_settings;

section! {
    /// The access log: one line per call.
    pub struct AccessLogSettings: "access_log" {
        /// A file that gets one line per call, over gRPC or HTTP: method, code, seconds, bytes, caller, request
        /// id. SIGHUP reopens it.
        file: PathBuf = "", any("a file, or \"\" (no access log)");
        /// Format of a line: `"json"` (one object) or `"logfmt"` (`key=value`).
        format: AccessFormat = "json", one_of();
        /// Whether a line has the caller's proven name and address.
        clients: bool = true, switch();
        /// Size in bytes at which the file is rotated to FILE.1, FILE.2, and so on.
        max_bytes: u64 = 104857600, zero_or("never rotated", ..);
        /// Number of rotated files that are kept.
        keep: u64 = 10, whole(1..=10_000);
    }
}

/// Format of a line of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessFormat {
    /// One JSON object.
    Json,
    /// `key=value` separated by blanks.
    Logfmt,
}

named_settings!(AccessFormat);
