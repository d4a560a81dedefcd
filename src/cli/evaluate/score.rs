//! The scores of each image.

use anyhow::Context;
use sagate_core::executor::{ModelExecutor, Segmentation};
use sagate_core::gate::{Confidence, Policy, QcInputs};
use sagate_lab::data::corruption::apply;
use sagate_lab::data::{Corruption, Example};

use crate::cli::dataset::{Dataset, segment};
use crate::cli::words;

/// One image's scores.
#[derive(Debug)]
pub(super) struct Score {
    pub image: String,
    /// Index of the original image in the data, shared by its corrupted copies.
    pub source: usize,
    /// Its corruption; none where it is clean.
    pub corruption: Option<Corruption>,
    pub mu: f64,
    pub confidence: Confidence,
    /// The quality score, where the model has one.
    pub score: Option<f64>,
    pub dice: Option<f64>,
    /// The inputs of the decision, to repeat it at other coverages.
    pub inputs: QcInputs,
    pub accept: bool,
    reasons: String,
}

/// A kind of score: its id in files, its name, and its value for an image.
pub(super) struct ScoreKind {
    pub id: &'static str,
    pub name: &'static str,
    pub value: fn(&Score) -> f64,
}

/// The reported scores: mu, the two confidences, and the quality score.
const KINDS: [ScoreKind; 4] = [
    ScoreKind {
        id: "mu",
        name: "mu",
        value: |score| score.mu,
    },
    ScoreKind {
        id: "soft_dice_confidence",
        name: "soft Dice confidence",
        value: |score| score.confidence.soft_dice,
    },
    ScoreKind {
        id: "object_confidence",
        name: "object confidence",
        value: |score| score.confidence.object,
    },
    ScoreKind {
        id: "score",
        name: "quality score",
        value: |score| score.score.unwrap_or(f64::NAN),
    },
];

/// The kinds of score that these images have.
pub(super) fn kinds(images: &[Score]) -> &'static [ScoreKind] {
    let has_quality_score = images.iter().any(|image| image.score.is_some());
    &KINDS[..KINDS.len() - usize::from(!has_quality_score)]
}

impl Score {
    /// The corruption's name, or `clean`.
    pub fn corruption_name(&self) -> &'static str {
        self.corruption
            .map_or("clean", |corruption| corruption.kind.name())
    }

    /// The corruption's severity; 0 for clean images.
    pub fn severity(&self) -> u8 {
        self.corruption
            .map_or(0, |corruption| corruption.severity.number())
    }
}

/// Scores all images with one corruption, or clean.
///
/// # Errors
/// As [`apply`] and [`segment`].
pub(super) fn score_images(
    executor: &ModelExecutor,
    policy: &Policy,
    data: &Dataset,
    corruption: Option<Corruption>,
) -> anyhow::Result<Vec<Score>> {
    let corrupted: Vec<Example>;
    let examples = match corruption {
        None => &data.examples,
        Some(corruption) => {
            corrupted = (0..data.examples.len())
                .map(|index| apply(&corruption, &data.examples, index, &data.other))
                .collect::<Result<_, _>>()?;
            &corrupted
        }
    };
    let results = segment(executor, examples).with_context(|| label(corruption))?;
    let score = |(source, (example, result)): (usize, (&Example, &Segmentation))| {
        let decision = executor.decide(result, policy);
        Score {
            image: example.name.clone(),
            source,
            corruption,
            mu: decision.mu,
            confidence: result.confidence,
            score: result.score.map(|score| score.value),
            dice: example.truth.as_ref().map(|truth| result.dice(truth)),
            inputs: result.qc_inputs(),
            accept: decision.accept,
            reasons: words::reasons(&decision),
        }
    };
    Ok(examples.iter().zip(&results).enumerate().map(score).collect())
}

fn label(corruption: Option<Corruption>) -> String {
    corruption.map_or_else(
        || "clean".into(),
        |corruption| format!("{} of severity {}", corruption.kind, corruption.severity.number()),
    )
}

/// A line an image, numbers with six digits after the point.
pub(super) fn csv(scores: &[Score]) -> String {
    let has_quality_score = scores.iter().any(|score| score.score.is_some());
    let mut text = String::from(
        "image,corruption,severity,mu,dice,accept,reasons,soft_dice_confidence,object_confidence",
    );
    text += if has_quality_score { ",score\n" } else { "\n" };
    for score in scores {
        let dice = score.dice.map_or_else(String::new, |dice| format!("{dice:.6}"));
        let quoted = score.image.replace('"', "\"\"");
        text += &format!(
            "\"{quoted}\",{},{},{:.6},{dice},{},{},{:.6},{:.6}",
            score.corruption_name(),
            score.severity(),
            score.mu,
            score.accept,
            score.reasons,
            score.confidence.soft_dice,
            score.confidence.object
        );
        if has_quality_score {
            text += &format!(",{:.6}", score.score.unwrap_or(f64::NAN));
        }
        text.push('\n');
    }
    text
}
