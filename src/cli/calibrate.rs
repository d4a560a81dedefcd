//! `sagate calibrate`: the distribution of mu that thresholds come from, and the quality score.

use anyhow::bail;
use sagate_core::executor::ModelExecutor;
use sagate_core::gate::{
    By, Calibration, DiceEstimator, Entry, FORMAT, LabelledScore, MIN_SAMPLES, QualityScore,
    ScoreCalibration, UnitScores,
};
use sagate_core::model::{Score, today, write_calibration};
use sagate_lab::perturbation::{self, CalibrationImage, PerturbationSample};

use super::dataset::{DataArgs, Dataset, SplitName, segment};
use super::{Exit, UsageError, loading, out};
use crate::config::Settings;
use crate::device;

/// Arguments of `sagate calibrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes calibration.json (mu of every image, and Dice where there is ground truth) and calibration.safetensors (every unit's SA score,
one byte each) into the model's folder. The threshold of any coverage c is the (1 - c) quantile of mu: the largest threshold that lets
at least the share c of these images pass; ties pass.

Perturbation calibration: each image is perturbed at random several times (--perturbations), and the quality score is fitted to how
the model's output changes; that needs no ground truth. Where there is ground truth, a map from quality score to estimated Dice is
fitted too.

Try it:  sagate calibrate --model t1-brain --data tasks/t1-brain")]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Default coverage where neither settings nor request set one, 0 to 1
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.9,
        allow_negative_numbers = true
    )]
    coverage: f64,
    /// Perturbed copies of each image that the quality score is fitted on; 0: no quality score [default: the manifest's, else 20]
    #[arg(long, value_name = "N")]
    perturbations: Option<u32>,
    /// Description of the images [default: the task and split, or the folder]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Runs `sagate calibrate`.
///
/// # Errors
/// A model or images that cannot be read, an image whose score is not finite, or a folder that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    if !(0.0..=1.0).contains(&args.coverage) {
        return Err(UsageError(format!("--coverage is {}; it must be from 0 to 1", args.coverage)).into());
    }
    let max = Score::MAX_PERTURBATIONS;
    if let Some(given) = args.perturbations.filter(|&given| given > max) {
        return Err(UsageError(format!("--perturbations is {given}; it must be from 0 to {max}")).into());
    }
    let model = loading::model(settings)?;
    let executor = ModelExecutor::load(&model, device::placement(&settings.device)?)?;
    let data = args.data.read(SplitName::Validation)?;
    let bar = out::progress(data.examples.len() as u64, "scoring");
    let (mut entries, mut units) = (Vec::new(), Vec::new());
    for examples in data.examples.chunks(32) {
        for (example, result) in examples.iter().zip(segment(&executor, examples)?) {
            let mu = result.qc_inputs().mu;
            if !mu.is_finite() {
                bail!(
                    "image {}: the network's output is not finite; a model that gives NaN cannot be calibrated",
                    example.name
                );
            }
            let dice = example.truth.as_ref().map(|truth| result.dice(truth));
            entries.push(Entry {
                name: example.name.clone(),
                mu,
                score: None,
                dice,
            });
            units.push((example.name.clone(), result.mean_sa.units));
        }
        bar.inc(examples.len() as u64);
    }
    bar.finish_and_clear();
    let manifest = model.manifest();
    let perturbations = args.perturbations.unwrap_or(manifest.score.perturbations);
    let score = fit_quality_score(&executor, &data, perturbations, &mut entries)?;
    let calibration = Calibration {
        format: FORMAT,
        model: manifest.name.clone(),
        model_version: manifest.version,
        data: args.description.unwrap_or(data.description),
        created: today(),
        seed: None,
        coverage: args.coverage,
        entries,
        score,
    };
    write_calibration(model.folder(), &calibration, Some(&UnitScores::new(&units)?))?;
    report(&calibration, settings)?;
    Ok(Exit::Ok)
}

/// The source of the bootstrap's draws.
const SEED: u64 = 1;

/// Fits the quality score by perturbation calibration and sets each entry's score. `None` where no copies are wanted or there are too
/// few samples.
fn fit_quality_score(
    executor: &ModelExecutor,
    data: &Dataset,
    perturbations: u32,
    entries: &mut [Entry],
) -> anyhow::Result<Option<ScoreCalibration>> {
    if perturbations == 0 {
        return Ok(None);
    }
    let images: Vec<CalibrationImage<'_>> = data
        .examples
        .iter()
        .map(|example| Ok((executor.prepare(&example.image)?, example.truth.as_ref())))
        .collect::<anyhow::Result<_>>()?;
    let bar = out::progress(images.len() as u64, "perturbing");
    let samples = perturbation::sample(executor, &images, perturbations, &mut || bar.inc(1))?;
    bar.finish_and_clear();
    let features: Vec<_> = samples.iter().map(|it| (it.features(), it.self_dice)).collect();
    let Some(fitted) = QualityScore::fit(&features) else {
        out::error(&format!(
            "no quality score: {} samples, perturbed copies included, are too few or not finite; {MIN_SAMPLES} are needed \
             (--perturbations)",
            features.len()
        ));
        return Ok(None);
    };
    let value = |it: &PerturbationSample| {
        if it.fault {
            0.0
        } else {
            fitted.score(&it.features())
        }
    };
    for original in samples.iter().filter(|it| !it.perturbed) {
        entries[original.image].score = Some(value(original));
    }
    let labelled = |it: &PerturbationSample| {
        Some(LabelledScore {
            score: value(it),
            dice: it.true_dice?,
            image: it.image,
        })
    };
    let labelled: Vec<LabelledScore> = samples
        .iter()
        .filter(|it| !it.fault)
        .filter_map(labelled)
        .collect();
    Ok(Some(ScoreCalibration {
        perturbations,
        estimated_dice: DiceEstimator::fit(&labelled, SEED),
        fitted,
    }))
}

fn report(calibration: &Calibration, settings: &Settings) -> anyhow::Result<()> {
    let mut coverages = vec![1.0, 0.95, 0.9, 0.8, 0.7, 0.5];
    if !coverages.contains(&calibration.coverage) {
        coverages.push(calibration.coverage);
        coverages.sort_by(|a, b| b.total_cmp(a));
    }
    let thresholds: Vec<(f64, f64)> = coverages
        .into_iter()
        .map(|coverage| (coverage, calibration.threshold(coverage)))
        .collect();
    if settings.json() {
        let thresholds: Vec<_> = thresholds
            .iter()
            .map(|(coverage, threshold)| serde_json::json!({
                "coverage": coverage, "threshold": threshold, "score_threshold": calibration.threshold_by(By::Score, *coverage),
            }))
            .collect();
        return out::json(&serde_json::json!({
            "model": calibration.model, "version": calibration.model_version, "data": calibration.data,
            "images": calibration.entries.len(), "coverage": calibration.coverage, "thresholds": thresholds,
            "score": calibration.score.as_ref().map(|score| serde_json::json!({
                "perturbations": score.perturbations, "estimated_dice": score.estimated_dice.is_some(),
            })),
        }));
    }
    out::line(&format!(
        "{}@{} calibrated on {} images ({}), coverage {}",
        calibration.model,
        calibration.model_version,
        calibration.entries.len(),
        calibration.data,
        calibration.coverage
    ))?;
    let mut table = match calibration.score {
        Some(_) => out::table(&["coverage", "threshold on mu", "on the quality score"]),
        None => out::table(&["coverage", "threshold on mu"]),
    };
    for (coverage, threshold) in thresholds {
        let mut cells = vec![
            format!("{:.0} %", coverage * 100.0),
            super::words::threshold(Some(threshold)),
        ];
        if calibration.score.is_some() {
            cells.push(super::words::threshold(
                calibration.threshold_by(By::Score, coverage),
            ));
        }
        table.add_row(cells);
    }
    out::print(&table)?;
    Ok(out::line(&match &calibration.score {
        None => "no quality score".to_owned(),
        Some(score) => format!(
            "quality score from {} perturbed copies of each image; {}",
            score.perturbations,
            match &score.estimated_dice {
                Some(_) => "with estimated Dice",
                None => "no estimated Dice: too few images with ground truth",
            }
        ),
    })?)
}
