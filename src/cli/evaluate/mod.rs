//! `sagate evaluate`: the gate on clean and corrupted images. With ground truth: how well the scores rank the images; without: the
//! distribution of the scores and the drift of mu.

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
use sagate_lab::data::{Corruption, CorruptionKind, Severity};
use sagate_lab::study::evaluate::AurcVariant;
use score::Score;
use serde::Serialize;
use truth::{EvaluatedScore, Ranking};

use super::dataset::{DataArgs, Dataset, SplitName};
use super::gate::GateArgs;
use super::{Exit, UsageError, loading, out};
use crate::config::Settings;

/// Arguments of `sagate evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With ground truth, mu, the two confidences and the quality score are evaluated by how they rank the images by Dice, each metric with
a 95 % bootstrap interval. Without, the report gives the distribution of the scores, the share of images that each coverage would
reject, the drift of mu from the calibration, and what cannot be said.

Try it:  sagate evaluate --model t1-brain --data tasks/t1-brain --corruptions all --report evaluation")]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Kinds of corruption to evaluate besides the clean images: `all`, or a list
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    corruptions: Vec<CorruptionChoice>,
    /// Severities of each kind
    #[arg(long, value_name = "1|2|3", value_delimiter = ',', default_value = "1,2,3")]
    severities: Vec<Severity>,
    /// Seed of the corruptions and of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Which variant of the area under the risk-coverage curve is reported
    #[arg(long, default_value = "full")]
    aurc: AurcVariant,
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

/// `all`, or one kind of corruption.
#[derive(Debug, Clone, Copy)]
enum CorruptionChoice {
    All,
    One(CorruptionKind),
}

impl std::str::FromStr for CorruptionChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(CorruptionChoice::All);
        }
        let found = CorruptionKind::ALL.into_iter().find(|kind| kind.name() == text);
        found.map(CorruptionChoice::One).ok_or_else(|| {
            let names: Vec<_> = CorruptionKind::ALL.iter().map(|kind| kind.name()).collect();
            format!("no such corruption; use `all` or one of {}", names.join(", "))
        })
    }
}

/// The result, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Evaluation {
    model: String,
    model_hash: String,
    data: String,
    groups: Vec<Group>,
    /// Rank correlation of mu, and mean Dice by decision.
    all: Ranking,
    /// Metrics of each score over the images with ground truth; empty where no image has one.
    scores: Vec<EvaluatedScore>,
    /// Statistics without ground truth; `null` where an image has one.
    no_truth: Option<NoTruth>,
    /// Every image's scores, for files and figures.
    #[serde(skip)]
    images: Vec<Score>,
}

/// Runs `sagate evaluate`.
///
/// # Errors
/// A model or images that cannot be read, a corruption that does not apply to these images, or a file that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let policy = args.gate.policy(settings)?;
    let executor = loading::pass(settings)?;
    let data = args.data.read(SplitName::Test)?;
    let evaluation = evaluate(&args, &executor, &policy, data)?;
    if let Some(path) = &args.csv {
        atomic::write(path, score::csv(&evaluation.images).as_bytes())?;
    }
    if let Some(folder) = &args.report {
        report::new(&evaluation, &args, executor.calibration(), &policy).write(folder)?;
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

fn evaluate(
    args: &Args,
    executor: &ModelExecutor,
    policy: &Policy,
    data: Dataset,
) -> anyhow::Result<Evaluation> {
    let versions = versions(args, &data)?;
    let bar = out::progress(versions.len() as u64, "evaluating");
    let mut images = Vec::new();
    for corruption in versions {
        images.extend(score::score_images(executor, policy, &data, corruption)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let with_truth = images.iter().any(|score| score.dice.is_some());
    Ok(Evaluation {
        model: executor.manifest().reference(),
        model_hash: executor.hash().into(),
        data: data.description,
        groups: group::groups(&images),
        all: truth::ranking(&images),
        scores: match with_truth {
            true => truth::evaluate_all(&images, args.seed, args.aurc),
            false => Vec::new(),
        },
        no_truth: (!with_truth).then(|| NoTruth::new(&images, executor.calibration(), policy)),
        images,
    })
}

/// The clean images, then each kind and severity of corruption.
fn versions(args: &Args, data: &Dataset) -> anyhow::Result<Vec<Option<Corruption>>> {
    let mut kinds: Vec<CorruptionKind> = Vec::new();
    for choice in &args.corruptions {
        match choice {
            CorruptionChoice::One(kind) => kinds.push(*kind),
            // `all` leaves out other-species where there are no images of one.
            CorruptionChoice::All => {
                kinds.extend(
                    CorruptionKind::ALL
                        .iter()
                        .filter(|&&kind| kind != CorruptionKind::OtherSpecies || !data.other.is_empty()),
                );
            }
        }
    }
    if kinds.contains(&CorruptionKind::OtherSpecies) && data.other.is_empty() {
        return Err(UsageError(
            "--corruptions other-species needs a task with images of another species (its folder `other`)"
                .into(),
        )
        .into());
    }
    let mut versions = vec![None];
    for kind in kinds {
        versions.extend(args.severities.iter().map(|&severity| {
            Some(Corruption {
                kind,
                severity,
                seed: args.seed,
            })
        }));
    }
    Ok(versions)
}
