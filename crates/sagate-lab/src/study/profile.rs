//! The sizes of a study.

use serde::{Deserialize, Serialize};

use super::error::StudyError;
use super::set::Set;

/// A study's sizes. A step's key contains every size that its result depends on, so a changed size repeats only what
/// depends on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: `quick`, `standard` or `paper`.
    pub name: String,
    /// Height and width of the phantoms, in pixels; the T1 slices are brought to about as many pixels.
    pub side: usize,
    /// Images of each phantom set that train, validate and test.
    pub images: [usize; 3],
    /// Channels of the networks' first block.
    pub base_width: i64,
    /// Passes over the training images.
    pub epochs: u32,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Epochs after which the learning rate is halved.
    pub halve_every: u32,
    /// Images of a step.
    pub batch_size: usize,
    /// Networks of an ensemble, the studied one among them.
    pub members: usize,
    /// Weights kept along the training for the variance of gradients.
    pub snapshots: u32,
    /// Severities of each kind of corruption of the test images.
    pub severities: Vec<u8>,
    /// Perturbed copies of each validation image, for the quality score.
    pub perturbations: usize,
    /// Passes with dropout.
    pub dropout_passes: usize,
    /// Sets on which losses and widths are varied.
    pub variant_sets: Vec<Set>,
    /// The largest base width.
    pub widest: i64,
    /// Greatest values of the noise of Fig. 16, as shares of the image's range.
    pub noise: Vec<f64>,
    /// Bootstrap samples for each interval.
    pub draws: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Profile {
    /// With other sizes: each setting is `key=value`, the value as TOML writes it, as in `images=[8, 4, 4]`.
    ///
    /// # Errors
    /// [`StudyError::Setting`] where there is no `=`, no such size, or a value that cannot be.
    pub fn with(&self, settings: &[String]) -> Result<Profile, StudyError> {
        let wrong = |text: &str, why: String| StudyError::Setting {
            text: text.to_owned(),
            why,
        };
        let mut table = toml::Table::try_from(self).map_err(|error| wrong("", error.to_string()))?;
        for text in settings {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| wrong(text, "it must be key=value".into()))?;
            let value: toml::Table = toml::from_str(&format!("value = {value}"))
                .map_err(|error| wrong(text, error.message().into()))?;
            table.extend(value.into_iter().map(|(_, value)| (key.trim().to_owned(), value)));
        }
        let all = settings.join(" ");
        let profile: Profile = table
            .try_into()
            .map_err(|error: toml::de::Error| wrong(&all, error.message().into()))?;
        profile.check().map_err(|why| wrong(&all, why))?;
        Ok(profile)
    }

    /// The first invalid size.
    fn check(&self) -> Result<(), String> {
        let checks = [
            (
                "side",
                self.side >= 32 && self.side.is_multiple_of(16) && self.side <= 1024,
                "a multiple of 16 from 32 to 1024",
            ),
            (
                "images",
                self.images.iter().all(|&count| count >= 2),
                "three numbers of at least 2",
            ),
            (
                "base_width",
                (1..=1024).contains(&self.base_width),
                "from 1 to 1024",
            ),
            ("epochs", self.epochs >= 1, "at least 1"),
            (
                "batch_size",
                (1..=4096).contains(&self.batch_size),
                "from 1 to 4096",
            ),
            ("members", (2..=32).contains(&self.members), "from 2 to 32"),
            (
                "snapshots",
                self.snapshots >= 2 && self.snapshots <= self.epochs,
                "from 2 to epochs",
            ),
            ("perturbations", self.perturbations >= 1, "at least 1"),
            ("dropout_passes", self.dropout_passes >= 2, "at least 2"),
            (
                "severities",
                !self.severities.is_empty()
                    && self.severities.iter().all(|severity| (1..=3).contains(severity)),
                "some of 1, 2, 3",
            ),
            (
                "noise",
                !self.noise.is_empty() && self.noise.iter().all(|level| (0.0..=10.0).contains(level)),
                "numbers from 0 to 10",
            ),
            ("draws", self.draws >= 20, "at least 20"),
            (
                "learning_rate",
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                "above 0",
            ),
        ];
        match checks.into_iter().find(|(_, fine, _)| !fine) {
            Some((field, _, want)) => Err(format!("{field} must be {want}")),
            None => Ok(()),
        }
    }
}

/// The profiles by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// Every table and figure from small networks, in a quarter of an hour on two cores.
    Quick,
    /// The published numbers, in two hours on two cores.
    Standard,
    /// The paper's widths, epochs and image sizes; for a GPU.
    Paper,
}

impl Size {
    /// The sizes.
    pub fn profile(self) -> Profile {
        let quick = Profile {
            name: "quick".into(),
            side: 64,
            images: [96, 32, 32],
            base_width: 8,
            epochs: 20,
            learning_rate: 1e-3,
            halve_every: 10,
            batch_size: 10,
            members: 5,
            snapshots: 4,
            severities: vec![2],
            perturbations: 8,
            dropout_passes: 5,
            variant_sets: vec![Set::IsicLike],
            widest: 16,
            noise: (1..=10).map(|tenth| f64::from(tenth) / 10.0).collect(),
            draws: 200,
            seed: 2022,
        };
        match self {
            Size::Quick => quick,
            Size::Standard => Profile {
                name: "standard".into(),
                images: [240, 80, 80],
                epochs: 24,
                halve_every: 12,
                snapshots: 4,
                severities: vec![1, 2, 3],
                perturbations: 20,
                dropout_passes: 10,
                variant_sets: vec![Set::IsicLike, Set::PancreasLike],
                widest: 32,
                draws: 1000,
                ..quick
            },
            Size::Paper => Profile {
                name: "paper".into(),
                side: 256,
                images: [1600, 200, 400],
                base_width: 64,
                epochs: 50,
                learning_rate: 1e-4,
                halve_every: 20,
                snapshots: 5,
                severities: vec![1, 2, 3],
                perturbations: 20,
                dropout_passes: 10,
                variant_sets: Set::ALL[..5].to_vec(),
                widest: 64,
                draws: 2000,
                ..quick
            },
        }
    }
}
