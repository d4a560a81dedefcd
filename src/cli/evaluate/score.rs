//! The scores of each image.

use anyhow::Context;
use sagate_core::executor::{ModelExecutor, Segmentation};
use sagate_core::gate::{Confidence, Policy, QcInputs};
use sagate_lab::data::damage::apply;
use sagate_lab::data::{Damage, Example};

use crate::cli::dataset::{Dataset, segment};
use crate::cli::words;

/// One image's scores.
#[derive(Debug)]
pub(super) struct Score {
    pub image: String,
    /// Its place in the data: damaged copies of an image share it.
    pub source: usize,
    /// What was done to it; none where it is clean.
    pub damage: Option<Damage>,
    pub mu: f64,
    pub confidence: Confidence,
    /// The rehearsed score, where the model has one.
    pub score: Option<f64>,
    pub dice: Option<f64>,
    /// On what the gate decides, to ask it at other coverages.
    pub evidence: QcInputs,
    pub accept: bool,
    reasons: String,
}

/// A score that ranks images: its name in files, in words, and where it stands.
pub(super) struct Kind {
    pub id: &'static str,
    pub name: &'static str,
    pub of: fn(&Score) -> f64,
}

/// The scores that may be told: mu, the two that cost nothing beside it, and the one that a rehearsal taught.
const KINDS: [Kind; 4] = [
    Kind {
        id: "mu",
        name: "mu",
        of: |score| score.mu,
    },
    Kind {
        id: "soft_dice_confidence",
        name: "soft Dice confidence",
        of: |score| score.confidence.soft_dice,
    },
    Kind {
        id: "object_confidence",
        name: "object confidence",
        of: |score| score.confidence.object,
    },
    Kind {
        id: "score",
        name: "rehearsed score",
        of: |score| score.score.unwrap_or(f64::NAN),
    },
];

/// The scores that these images have.
pub(super) fn kinds(images: &[Score]) -> &'static [Kind] {
    let rehearsed = images.iter().any(|image| image.score.is_some());
    &KINDS[..KINDS.len() - usize::from(!rehearsed)]
}

impl Score {
    /// The damage's name, or `clean`.
    pub fn damage_name(&self) -> &'static str {
        self.damage.map_or("clean", |damage| damage.kind.name())
    }

    /// The damage's grade, 0 for none.
    pub fn grade(&self) -> u8 {
        self.damage.map_or(0, |damage| damage.grade.number())
    }
}

/// Scores all images with one damage, or none.
///
/// # Errors
/// As [`apply`] and [`segment`].
pub(super) fn round(
    pass: &ModelExecutor,
    policy: &Policy,
    data: &Dataset,
    damage: Option<Damage>,
) -> anyhow::Result<Vec<Score>> {
    let damaged: Vec<Example>;
    let examples = match damage {
        None => &data.examples,
        Some(damage) => {
            damaged = (0..data.examples.len())
                .map(|index| apply(&damage, &data.examples, index, &data.other))
                .collect::<Result<_, _>>()?;
            &damaged
        }
    };
    let results = segment(pass, examples).with_context(|| label(damage))?;
    let score = |(source, (example, result)): (usize, (&Example, &Segmentation))| {
        let decision = pass.decide(result, policy);
        Score {
            image: example.name.clone(),
            source,
            damage,
            mu: decision.mu,
            confidence: result.confidence,
            score: result.score.map(|score| score.value),
            dice: example.truth.as_ref().map(|truth| result.dice(truth)),
            evidence: result.evidence(),
            accept: decision.accept,
            reasons: words::reasons(&decision),
        }
    };
    Ok(examples.iter().zip(&results).enumerate().map(score).collect())
}

fn label(damage: Option<Damage>) -> String {
    damage.map_or_else(
        || "clean".into(),
        |damage| format!("{} grade {}", damage.kind, damage.grade.number()),
    )
}

/// A line an image, numbers with six digits after the point.
pub(super) fn csv(scores: &[Score]) -> String {
    let rehearsed = scores.iter().any(|score| score.score.is_some());
    let mut text =
        String::from("image,damage,grade,mu,dice,accept,reasons,soft_dice_confidence,object_confidence");
    text += if rehearsed { ",score\n" } else { "\n" };
    for score in scores {
        let dice = score.dice.map_or_else(String::new, |dice| format!("{dice:.6}"));
        let quoted = score.image.replace('"', "\"\"");
        text += &format!(
            "\"{quoted}\",{},{},{:.6},{dice},{},{},{:.6},{:.6}",
            score.damage_name(),
            score.grade(),
            score.mu,
            score.accept,
            score.reasons,
            score.confidence.soft_dice,
            score.confidence.object
        );
        if rehearsed {
            text += &format!(",{:.6}", score.score.unwrap_or(f64::NAN));
        }
        text.push('\n');
    }
    text
}
