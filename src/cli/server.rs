//! The flags that name a server, and say how long it is waited for.

use std::time::Duration;

use crate::client::{DEFAULT_SERVER, ServerUrl};

/// A server that does the work in place of this machine.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct WorkAt {
    /// Let the server at URL do the work, with its models and its gate's settings [default: this machine does]
    #[arg(long, value_name = "URL")]
    pub server: Option<ServerUrl>,
}

/// The server that a command asks about itself.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server, http://HOST:PORT
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER)]
    pub server: ServerUrl,
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
