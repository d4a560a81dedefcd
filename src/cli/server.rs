//! The flags that name a server, and say how long it is waited for.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::{DEFAULT_SERVER, ServerUrl};
use crate::engine::Priority;

/// A server that does the work in place of this machine.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct WorkAt {
    /// Let the server at URL do the work, with its models and its gate's settings [default: this machine does]
    #[arg(long, value_name = "URL")]
    pub server: Option<ServerUrl>,
    /// Of the images that wait at --server, which goes first; a lower one waits for a higher one, though not for ever
    #[arg(long, value_name = "CLASS", requires = "server", default_value = "routine")]
    pub priority: Priority,
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The server that a command asks about itself.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER)]
    pub server: ServerUrl,
    #[command(flatten)]
    pub access: AccessArgs,
}

/// Whom to believe, and what to show; each stands for a setting of the section `client`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct AccessArgs {
    /// Believe a server of an https:// URL by these authorities, PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show this certificate to the server, PEM [default: none]
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Private key of --cert, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Send the token that this file holds [default: none]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl AccessArgs {
    /// The settings that these flags stand for.
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

/// A span of time as flags give it, in seconds.
///
/// # Errors
/// What is no number from 0.05 to 3600.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.05..=3600.0).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it must be a number of seconds from 0.05 to 3600".into())
}
