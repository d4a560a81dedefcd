//! The distribution of mu on calibration images, and the threshold for a coverage.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{By, DiceEstimator, QualityScore};

/// The version of `calibration.json` that this program writes and reads.
pub const FORMAT: u32 = 1;

/// `calibration.json`: the empirical distribution of mu over a set of calibration images. Every value is kept, so that any coverage can
/// be requested later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of this file's format: [`FORMAT`].
    pub format: u32,
    /// The model that gave the scores.
    pub model: String,
    /// Its version.
    pub model_version: u32,
    /// Description of the images.
    pub data: String,
    /// The day it was made, `YYYY-MM-DD`.
    pub created: String,
    /// The seed, where images were drawn or corrupted at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The default coverage, 0..=1, when neither settings nor request name one.
    pub coverage: f64,
    /// One entry an image; at least one.
    pub entries: Vec<Entry>,
    /// The quality score fitted by perturbation calibration on these images, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<ScoreCalibration>,
}

/// A model's quality score and its calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreCalibration {
    /// Perturbed copies of each image that it was fitted on.
    pub perturbations: u32,
    /// The score.
    pub fitted: QualityScore,
    /// The map from score to estimated Dice, where enough images had ground truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_dice: Option<DiceEstimator>,
}

/// One calibration image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The image's name within the data set.
    pub name: String,
    /// Its mean SA score, finite; 0 where the prediction was empty or full.
    pub mu: f64,
    /// Its quality score, 0..=1, where the calibration has one; 0 where the prediction was empty or full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Dice of the prediction against the ground truth, 0..=1, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dice: Option<f64>,
}

/// Why a calibration was refused.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file cannot be read or written.
    #[error("cannot {doing} the calibration {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not JSON of this form.
    #[error("{name} is no calibration: {message}")]
    Form {
        /// The file.
        name: String,
        /// What is wrong, with field and line.
        message: String,
    },
    /// A field whose value is out of range or inconsistent.
    #[error("{name}, field `{field}`: it is {value}, but must be {right}")]
    Field {
        /// The file.
        name: String,
        /// The field, like `entries[3].mu`.
        field: String,
        /// The value found.
        value: String,
        /// The expected value.
        right: &'static str,
    },
}

impl Calibration {
    /// Reads and checks `calibration.json`.
    ///
    /// # Errors
    /// A file that cannot be read or is not of this form, or a field out of its range; each names file and field.
    pub fn read(path: &Path) -> Result<Calibration, CalibrationError> {
        let text = std::fs::read_to_string(path).map_err(|source| CalibrationError::Io {
            doing: "read",
            path: path.to_path_buf(),
            source,
        })?;
        Calibration::parse(&text, &path.display().to_string())
    }

    /// Reads it from text; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`Calibration::read`].
    pub fn parse(text: &str, name: &str) -> Result<Calibration, CalibrationError> {
        let calibration: Calibration =
            serde_json::from_str(text).map_err(|error| CalibrationError::Form {
                name: name.into(),
                message: error.to_string(),
            })?;
        calibration.check(name)?;
        Ok(calibration)
    }

    /// Checks every field; `name` is what messages call the calibration.
    ///
    /// # Errors
    /// The first field that is out of its range.
    pub fn check(&self, name: &str) -> Result<(), CalibrationError> {
        let refuse = |field: String, value: String, right| {
            Err(CalibrationError::Field {
                name: name.into(),
                field,
                value,
                right,
            })
        };
        if self.format != FORMAT {
            return refuse(
                "format".into(),
                self.format.to_string(),
                "1, the only one there is so far",
            );
        }
        if self.model.is_empty() {
            return refuse(
                "model".into(),
                "empty".into(),
                "the name of the model that was calibrated",
            );
        }
        if !(0.0..=1.0).contains(&self.coverage) {
            return refuse(
                "coverage".into(),
                self.coverage.to_string(),
                "a number from 0 to 1",
            );
        }
        if self.entries.is_empty() {
            return refuse("entries".into(), "empty".into(), "a list of at least one image");
        }
        for (index, entry) in self.entries.iter().enumerate() {
            if !entry.mu.is_finite() {
                return refuse(
                    format!("entries[{index}].mu"),
                    entry.mu.to_string(),
                    "a finite number",
                );
            }
            if entry.dice.is_some_and(|dice| !(0.0..=1.0).contains(&dice)) {
                let dice = format!("{:?}", entry.dice);
                return refuse(
                    format!("entries[{index}].dice"),
                    dice,
                    "a number from 0 to 1, or absent",
                );
            }
            if entry.score.is_some() != self.score.is_some()
                || entry.score.is_some_and(|score| !(0.0..=1.0).contains(&score))
            {
                let score = format!("{:?}", entry.score);
                return refuse(
                    format!("entries[{index}].score"),
                    score,
                    "a number from 0 to 1 where `score` is there, and absent where it is not",
                );
            }
        }
        let Some(score) = &self.score else {
            return Ok(());
        };
        if !score.fitted.is_sound() {
            return refuse(
                "score.fitted".into(),
                "inconsistent".into(),
                "finite numbers, as many weights as bounds, each lower bound at most the upper one",
            );
        }
        if score.estimated_dice.as_ref().is_some_and(|it| !it.is_sound()) {
            return refuse(
                "score.estimated_dice".into(),
                "inconsistent".into(),
                "knots by rising score, low <= value <= high, each from 0 to 1 and rising",
            );
        }
        Ok(())
    }

    /// The file's text.
    ///
    /// # Errors
    /// A field that [`Calibration::check`] refuses, so that nothing is written that could not be read again.
    pub fn to_json(&self) -> Result<String, CalibrationError> {
        self.check("the new calibration")?;
        let text = serde_json::to_string_pretty(self).map_err(|error| CalibrationError::Form {
            name: "the new calibration".into(),
            message: error.to_string(),
        })?;
        Ok(text + "\n")
    }

    /// The threshold on mu at which the share `coverage` of the calibration images passes: the (1 - coverage) quantile.
    ///
    /// With the N scores of the entries in descending order `m_1 >= m_2 >= ... >= m_N` and the smallest integer `k` with
    /// `k / N >= coverage`, it is `m_k`: the largest threshold that lets at least that share pass (an image passes when its mu is at least
    /// the threshold, so ties pass). It is not interpolated.
    ///
    /// Coverage 1 gives minus infinity (every finite score passes, even one below all calibration scores). Coverage 0, and any value
    /// outside 0..=1, gives plus infinity (nothing passes).
    pub fn threshold(&self, coverage: f64) -> f64 {
        threshold_at(self.entries.iter().map(|entry| entry.mu).collect(), coverage)
    }

    /// [`Calibration::threshold`] on the gate's score; `None` where the calibration lacks that score.
    pub fn threshold_by(&self, by: By, coverage: f64) -> Option<f64> {
        let scores = self.entries.iter().map(|entry| match by {
            By::Mu => Some(entry.mu),
            By::Score => entry.score,
        });
        Some(threshold_at(scores.collect::<Option<Vec<f64>>>()?, coverage))
    }

    /// The share of calibration images whose mu is at least `threshold`, 0..=1.
    pub fn acceptance_rate(&self, threshold: f64) -> f64 {
        let passing = self.entries.iter().filter(|entry| entry.mu >= threshold).count();
        passing as f64 / self.entries.len().max(1) as f64
    }
}

/// The threshold of a coverage, as [`Calibration::threshold`] defines it.
fn threshold_at(mut scores: Vec<f64>, coverage: f64) -> f64 {
    if coverage == 1.0 {
        return f64::NEG_INFINITY;
    }
    if !(coverage > 0.0 && coverage < 1.0) {
        return f64::INFINITY;
    }
    scores.sort_by(|a, b| b.total_cmp(a));
    // Compare k / N with the coverage: coverage * N may round past a whole number.
    let share = |k: usize| k as f64 / scores.len() as f64;
    (1..=scores.len())
        .find(|&k| share(k) >= coverage)
        .map_or(f64::INFINITY, |k| scores[k - 1])
}
