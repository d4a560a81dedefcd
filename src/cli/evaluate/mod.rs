//! `sagate evaluate`: what the gate does on clean and damaged images, how well mu and the confidences rank them where their truth
//! is known, and what can be said where it is not.

mod figures;
mod group;
mod no_truth;
mod print;
mod report;
mod score;
mod truth;

use std::path::PathBuf;

use group::Group;
use no_truth::NoTruth;
use sagate_core::atomic;
use sagate_core::executor::ModelExecutor;
use sagate_core::gate::Policy;
use sagate_lab::data::{Damage, Grade, Kind};
use sagate_lab::study::judge::Area;
use score::Score;
use serde::Serialize;
use truth::{Judged, Ranking};

use super::dataset::{DataArgs, Dataset, SplitName};
use super::gate::GateArgs;
use super::{Exit, UsageError, loading, out};
use crate::config::Settings;

/// Arguments of `sagate evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Where the true masks are there, mu and the two confidences that cost nothing beside it are judged by how they rank the images by
Dice, each metric with a 95 % bootstrap interval. Where they are not, it tells how the scores are distributed, how many images each
coverage would reject, how far mu lies from the calibration's, and what cannot be said.

Try it:  sagate evaluate --model t1-brain --data tasks/t1-brain --damage all --report evaluation")]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Kinds of damage to try besides the clean images: `all`, or some of them
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    damage: Vec<DamageChoice>,
    /// Grades of each kind
    #[arg(long, value_name = "1|2|3", value_delimiter = ',', default_value = "1,2,3")]
    grades: Vec<Grade>,
    /// Which of the many ways a damage can happen, and which images the bootstrap draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Which area under the risk-coverage curve is told
    #[arg(long, default_value = "full")]
    aurc: Area,
    /// File to write every image's scores to (CSV)
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Folder to write report.html and report.md to, with every table and figure as a file of its own
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    gate: GateArgs,
}

/// `all`, or one kind of damage.
#[derive(Debug, Clone, Copy)]
enum DamageChoice {
    All,
    One(Kind),
}

impl std::str::FromStr for DamageChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(DamageChoice::All);
        }
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        found.map(DamageChoice::One).ok_or_else(|| {
            let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            format!("no such damage; `all` or one of {}", names.join(", "))
        })
    }
}

/// What a run found: `--json` prints it.
#[derive(Debug, Serialize)]
struct Evaluation {
    model: String,
    model_hash: String,
    data: String,
    groups: Vec<Group>,
    /// How mu ranks the images, and what the gate makes of it.
    all: Ranking,
    /// How well each score ranks the images whose truth is known; empty where no image has one.
    scores: Vec<Judged>,
    /// What can be said where no image has a truth; `null` where one has.
    no_truth: Option<NoTruth>,
    /// Every image's scores, for files and figures.
    #[serde(skip)]
    images: Vec<Score>,
}

/// Runs `sagate evaluate`.
///
/// # Errors
/// A model or images that cannot be read, a damage that these images cannot have, or a file that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let policy = args.gate.policy(settings)?;
    let pass = loading::pass(settings)?;
    let data = args.data.read(SplitName::Test)?;
    let evaluation = evaluate(&args, &pass, &policy, data)?;
    if let Some(path) = &args.csv {
        atomic::write(path, score::csv(&evaluation.images).as_bytes())?;
    }
    if let Some(folder) = &args.report {
        report::new(&evaluation, &args, pass.calibration(), &policy).write(folder)?;
    }
    if settings.json() {
        out::json(&evaluation)?;
    } else {
        print::evaluation(&evaluation, args.aurc, args.markdown)?;
        if let Some(folder) = &args.report {
            out::line(&format!("\n{}", folder.join("report.html").display()))?;
        }
    }
    Ok(Exit::Ok)
}

fn evaluate(args: &Args, pass: &ModelExecutor, policy: &Policy, data: Dataset) -> anyhow::Result<Evaluation> {
    let rounds = rounds(args, &data)?;
    let bar = out::progress(rounds.len() as u64, "evaluating");
    let mut images = Vec::new();
    for damage in rounds {
        images.extend(score::round(pass, policy, &data, damage)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let with_truth = images.iter().any(|score| score.dice.is_some());
    Ok(Evaluation {
        model: pass.manifest().reference(),
        model_hash: pass.hash().into(),
        data: data.description,
        groups: group::groups(&images),
        all: truth::ranking(&images),
        scores: match with_truth {
            true => truth::judge_all(&images, args.seed, args.aurc),
            false => Vec::new(),
        },
        no_truth: (!with_truth).then(|| NoTruth::new(&images, pass.calibration(), policy)),
        images,
    })
}

/// The clean images, then each kind and grade of damage.
fn rounds(args: &Args, data: &Dataset) -> anyhow::Result<Vec<Option<Damage>>> {
    let mut kinds: Vec<Kind> = Vec::new();
    for choice in &args.damage {
        match choice {
            DamageChoice::One(kind) => kinds.push(*kind),
            // Without images of another species, all kinds are all the others.
            DamageChoice::All => {
                kinds.extend(
                    Kind::ALL
                        .iter()
                        .filter(|&&kind| kind != Kind::OtherSpecies || !data.other.is_empty()),
                );
            }
        }
    }
    if kinds.contains(&Kind::OtherSpecies) && data.other.is_empty() {
        return Err(UsageError(
            "--damage other-species needs a task with images of another species (its folder `other`)".into(),
        )
        .into());
    }
    let mut rounds = vec![None];
    for kind in kinds {
        rounds.extend(args.grades.iter().map(|&grade| {
            Some(Damage {
                kind,
                grade,
                seed: args.seed,
            })
        }));
    }
    Ok(rounds)
}
