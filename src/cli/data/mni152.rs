//! `sagate data mni152`: a second head.

use std::path::PathBuf;

use sagate_lab::data::t1;
use serde::Serialize;

use crate::cli::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate data mni152`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Try it:  make nilearn && sagate data mni152 --out tasks\n         \
    sagate --model t1-brain evaluate --data tasks/mni152-brain"
)]
pub struct Args {
    /// The template's file, or the folder that holds it under the name it has in nilearn
    #[arg(long, value_name = "DIR_OR_FILE", default_value = ".tools/nilearn")]
    mni152: PathBuf,
    /// Folder to write mni152-brain/ to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder where it is there already but differs
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Written {
    dir: PathBuf,
    written: bool,
    images: usize,
}

pub(super) fn run(args: &Args, settings: &Settings) -> anyhow::Result<Exit> {
    let made = t1::build_mni152(&args.mni152, &args.out, args.force)?;
    let images = made.slices.iter().sum();
    if settings.json() {
        out::json(&Written {
            dir: made.dir,
            written: made.written,
            images,
        })?;
    } else {
        let verb = if made.written { "are" } else { "were already" };
        out::line(&format!("{images} images {verb} in {}", made.dir.display()))?;
    }
    Ok(Exit::Ok)
}
