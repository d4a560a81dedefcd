//! `sagate completions`: a completion script for a shell.

use clap_complete::Shell;

use super::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Try it:  source <(sagate completions bash)")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Runs `sagate completions`.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(args: Args, _settings: &Settings) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::definition(), "sagate", &mut script);
    out::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
