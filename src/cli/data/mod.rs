//! `sagate data`: making data sets, corrupting images, picking samples.

mod import;
mod mni152;
mod phantom;
mod pictures;
mod sets;

use std::path::{Path, PathBuf};

use sagate_lab::data::corruption::write_copies;
use sagate_lab::data::t1::{self, Templates};
use sagate_lab::data::{self, Corruption, CorruptionKind, Severity, samples};
use serde::Serialize;

use super::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate data`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make the tasks t1-brain and t1-nuclei from the volumes of Debian's mricron-data
    T1(T1),
    /// Draw phantoms that stand in for BraTS, ISIC, COVID-19 CT, prostate and pancreas
    Phantom(phantom::Args),
    /// Make test slices of a second head, MNI152, for the model of t1-brain
    Mni152(mni152::Args),
    /// Make a task of a published data set, or of folders of your own
    Import(import::Args),
    /// List the paper's data sets: which are there, where to get the others
    Sets(sets::Args),
    /// Write corrupted copies of images
    Corrupt(Corrupt),
    /// Pick the handful of clean and corrupted slices that the demo segments
    Samples(Samples),
}

/// Arguments of `sagate data t1`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --templates or the single files, the volumes are looked for in \
    /usr/share/mricron/templates; where they are missing, the package mricron-data is installed with apt-get.\n\n\
    Try it:  sagate data t1 --out tasks"
)]
struct T1 {
    /// Folder to write t1-brain/ and t1-nuclei/ to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder of the volumes under the names they have in mricron-data
    #[arg(long, value_name = "DIR", conflicts_with_all = ["ch2", "ch2bet", "aal", "inia19", "neuromaps"])]
    templates: Option<PathBuf>,
    /// T1 of the human head
    #[arg(long, value_name = "FILE", requires_all = ["ch2bet", "aal", "inia19"])]
    ch2: Option<PathBuf>,
    /// Its brain
    #[arg(long, value_name = "FILE", requires_all = ["ch2", "aal", "inia19"])]
    ch2bet: Option<PathBuf>,
    /// Its AAL atlas
    #[arg(long, value_name = "FILE", requires_all = ["ch2", "ch2bet", "inia19"])]
    aal: Option<PathBuf>,
    /// T1 of the macaque's brain
    #[arg(long, value_name = "FILE", requires_all = ["ch2", "ch2bet", "aal"])]
    inia19: Option<PathBuf>,
    /// The macaque's NeuroMaps atlas; without it its slices in t1-nuclei have no truth
    #[arg(long, value_name = "FILE", requires = "inia19")]
    neuromaps: Option<PathBuf>,
    /// Replace tasks that are there already but differ
    #[arg(long)]
    force: bool,
}

/// Arguments of `sagate data corrupt`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Try it:  sagate data corrupt tasks/t1-brain/test --kind motion --severity 2 --out corrupted"
)]
struct Corrupt {
    /// An image, or a folder of images with or without masks (DIR/images and DIR/masks, or DIR and DIR/masks)
    #[arg(value_name = "DIR_OR_FILE")]
    input: PathBuf,
    /// Kind of corruption
    #[arg(long)]
    kind: CorruptionKind,
    /// Severity: 1 (mild), 2 (moderate) or 3 (severe)
    #[arg(long, value_name = "1|2|3")]
    severity: Severity,
    /// Seed of the corruption's random parameters
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Images of another species, for other-species [default: the folder `other` beside a task's split]
    #[arg(long, value_name = "DIR")]
    other: Option<PathBuf>,
    /// Folder to write images/ and masks/ to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the folder where it holds something already
    #[arg(long)]
    force: bool,
}

/// Arguments of `sagate data samples`.
#[derive(Debug, clap::Args)]
struct Samples {
    /// Folder that `sagate data t1` wrote the tasks to
    #[arg(long, value_name = "DIR")]
    tasks: PathBuf,
    /// Folder to write them to
    #[arg(long, value_name = "DIR", default_value = "samples")]
    out: PathBuf,
    /// Replace the folder where it holds something already
    #[arg(long)]
    force: bool,
}

/// Runs `sagate data`.
///
/// # Errors
/// Whatever is wrong with the files that are read or the folder that is written, each a sentence that names it.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    match args.what {
        What::T1(args) => make_t1(args, settings),
        What::Phantom(args) => phantom::run(&args, settings),
        What::Mni152(args) => mni152::run(&args, settings),
        What::Import(args) => import::run(args, settings),
        What::Sets(args) => sets::run(&args, settings),
        What::Corrupt(args) => corrupt(&args, settings),
        What::Samples(args) => pick_samples(&args, settings),
    }
}

#[derive(Serialize)]
struct MadeTask<'a> {
    task: &'a str,
    dir: &'a Path,
    written: bool,
    train: usize,
    validation: usize,
    test: usize,
    other: usize,
}

fn make_t1(args: T1, settings: &Settings) -> anyhow::Result<Exit> {
    let templates = match (args.ch2, args.ch2bet, args.aal, args.inia19, &args.templates) {
        (Some(ch2), Some(ch2bet), Some(aal), Some(inia19), _) => Templates {
            ch2,
            ch2bet,
            aal,
            inia19,
            neuromaps: args.neuromaps,
        },
        (.., Some(dir)) => Templates::in_folder(dir),
        (.., None) => installed()?,
    };
    let made = t1::build(&templates, &args.out, args.force)?;
    let rows = made.iter().map(|made| {
        let [train, validation, test, other] = made.slices;
        MadeTask {
            task: &made.task,
            dir: &made.dir,
            written: made.written,
            train,
            validation,
            test,
            other,
        }
    });
    if settings.json() {
        out::json(&rows.collect::<Vec<_>>())?;
        return Ok(Exit::Ok);
    }
    let mut table = out::table(&[
        "task",
        "folder",
        "train",
        "validation",
        "test",
        "other species",
        "",
    ]);
    for row in rows {
        table.add_row([
            row.task.to_owned(),
            row.dir.display().to_string(),
            row.train.to_string(),
            row.validation.to_string(),
            row.test.to_string(),
            row.other.to_string(),
            if row.written {
                "written"
            } else {
                "was there already"
            }
            .to_owned(),
        ]);
    }
    out::line(&table.to_string())?;
    Ok(Exit::Ok)
}

/// The volumes of the installed package, which is installed first where it is missing.
fn installed() -> anyhow::Result<Templates> {
    let dir = Path::new(t1::FOLDER);
    let templates = Templates::in_folder(dir);
    if templates.missing().is_none() {
        return Ok(templates);
    }
    out::error("the volumes of mricron-data are not installed; installing the package with apt-get");
    t1::install()?;
    Ok(Templates::in_folder(dir))
}

#[derive(Serialize)]
struct Corrupted<'a> {
    out: &'a Path,
    corruption: Corruption,
    images: usize,
}

fn corrupt(args: &Corrupt, settings: &Settings) -> anyhow::Result<Exit> {
    let stack = if args.input.is_dir() {
        data::folder(&args.input)?
    } else {
        vec![data::file(&args.input)?]
    };
    let corruption = Corruption {
        kind: args.kind,
        severity: args.severity,
        seed: args.seed,
    };
    let other = match (args.kind, &args.other) {
        (CorruptionKind::OtherSpecies, Some(dir)) => data::folder(dir)?,
        (CorruptionKind::OtherSpecies, None) => {
            beside(&args.input).map_or(Ok(Vec::new()), |dir| data::folder(&dir))?
        }
        _ => Vec::new(),
    };
    let bar = out::progress(stack.len() as u64, "corrupting");
    let written = write_copies(&corruption, &stack, &other, &args.out, args.force, || bar.inc(1));
    bar.finish_and_clear();
    written?;
    if settings.json() {
        out::json(&Corrupted {
            out: &args.out,
            corruption,
            images: stack.len(),
        })?;
    } else {
        let Corruption { kind, severity, seed } = corruption;
        let out = args.out.display();
        out::line(&format!(
            "{} images with {kind} of severity {severity} (seed {seed}) are in {out}",
            stack.len()
        ))?;
    }
    Ok(Exit::Ok)
}

/// The folder of another species that a task keeps beside the split, where the input is a split of a task.
fn beside(input: &Path) -> Option<PathBuf> {
    let task = input.canonicalize().ok()?.parent()?.to_owned();
    let other = task.join("other");
    (task.join("task.toml").is_file() && other.is_dir()).then_some(other)
}

fn pick_samples(args: &Samples, settings: &Settings) -> anyhow::Result<Exit> {
    let samples = samples::write(&args.tasks, &args.out, args.force)?;
    if settings.json() {
        out::json(&samples)?;
    } else {
        out::line(&format!(
            "{} samples are in {}",
            samples.len(),
            args.out.display()
        ))?;
    }
    Ok(Exit::Ok)
}
