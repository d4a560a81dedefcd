//! Why settings are refused.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file does not exist or cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not TOML, or a variable is not text.
    #[error("{origin}: {message}")]
    Syntax {
        /// File or variable.
        origin: String,
        /// What is wrong, with the line where there is one.
        message: String,
    },
    /// A key that no setting has.
    #[error("unknown setting `{key}` ({origin}); {hint}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it was found.
        origin: String,
        /// The valid key that was probably meant.
        hint: String,
    },
    /// A section that was given one value, like `server = "0.0.0.0"`, or a map in one variable.
    #[error("`{key}` ({origin}) is a section of settings and has no value of its own: {hint}")]
    Section {
        /// The section.
        key: String,
        /// Where it was found.
        origin: String,
        /// How one of its keys is set there.
        hint: String,
    },
    /// A value of the wrong type or out of range.
    #[error("setting `{key}` is {value} ({origin}): it must be {right}")]
    BadValue {
        /// The key.
        key: String,
        /// What it was.
        value: String,
        /// Where it was found.
        origin: String,
        /// What would be right.
        right: String,
    },
    /// A port beyond this machine without TLS.
    #[error(
        "setting `{key}` is {address}, which others can reach, and they would be answered without encryption: listen on 127.0.0.1, \
         or {right}, or set server.insecure = true (--insecure) where something in front of it encrypts"
    )]
    Exposed {
        /// The key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What would encrypt it.
        right: &'static str,
    },
}
