//! Section `access_log`: one line a call.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{ConfigError, Reader};

/// Section `access_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// A file that gets one line a call; empty: there is none.
    pub file: PathBuf,
    /// How a line looks.
    pub format: AccessFormat,
    /// Whether a line says who called: the proven name, and the address.
    pub clients: bool,
    /// Bytes after which the file is set aside and a new one begun; 0: never.
    pub max_bytes: u64,
    /// How many that were set aside are kept.
    pub keep: u64,
}

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessFormat {
    /// One JSON object.
    Json,
    /// `key=value` with blanks between.
    Logfmt,
}

/// Each key, and what a right value looks like.
pub(super) const KEYS: [(&str, &str); 5] = [
    ("access_log.file", "a file, or \"\" (no access log)"),
    ("access_log.format", "\"json\" or \"logfmt\""),
    ("access_log.clients", "true or false"),
    (
        "access_log.max_bytes",
        "a whole number, 0 (never set aside) or more",
    ),
    ("access_log.keep", "a whole number from 1 to 10000"),
];

impl AccessLog {
    pub(super) fn read(reader: &mut Reader) -> Result<AccessLog, ConfigError> {
        Ok(AccessLog {
            file: reader.get("access_log.file")?,
            format: reader.get("access_log.format")?,
            clients: reader.get("access_log.clients")?,
            max_bytes: reader.get("access_log.max_bytes")?,
            keep: reader.get("access_log.keep")?,
        })
    }
}
