//! The flags that name a server.

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
