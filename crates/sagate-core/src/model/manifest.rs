//! `manifest.toml`: a model's architecture, input, preprocessing and provenance.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::date::is_day;
use super::error::Finding;
use crate::imaging::preprocess::Step;
use crate::imaging::{Image, Plane, any_value};
use crate::nn::layers::LAYER_COUNT;
use crate::nn::unet::UNetConfig;

/// The version of `manifest.toml` that this program writes and reads.
pub const FORMAT: u32 = 1;

/// A model's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this file's format: [`FORMAT`].
    pub format: u32,
    /// The model's name: the name of the folder that holds its versions.
    pub name: String,
    /// Its version, at least 1: the name of its folder.
    pub version: u32,
    /// One sentence on what the model segments.
    pub description: String,
    /// The terms under which the weights may be used.
    pub licence: String,
    /// The network.
    pub architecture: Architecture,
    /// Requirements on the input.
    pub input: Input,
    /// Preprocessing steps in order; the same in training and in use.
    pub preprocessing: Vec<Step>,
    /// The object classes in the order of their labels 1..=K; background (label 0) is not listed.
    pub classes: Vec<Class>,
    /// Which layers mu is taken over.
    pub mu: Mu,
    /// The quality score.
    #[serde(default, skip_serializing_if = "Score::is_default")]
    pub score: Score,
    /// Origin of data and weights.
    pub provenance: Provenance,
}

/// The network and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Which network.
    pub kind: Kind,
    /// Channels of its input, after preprocessing.
    pub in_channels: i64,
    /// Object classes K; the head has K + 1 logits.
    pub classes: i64,
    /// Channels of its first block.
    pub base_width: i64,
}

/// The supported networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The two-dimensional U-Net of Fig. 4.
    Unet2d,
}

/// Requirements on an image, before preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Names of the channels, in the order of the file.
    pub channels: Vec<String>,
    /// The plane in which volumes are sliced, if the model needs a certain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plane: Option<Plane>,
    /// Lowest and highest intensity, in the file's units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f32; 2]>,
    /// Smallest height and width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<[usize; 2]>,
    /// Largest height and width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<[usize; 2]>,
}

/// One object class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The class's name.
    pub name: String,
    /// Its colour in overlays: red, green, blue.
    pub colour: [u8; 3],
}

/// Which layers mu is taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mu {
    /// Layer numbers from 1 to 18; the paper's are 17 and 18.
    pub layers: Vec<usize>,
}

/// Perturbation calibration of the quality score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Score {
    /// Perturbed copies of each calibration image, up to [`Score::MAX_PERTURBATIONS`]; 0: the model has no quality score.
    pub perturbations: u32,
}

impl Score {
    /// The largest allowed number of perturbed copies of an image.
    pub const MAX_PERTURBATIONS: u32 = 1000;

    fn is_default(&self) -> bool {
        *self == Score::default()
    }
}

impl Default for Score {
    fn default() -> Self {
        Score { perturbations: 20 }
    }
}

/// Origin of a model's data and weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The training data: what, from where, under which terms.
    pub data: String,
    /// The command that trained it.
    pub command: String,
    /// Its seed.
    pub seed: u64,
    /// The day it was trained, `YYYY-MM-DD`.
    pub date: String,
    /// The loss it was trained with.
    pub loss: String,
    /// Epochs until the weights that were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    /// Mean Dice of those weights on the validation images, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_dice: Option<f64>,
}

impl Architecture {
    /// The U-Net with these parameters.
    pub fn unet2d(config: UNetConfig) -> Architecture {
        let UNetConfig {
            in_channels,
            classes,
            base_width,
        } = config;
        Architecture {
            kind: Kind::Unet2d,
            in_channels,
            classes,
            base_width,
        }
    }

    /// The parameters as the network takes them.
    pub fn network(&self) -> UNetConfig {
        UNetConfig {
            in_channels: self.in_channels,
            classes: self.classes,
            base_width: self.base_width,
        }
    }
}

impl Input {
    /// Whether an image lies within the size and intensity range. An image outside it is rejected with `INPUT_OUT_OF_RANGE`. The number
    /// of channels is checked separately, see [`Input::channels`].
    pub fn in_range(&self, image: &Image) -> bool {
        let (_, height, width) = image.pixels.dim();
        let large_enough = self
            .min_size
            .is_none_or(|[least, narrowest]| height >= least && width >= narrowest);
        let small_enough = self
            .max_size
            .is_none_or(|[most, widest]| height <= most && width <= widest);
        let [low, high] = self.range.unwrap_or([f32::NEG_INFINITY, f32::INFINITY]);
        let outside = |pixel: f32| pixel.is_nan() | (pixel < low) | (pixel > high);
        large_enough && small_enough && !any_value(&image.pixels, outside)
    }
}

impl Manifest {
    /// Reads it from text; `file` is what findings name.
    ///
    /// # Errors
    /// One finding for text that is not TOML of this form (with line and key), or one for each field out of its range.
    pub fn parse(text: &str, file: &Path) -> Result<Manifest, Vec<Finding>> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| {
            // toml draws the line with a caret over several lines; one line is enough beside its number.
            let line = error
                .span()
                .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = line.map_or_else(String::new, |line| format!("line {line}: "));
            vec![Finding::error(
                file,
                None,
                format!("{line}{}", error.message().trim()),
            )]
        })?;
        let findings = manifest.check(file);
        if findings.is_empty() {
            Ok(manifest)
        } else {
            Err(findings)
        }
    }

    /// `NAME@VERSION`.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Everything that is out of its range; `file` is what findings name.
    pub fn check(&self, file: &Path) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut require = |fine: bool, field: &str, message: String| {
            if !fine {
                findings.push(Finding::error(file, Some(field), message));
            }
        };
        require(
            self.format == FORMAT,
            "format",
            format!("it is {}, but must be {FORMAT}", self.format),
        );
        if let Some(complaint) = name_complaint(&self.name) {
            require(false, "name", complaint);
        }
        require(
            self.version >= 1,
            "version",
            "it is 0, but must be at least 1".into(),
        );
        if let Err(error) = self.architecture.network().validate() {
            let field = format!("architecture.{}", error.field);
            require(false, &field, error.to_string());
        }
        self.check_channels(&mut require);
        self.check_classes(&mut require);
        self.check_layers(&mut require);
        let texts = [
            ("description", &self.description),
            ("licence", &self.licence),
            ("provenance.data", &self.provenance.data),
            ("provenance.command", &self.provenance.command),
            ("provenance.loss", &self.provenance.loss),
        ];
        for (field, text) in texts {
            require(
                !text.trim().is_empty(),
                field,
                "it is empty, but must say something".into(),
            );
        }
        let date = &self.provenance.date;
        require(
            is_day(date),
            "provenance.date",
            format!("it is `{date}`, but must be a day like 2026-01-31"),
        );
        let dice = self.provenance.validation_dice;
        let dice_fine = dice.is_none_or(|dice| (0.0..=1.0).contains(&dice));
        require(
            dice_fine,
            "provenance.validation_dice",
            format!("it is {dice:?}, but must be from 0 to 1"),
        );
        findings
    }

    fn check_channels(&self, require: &mut impl FnMut(bool, &str, String)) {
        let given = self.input.channels.len();
        require(
            given >= 1,
            "input.channels",
            "it is empty, but must name at least one channel".into(),
        );
        if let Some([low, high]) = self.input.range {
            let fine = low.is_finite() && high.is_finite() && low < high;
            require(
                fine,
                "input.range",
                format!("it is [{low}, {high}], but must be two ascending numbers"),
            );
        }
        let least = self.input.min_size.unwrap_or([1, 1]);
        let most = self.input.max_size.unwrap_or([usize::MAX, usize::MAX]);
        let fine = (0..2).all(|side| 1 <= least[side] && least[side] <= most[side]);
        let message =
            format!("it is {least:?}, but each side must be at least 1 and at most input.max_size's");
        require(fine, "input.min_size", message);
        let mut channels = given;
        for (index, step) in self.preprocessing.iter().enumerate() {
            let Step::SelectChannels { channels: selected } = step else {
                continue;
            };
            if let Some(bad) = selected.iter().find(|&&channel| channel >= channels) {
                let message = format!("channel {bad} does not exist: there are {channels}, counted from 0");
                require(false, &format!("preprocessing[{index}].channels"), message);
            }
            channels = selected.len();
        }
        let wanted = self.architecture.in_channels;
        let message = format!(
            "it is {wanted}, but preprocessing makes {channels} of the {given} that input.channels names"
        );
        require(
            i64::try_from(channels) == Ok(wanted),
            "architecture.in_channels",
            message,
        );
    }

    fn check_classes(&self, require: &mut impl FnMut(bool, &str, String)) {
        let (named, wanted) = (self.classes.len(), self.architecture.classes);
        let message = format!("{named} are named, but architecture.classes is {wanted}");
        require(i64::try_from(named) == Ok(wanted), "classes", message);
        let mut seen = BTreeSet::new();
        for (index, class) in self.classes.iter().enumerate() {
            let fine = !class.name.trim().is_empty() && seen.insert(&class.name);
            let message = format!(
                "it is `{}`, but must be a name that no other class has",
                class.name
            );
            require(fine, &format!("classes[{index}].name"), message);
        }
    }

    fn check_layers(&self, require: &mut impl FnMut(bool, &str, String)) {
        require(
            !self.mu.layers.is_empty(),
            "mu.layers",
            "it is empty, but must name at least one layer".into(),
        );
        let mut seen = BTreeSet::new();
        for &layer in &self.mu.layers {
            let message = format!("there is no layer {layer}: layers are numbered from 1 to {LAYER_COUNT}");
            require((1..=LAYER_COUNT).contains(&layer), "mu.layers", message);
            require(
                seen.insert(layer),
                "mu.layers",
                format!("layer {layer} is named twice"),
            );
        }
        let perturbations = self.score.perturbations;
        let message = format!(
            "it is {perturbations}, but must be from 0 to {}",
            Score::MAX_PERTURBATIONS
        );
        require(
            perturbations <= Score::MAX_PERTURBATIONS,
            "score.perturbations",
            message,
        );
    }
}

/// The error of a model's name, if any. A name is a single path component, so that it cannot leave the repository.
pub(super) fn name_complaint(name: &str) -> Option<String> {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let fine = (1..=64).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.');
    (!fine).then(|| {
        format!(
            "`{name}` is no name: use 1 to 64 letters, digits, '-', '_' or '.', and do not begin with '.'"
        )
    })
}
