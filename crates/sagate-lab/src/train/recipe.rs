//! How to train: a TOML file whose defaults are the paper's (section 4.2).

use std::path::Path;

use sagate_core::imaging::preprocess::Step;
use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::recipe_error::RecipeError;

/// The loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// The cross-entropy of the output.
    Offline,
    /// The cross-entropy, and the soft Dice of the 18 feature maps' SAMs besides: online ProtoSeg.
    Online,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Loss::Offline => "offline",
            Loss::Online => "online",
        })
    }
}

/// How to train. Every field has a default, so an empty file is a recipe: the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Channels of the network's first block, 1 to 1024.
    pub base_width: i64,
    /// The minimised loss.
    pub loss: Loss,
    /// Weight of the feature maps' part in the online loss, at least 0.
    pub lambda: f64,
    /// Whether the online loss sends no gradient through the prototypes' mask.
    pub detach_prototypes: bool,
    /// Passes over the training images, at least 1.
    pub epochs: u32,
    /// Images of a step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
    /// Epochs after which the learning rate is halved, again and again; 0 never halves it.
    pub halve_every: u32,
    /// Seed of all random numbers.
    pub seed: u64,
    /// CPU threads; 0 leaves them as they are. The same seed gives the same weights at the same number of threads.
    pub threads: usize,
    /// Steps between two saved states; a state is saved after each epoch besides. At least 1.
    pub checkpoint_every: u64,
    /// Whether the model's large convolution kernels are stored in half precision.
    pub half_precision: bool,
    /// Preprocessing, in training and in use.
    pub preprocessing: Vec<Step>,
    /// Augmentation of the training images.
    pub augmentation: Augmentation,
    /// Description for the model's manifest.
    pub model: About,
}

/// Fields of a trained model's manifest that do not follow from the data.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    /// What it does, in a sentence; the task's description where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The terms under which the weights may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Lowest and highest raw intensity that the model is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f32; 2]>,
    /// Least height and width in pixels that the model is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size: Option<[usize; 2]>,
    /// Greatest height and width in pixels that the model is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<[usize; 2]>,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            base_width: 64,
            loss: Loss::Offline,
            lambda: 1.0,
            detach_prototypes: false,
            epochs: 50,
            batch_size: 10,
            learning_rate: 1e-4,
            halve_every: 20,
            seed: 1,
            threads: 0,
            checkpoint_every: 200,
            half_precision: true,
            preprocessing: vec![Step::ClipPercentiles { low: 0.5, high: 99.5 }, Step::ZScore],
            augmentation: Augmentation::default(),
            model: About::default(),
        }
    }
}

/// A setting that overrides the file's: the dotted key, and the value as TOML writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    key: String,
    value: toml::Value,
}

impl Override {
    /// Sets `key`, as in `augmentation.rotation`.
    pub fn new(key: &str, value: impl Into<toml::Value>) -> Override {
        Override {
            key: key.to_owned(),
            value: value.into(),
        }
    }

    /// Reads `key=value`; a value that is no TOML is taken as text.
    ///
    /// # Errors
    /// When there is no key or no `=`.
    pub fn parse(text: &str) -> Result<Override, RecipeError> {
        let wrong = || RecipeError::Override {
            text: text.to_owned(),
        };
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        let (key, value) = (key.trim(), value.trim());
        if key.split('.').any(str::is_empty) {
            return Err(wrong());
        }
        let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"));
        let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
        Ok(Override::new(
            key,
            parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())),
        ))
    }

    fn put(self, table: &mut toml::Table) -> Result<(), RecipeError> {
        let mut parts: Vec<&str> = self.key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut table = table;
        for part in parts {
            let inner = table
                .entry(part)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            table = inner.as_table_mut().ok_or_else(|| RecipeError::Form {
                origin: "a flag".to_owned(),
                reason: format!("{} cannot be set: {part} is no table", self.key),
            })?;
        }
        table.insert(last.to_owned(), self.value);
        Ok(())
    }
}

impl Recipe {
    /// Reads a recipe, the defaults where there is no file, and puts the overrides in place of what it says.
    ///
    /// # Errors
    /// When the file cannot be read, has unknown keys or wrong types, or when a value is out of its range.
    pub fn load(path: Option<&Path>, overrides: Vec<Override>) -> Result<Recipe, RecipeError> {
        let origin = path.map_or_else(|| "recipe".to_owned(), |path| path.display().to_string());
        let form = |error: toml::de::Error| RecipeError::Form {
            origin: origin.clone(),
            reason: error.to_string().trim_end().to_owned(),
        };
        let mut recipe = Recipe::default();
        let mut table = toml::Table::new();
        if let Some(path) = path {
            let text = std::fs::read_to_string(path).map_err(|source| RecipeError::Read {
                path: path.to_path_buf(),
                source,
            })?;
            // Read as it stands first: messages then show the line.
            recipe = toml::from_str(&text).map_err(form)?;
            table = toml::from_str(&text).map_err(form)?;
        }
        if !overrides.is_empty() {
            for setting in overrides {
                setting.put(&mut table)?;
            }
            recipe = table.try_into().map_err(form)?;
        }
        recipe.check(&origin)?;
        Ok(recipe)
    }

    /// Checks every value against its range; `origin` is what messages name.
    ///
    /// # Errors
    /// Names the first value that is out of its range, and the range.
    pub fn check(&self, origin: &str) -> Result<(), RecipeError> {
        let checks = [
            (
                "base_width",
                self.base_width.to_string(),
                (1..=1024).contains(&self.base_width),
                "from 1 to 1024",
            ),
            (
                "lambda",
                self.lambda.to_string(),
                self.lambda.is_finite() && self.lambda >= 0.0,
                "0 or more",
            ),
            ("epochs", self.epochs.to_string(), self.epochs >= 1, "at least 1"),
            (
                "batch_size",
                self.batch_size.to_string(),
                (1..=4096).contains(&self.batch_size),
                "from 1 to 4096",
            ),
            (
                "learning_rate",
                self.learning_rate.to_string(),
                self.learning_rate.is_finite() && self.learning_rate > 0.0,
                "above 0",
            ),
            (
                "threads",
                self.threads.to_string(),
                self.threads <= 4096,
                "from 0 to 4096",
            ),
            (
                "checkpoint_every",
                self.checkpoint_every.to_string(),
                self.checkpoint_every >= 1,
                "at least 1",
            ),
        ];
        let range = |field: String, value: String, range: &str| RecipeError::Range {
            origin: origin.to_owned(),
            field,
            value,
            range: range.to_owned(),
        };
        if let Some((field, value, _, right)) = checks.into_iter().find(|(_, _, fine, _)| !fine) {
            return Err(range(field.to_owned(), value, right));
        }
        if let Some((field, value, right)) = self.augmentation.out_of_range() {
            return Err(range(format!("augmentation.{field}"), value.to_string(), right));
        }
        for (index, step) in self.preprocessing.iter().enumerate() {
            step.check().map_err(|source| RecipeError::Step {
                origin: origin.to_owned(),
                number: index + 1,
                source,
            })?;
        }
        Ok(())
    }

    /// The learning rate of an epoch (from 0).
    pub fn learning_rate_in(&self, epoch: u32) -> f64 {
        let halvings = epoch.checked_div(self.halve_every).unwrap_or(0);
        self.learning_rate * 0.5f64.powi(halvings.min(1000) as i32)
    }
}
