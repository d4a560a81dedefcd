//! `sagate data phantom`: drawn images that stand in for data sets that are not available.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sagate_core::imaging::figure;
use sagate_lab::data::phantom::{Family, PhantomPlan, build};
use sagate_lab::data::{DataError, Task};
use serde::Serialize;

use super::pictures;
use crate::cli::{Exit, UsageError, out};
use crate::config::Settings;

/// Arguments of `sagate data phantom`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Phantoms are drawn, not acquired: what is measured on them says nothing about patients, nor about the \
    data set that a family stands in for.\n\n\
    Try it:  sagate data phantom --family all --out tasks --pictures phantoms.png"
)]
pub struct Args {
    /// Families to draw: all, or some of brats-like, isic-like, covid-like, prostate-like, pancreas-like
    #[arg(long, value_name = "all|NAME[,NAME]", value_delimiter = ',', required = true)]
    family: Vec<Choice>,
    /// Folder to write a task folder for each family to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Height and width of the images in pixels
    #[arg(long, value_name = "N", default_value_t = 128)]
    side: usize,
    /// Images to train with
    #[arg(long, value_name = "N", default_value_t = 200)]
    train: usize,
    /// Images to validate with
    #[arg(long, value_name = "N", default_value_t = 50)]
    validation: usize,
    /// Images to test with
    #[arg(long, value_name = "N", default_value_t = 100)]
    test: usize,
    /// Source of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Replace tasks that are there already but differ
    #[arg(long)]
    force: bool,
    /// File to write a picture of some test images to, with their masks, by difficulty
    #[arg(long, value_name = "FILE.png")]
    pictures: Option<PathBuf>,
}

/// What `--family` takes.
#[derive(Debug, Clone, Copy)]
enum Choice {
    All,
    One(Family),
}

impl FromStr for Choice {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "all" => Ok(Self::All),
            name => name.parse().map(Self::One),
        }
    }
}

#[derive(Serialize)]
struct Drawn<'a> {
    family: Family,
    dir: &'a Path,
    channels: &'a [String],
    side: usize,
    train: usize,
    validation: usize,
    test: usize,
    seed: u64,
}

/// Runs `sagate data phantom`.
///
/// # Errors
/// A number that is out of its range, a different task that is there already, files that cannot be written.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<Exit> {
    let plans = args.plans();
    for plan in &plans {
        // The message begins with the field, which is the flag's name.
        plan.check().map_err(|error| UsageError(format!("--{error}")))?;
    }
    let bar = out::progress(plans.len() as u64, "drawing");
    let mut tasks = Vec::with_capacity(plans.len());
    for plan in &plans {
        tasks.push(build(plan, &args.out, args.force)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(file) = &args.pictures {
        figure::write_png(file, &pictures::draw(&tasks)?)?;
    }
    report(&plans, &tasks, settings)?;
    Ok(Exit::Ok)
}

impl Args {
    /// A plan for each family, in the order of the paper's tables.
    fn plans(&self) -> Vec<PhantomPlan> {
        let chosen = |family: Family| {
            self.family.iter().any(|choice| match choice {
                Choice::All => true,
                Choice::One(one) => *one == family,
            })
        };
        Family::ALL
            .into_iter()
            .filter(|&family| chosen(family))
            .map(|family| PhantomPlan {
                family,
                side: self.side,
                train: self.train,
                validation: self.validation,
                test: self.test,
                seed: self.seed,
            })
            .collect()
    }
}

fn report(plans: &[PhantomPlan], tasks: &[Task], settings: &Settings) -> anyhow::Result<()> {
    let rows = plans.iter().zip(tasks).map(|(plan, task)| Drawn {
        family: plan.family,
        dir: task.dir(),
        channels: task.channels(),
        side: plan.side,
        train: plan.train,
        validation: plan.validation,
        test: plan.test,
        seed: plan.seed,
    });
    if settings.json() {
        return out::json(&rows.collect::<Vec<_>>());
    }
    let mut table = out::table(&["phantoms", "folder", "channels", "train", "validation", "test"]);
    for row in rows {
        table.add_row([
            row.family.to_string(),
            row.dir.display().to_string(),
            row.channels.join(", "),
            row.train.to_string(),
            row.validation.to_string(),
            row.test.to_string(),
        ]);
    }
    Ok(out::print(&table)?)
}
