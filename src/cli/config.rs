//! `sagate config`: prints settings and their sources, and checks settings files.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{Exit, out};
use crate::config::{Entry, Settings};

/// Arguments of `sagate config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show every setting, its value and its source
    Print,
    /// Check a settings file: its keys, their types and ranges
    Check {
        /// The file
        file: PathBuf,
    },
}

impl Args {
    pub(super) fn is_check(&self) -> bool {
        matches!(self.action, Action::Check { .. })
    }
}

/// Runs `sagate config`.
///
/// # Errors
/// The settings are wrong.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    match args.action {
        Action::Print => print(settings)?,
        Action::Check { file } => {
            let checked = Settings::check(&file)?;
            let set = checked
                .entries()
                .iter()
                .filter(|it| it.origin != crate::config::Origin::Default)
                .count();
            out::line(&format!(
                "{}: fine, sets {set} of {} settings",
                file.display(),
                checked.entries().len()
            ))?;
        }
    }
    Ok(Exit::Ok)
}

fn print(settings: &Settings) -> anyhow::Result<()> {
    if settings.json() {
        let one = |entry: &Entry| {
            let value = json!({"value": entry.value, "source": entry.origin.name(&entry.key)});
            (entry.key.to_string(), value)
        };
        return out::json(
            &settings
                .entries()
                .iter()
                .map(one)
                .collect::<serde_json::Map<_, _>>(),
        );
    }
    let mut table = out::table(&["setting", "value", "from"]);
    for entry in settings.entries() {
        table.add_row([
            entry.key.to_string(),
            entry.value.to_string(),
            entry.origin.name(&entry.key),
        ]);
    }
    Ok(out::print(&table)?)
}
