//! `sagate calibrate`: the distribution of mu that thresholds come from.

use anyhow::bail;
use sagate_core::executor::ModelExecutor;
use sagate_core::gate::{
    By, Calibration, Entry, ExpectedDice, FORMAT, LabelledScore, MIN_SAMPLES, RehearsedScore,
    ScoreCalibration, UnitScores,
};
use sagate_core::model::{Score, today, write_calibration};
use sagate_lab::rehearsal::{Rehearsed, Rehearsing, rehearse};

use super::dataset::{DataArgs, Dataset, SplitName, segment};
use super::{Exit, UsageError, loading, out};
use crate::config::Settings;
use crate::device;

/// Arguments of `sagate calibrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes calibration.json (mu of every image, Dice where the truth is there) and calibration.safetensors (every unit's SA score, a
byte each) into the model's folder. The threshold of any coverage c is the (1 - c) quantile of mu: the largest threshold that lets
at least the share c of these images pass; ties pass.

Besides, each image is spoilt at random some times (--rehearsals), and a score beside mu learns from the copies how far the model's
answers hold: no truth is needed for that. Where the truth is there, calibration.json also says what Dice a score promises.

Try it:  sagate calibrate --model t1-brain --data tasks/t1-brain")]
pub struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Coverage that is meant where neither settings nor request name one, 0 to 1
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 0.9,
        allow_negative_numbers = true
    )]
    coverage: f64,
    /// Corrupted copies of each image from which the quality score is learned; 0: no quality score [default: the manifest's, else 20]
    #[arg(long, value_name = "N")]
    rehearsals: Option<u32>,
    /// What the images are, in words [default: the task and split, or the folder]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Runs `sagate calibrate`.
///
/// # Errors
/// A model or images that cannot be read, an image whose score is not finite, or a folder that cannot be written.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    if !(0.0..=1.0).contains(&args.coverage) {
        return Err(UsageError(format!(
            "--coverage is {}; a share from 0 to 1 would do",
            args.coverage
        ))
        .into());
    }
    if let Some(wanted) = args.rehearsals.filter(|&wanted| wanted > Score::MOST) {
        let most = Score::MOST;
        return Err(UsageError(format!(
            "--rehearsals is {wanted}; a number from 0 to {most} would do"
        ))
        .into());
    }
    let model = loading::model(settings)?;
    let pass = ModelExecutor::load(&model, device::placement(&settings.device)?)?;
    let data = args.data.read(SplitName::Validation)?;
    let bar = out::progress(data.examples.len() as u64, "scoring");
    let (mut entries, mut units) = (Vec::new(), Vec::new());
    for examples in data.examples.chunks(32) {
        for (example, result) in examples.iter().zip(segment(&pass, examples)?) {
            let mu = result.evidence().mu;
            if !mu.is_finite() {
                bail!(
                    "image {}: the network's answer is not finite; a model that gives NaN cannot be calibrated",
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
    let rehearsals = args.rehearsals.unwrap_or(manifest.score.rehearsals);
    let score = learn(&pass, &data, rehearsals, &mut entries)?;
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

/// Spoils the images, and learns the score beside mu from what the model then says; each entry gets its own. `None` where no copy is
/// wanted or there are too few.
fn learn(
    pass: &ModelExecutor,
    data: &Dataset,
    rehearsals: u32,
    entries: &mut [Entry],
) -> anyhow::Result<Option<ScoreCalibration>> {
    if rehearsals == 0 {
        return Ok(None);
    }
    let images: Vec<Rehearsing<'_>> = data
        .examples
        .iter()
        .map(|example| Ok((pass.prepare(&example.image)?, example.truth.as_ref())))
        .collect::<anyhow::Result<_>>()?;
    let bar = out::progress(images.len() as u64, "rehearsing");
    let rehearsed = rehearse(pass, &images, rehearsals, &mut || bar.inc(1))?;
    bar.finish_and_clear();
    let readings: Vec<_> = rehearsed.iter().map(|it| (it.reading(), it.own_dice)).collect();
    let Some(fitted) = RehearsedScore::fit(&readings) else {
        out::error(&format!(
            "no score beside mu: {} images, spoilt copies counted, are too few or not finite; it takes {MIN_SAMPLES} (--rehearsals)",
            readings.len()
        ));
        return Ok(None);
    };
    let value = |it: &Rehearsed| if it.fault { 0.0 } else { fitted.of(&it.reading()) };
    for clean in rehearsed.iter().filter(|it| !it.spoilt) {
        entries[clean.image].score = Some(value(clean));
    }
    let known = |it: &Rehearsed| {
        Some(LabelledScore {
            score: value(it),
            dice: it.true_dice?,
            image: it.image,
        })
    };
    let known: Vec<LabelledScore> = rehearsed
        .iter()
        .filter(|it| !it.fault)
        .filter_map(known)
        .collect();
    Ok(Some(ScoreCalibration {
        rehearsals,
        expected_dice: ExpectedDice::fit(&known, SEED),
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
                "rehearsals": score.rehearsals, "expected_dice": score.expected_dice.is_some(),
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
        Some(_) => out::table(&["coverage", "threshold on mu", "on the score"]),
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
        None => "no score beside mu".to_owned(),
        Some(score) => format!(
            "a score beside mu, from {} spoilt copies of each image; the Dice that it promises is {}",
            score.rehearsals,
            match &score.expected_dice {
                Some(_) => "known",
                None => "not known: too few images with truth",
            }
        ),
    })?)
}
