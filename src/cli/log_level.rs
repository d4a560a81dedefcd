//! `sagate log-level`: prints or changes the log level of a running server.

use anyhow::Context;
use serde_json::json;

use super::server::AccessArgs;
use super::{Exit, out};
use crate::client::{ServerUrl, log_level};
use crate::config::{LogLevel, Settings};

/// Default admin address of `sagate serve`.
const DEFAULT_ADMIN: &str = "http://127.0.0.1:9464";

/// Arguments of `sagate log-level`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Asks the admin port of a server, with a token that has the role admin. A level that is set lasts until the server ends or another is set;
the setting log.level is that of the next start.

Try it:  sagate log-level debug --token-file admin.token")]
pub struct Args {
    /// The new log level [default: print the current one]
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
/// A refusal, or a server that does not answer.
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
