//! `sagate data sets`: the paper's data sets, and which of them lie on this disk.

use std::path::PathBuf;

use sagate_lab::data::published::{About, Published, find};
use serde::Serialize;

use crate::cli::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate data sets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Try it:  sagate data sets --root /data")]
pub struct Args {
    /// Folder that holds the data sets, each in its published layout, in itself or in folders of their own
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    name: Published,
    #[serde(flatten)]
    about: About,
    /// Where its parts lie; none where they were not searched for, or not all are there.
    found: Option<Vec<PathBuf>>,
    /// Why it counts as missing.
    missing: Option<String>,
}

pub(super) fn run(args: &Args, settings: &Settings) -> anyhow::Result<Exit> {
    let rows = Published::ALL.map(|name| {
        let search = args.root.as_ref().map(|root| find(root, name));
        let (found, missing) = match search {
            None => (None, None),
            Some(Ok(found)) => (Some(found), None),
            Some(Err(error)) => (None, Some(error.to_string())),
        };
        Row {
            name,
            about: name.about(),
            found,
            missing,
        }
    });
    if settings.json() {
        out::json(&rows)?;
        return Ok(Exit::Ok);
    }
    for row in &rows {
        let state = match (&args.root, &row.found) {
            (None, _) => "",
            (Some(_), Some(_)) => ": is there",
            (Some(_), None) => ": is not there, or not whole",
        };
        out::line(&format!("{}{state}", row.name))?;
        let parts: Vec<String> = row.about.parts.iter().map(|part| part.join(" or ")).collect();
        out::line(&format!("  {}", row.about.title))?;
        out::line(&format!("  from   {}", row.about.source))?;
        out::line(&format!("  terms  {}", row.about.terms))?;
        out::line(&format!("  holds  {}", parts.join(", ")))?;
    }
    Ok(Exit::Ok)
}
