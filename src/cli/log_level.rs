//! `sagate log-level`: which level a running server logs, and another one.

use anyhow::Context;
use serde_json::json;

use super::server::AccessArgs;
use super::{Exit, out};
use crate::client::{ServerUrl, log_level};
use crate::config::{LogLevel, Settings};

/// Where `sagate serve` answers its admin port unless it is told otherwise.
const DEFAULT_ADMIN: &str = "http://127.0.0.1:9464";

/// Arguments of `sagate log-level`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks the admin port of a server, with a token that has the role admin. A level that is set lasts until the server ends or another is set;
the setting log.level is that of the next start.

Try it:  sagate log-level debug --token-file admin.token")]
pub struct Args {
    /// The least severe level to log from now on [default: only say which it is]
    #[arg(value_name = "LEVEL")]
    level: Option<LogLevel>,
    /// The server's admin address, http://HOST:PORT or https://HOST:PORT
    #[arg(long, value_name = "URL", default_value = DEFAULT_ADMIN)]
    admin: ServerUrl,
    #[command(flatten)]
    pub(super) access: AccessArgs,
}

/// Runs `sagate log-level`.
///
/// # Errors
/// What the server refuses, or a server that does not answer.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for a request")?;
    let level = runtime.block_on(log_level(&args.admin, &settings.client, args.level))?;
    if settings.json() {
        out::json(&json!({ "admin": args.admin.to_string(), "level": level }))?;
    } else {
        out::line(&level)?;
    }
    Ok(Exit::Ok)
}
