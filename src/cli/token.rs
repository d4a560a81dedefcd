//! `sagate token`: creates an access token for a client.

use serde_json::json;

use super::{Exit, UsageError, out};
use crate::config::{Role, Settings};
use crate::security::tokens;

/// Arguments of `sagate token`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the token, which is for the client alone and is kept nowhere, and the line that goes into the file of the setting auth.tokens. The
line holds no secret. A server looks at its file every tls.reload_seconds: a line that is gone ends its token.

Try it:  sagate token viewer-3 --role infer --role interpret")]
pub struct Args {
    /// The client's name, for the audit log
    #[arg(value_name = "NAME")]
    name: String,
    /// A role of the client; repeatable
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
}

/// Runs `sagate token`.
///
/// # Errors
/// A name that is invalid in the file, or no random source.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let roles = args.roles.into_iter().collect();
    let made = tokens::make(&args.name, roles).map_err(UsageError)?;
    if settings.json() {
        out::json(&json!({"token": made.token, "line": made.line}))?;
    } else {
        out::line(&format!("token  {}", made.token))?;
        out::line(&format!("line   {}", made.line))?;
    }
    Ok(Exit::Ok)
}
