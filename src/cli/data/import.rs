//! `sagate data import`: published data sets, and others in layouts that are widely used.

use std::path::{Path, PathBuf};

use sagate_lab::data::published::{Empty, Import, Layout, Options, import};
use sagate_lab::data::{Split, Splits};
use serde::Serialize;

use crate::cli::{Exit, out};
use crate::config::Settings;

/// Arguments of `sagate data import`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Splits are made by subject. `sagate data sets` says where the paper's data sets are to be had.\n\n\
    Try it:  sagate data import prostate --root /data --out tasks/prostate --side 128"
)]
pub struct Args {
    /// What lies there
    #[arg(value_name = "LAYOUT")]
    layout: Layout,
    /// Where it lies: the data set's own folder, or, for the paper's five, one that holds it
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// The task's folder, to be written
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Resample every image to so many pixels a side
    #[arg(long, value_name = "N")]
    side: Option<usize>,
    /// Which random split
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Share of the training subjects that validate [default: 0.1, or the data set's own validation split]
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// Share of the subjects that test [default: the paper's or the data set's own split, else 0.2]
    #[arg(long, value_name = "SHARE")]
    test: Option<f64>,
    /// What happens to slices without object
    #[arg(long, value_enum, default_value = "drop")]
    empty: Empty,
    /// Labels of the masks that make the object, as in 1,2 [default: all but 0]
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    object: Option<Vec<u16>>,
    /// Replace the folder where it holds something already
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Imported<'a> {
    task: &'a str,
    dir: &'a Path,
    train: usize,
    validation: usize,
    test: usize,
    splits: &'a Splits,
}

pub(super) fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let what = Import {
        layout: args.layout,
        root: args.root,
        options: Options {
            side: args.side,
            seed: args.seed,
            validation: args.validation,
            test: args.test,
            empty: args.empty,
            object: args.object,
        },
    };
    let bar = out::progress(0, "importing");
    let task = import(&what, &args.out, args.force, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let task = task?;
    let [train, validation, test] = Split::ALL.map(|split| images(task.dir(), split));
    let splits = &task.file().splits;
    if settings.json() {
        out::json(&Imported {
            task: task.name(),
            dir: task.dir(),
            train: train?,
            validation: validation?,
            test: test?,
            splits,
        })?;
        return Ok(Exit::Ok);
    }
    let mut table = out::table(&["split", "slices", "of"]);
    for (split, count, words) in [
        ("train", train?, &splits.train),
        ("validation", validation?, &splits.validation),
        ("test", test?, &splits.test),
    ] {
        table.add_row([split.to_owned(), count.to_string(), words.clone()]);
    }
    out::print(&table)?;
    out::line(&format!("left out: {}", splits.left_out))?;
    out::line(&format!("task {} is in {}", task.name(), task.dir().display()))?;
    Ok(Exit::Ok)
}

/// How many images a split has.
fn images(task: &Path, split: Split) -> std::io::Result<usize> {
    Ok(std::fs::read_dir(task.join(split.name()).join("images"))?.count())
}
