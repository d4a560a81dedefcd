//! `sagate config`: prints settings and their sources, and checks settings files.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::{Exit, out};
use crate::config::{self, Entry, Origin, Settings};

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
    /// Print a settings file with every setting, its default and what it does
    Example,
    /// Print the reference page of the settings, in Markdown
    Reference,
}

impl Args {
    /// Whether it works without settings.
    pub(super) fn needs_no_settings(&self) -> bool {
        !matches!(self.action, Action::Print)
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
                .filter(|it| it.origin != Origin::Default)
                .count();
            out::line(&format!(
                "{}: fine, sets {set} of {} settings",
                file.display(),
                checked.entries().len()
            ))?;
        }
        Action::Example => out::line(config::example().trim_end())?,
        Action::Reference => out::line(config::reference().trim_end())?,
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
