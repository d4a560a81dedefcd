//! Flags of the server and its timeouts.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::{DEFAULT_SERVER, ServerUrl};
use crate::engine::Priority;

/// A server as the backend.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct WorkAt {
    /// Use the server at URL, with its models and gate settings [default: run locally]
    #[arg(long, value_name = "URL")]
    pub server: Option<ServerUrl>,
    /// Scheduling priority at --server
    #[arg(long, value_name = "CLASS", requires = "server", default_value = "routine")]
    pub priority: Priority,
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The server that a command queries.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER)]
    pub server: ServerUrl,
    #[command(flatten)]
    pub access: AccessArgs,
}

/// TLS and credentials; each flag overrides a setting of the section `client`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct AccessArgs {
    /// PEM file of certificate authorities for https:// servers [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file of the client certificate [default: none]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file of the private key of --cert
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with the access token [default: none]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl AccessArgs {
    /// The settings of these flags.
    pub fn flags(&self) -> Vec<(&'static str, Option<String>)> {
        let flags = [
            ("client.ca", &self.ca),
            ("client.cert", &self.cert),
            ("client.key", &self.key),
            ("client.token_file", &self.token_file),
        ];
        let text = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        flags.into_iter().map(|(key, path)| (key, text(path))).collect()
    }
}

/// Parses a duration in seconds.
///
/// # Errors
/// Not a number from 0.05 to 3600.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it must be a number of seconds from 0.05 to 3600".into())
}
