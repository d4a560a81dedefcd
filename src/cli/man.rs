//! `sagate man`: the man pages, one per command.

use std::path::PathBuf;

use anyhow::Context;

use super::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Read one:  sagate man | man -l -")]
pub struct Args {
    /// Folder to write `sagate.1`, `sagate-segment.1`, ... to; without it the main page goes to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `sagate man`.
///
/// # Errors
/// The folder or stdout cannot be written.
pub fn run(args: Args, _settings: &Settings) -> anyhow::Result<Exit> {
    let Some(folder) = args.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(super::definition()).render(&mut page)?;
        out::line(String::from_utf8_lossy(&page).trim_end())?;
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    clap_mangen::generate_to(super::definition(), &folder)
        .with_context(|| format!("cannot write man pages to {}", folder.display()))?;
    out::line(&format!("man pages are in {}", folder.display()))?;
    Ok(Exit::Ok)
}
