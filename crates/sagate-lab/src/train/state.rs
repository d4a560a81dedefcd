//! The checkpoint of a training, replaced atomically: `state.safetensors`, tensors with JSON in its metadata.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};
use sagate_core::atomic;
use sagate_core::nn::checkpoint::{Weights, bytes_of, finite};
use sagate_core::nn::unet::UNetConfig;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::adam::{Adam, Moments};
use super::error::TrainError;
use super::history::{Row, exact};
use super::recipe::Recipe;

/// The metadata's key.
const KEY: &str = "training";

/// The version of the file's form.
const FORMAT: u32 = 1;

/// Everything but tensors. The random state follows from the recipe's seed and the position in the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// The version of the file's form.
    format: u32,
    /// How it is trained.
    pub recipe: Recipe,
    /// What is trained.
    pub network: UNetConfig,
    /// The images, by [`super::Samples::fingerprint`].
    pub images: String,
    /// Completed epochs.
    pub epoch: u32,
    /// Completed steps of the current epoch.
    pub step: u64,
    /// Completed steps of all epochs.
    pub total_steps: u64,
    /// Sums over the current epoch.
    pub sums: Sums,
    /// The epoch (from 1) whose weights are the best so far.
    pub best_epoch: Option<u32>,
    /// The completed epochs.
    pub history: Vec<Row>,
}

/// Sums over the images of the current epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sums {
    /// How many images.
    pub images: u64,
    /// Of the loss.
    #[serde(with = "exact")]
    pub loss: f64,
    /// Of the cross-entropy.
    #[serde(with = "exact")]
    pub cross_entropy: f64,
    /// Of the online part.
    #[serde(with = "exact")]
    pub online: f64,
    /// Wall-clock seconds.
    #[serde(with = "exact")]
    pub seconds: f64,
}

impl Position {
    /// The beginning.
    pub fn new(recipe: &Recipe, network: UNetConfig, images: String) -> Position {
        Position {
            format: FORMAT,
            recipe: recipe.clone(),
            network,
            images,
            epoch: 0,
            step: 0,
            total_steps: 0,
            sums: Sums::default(),
            best_epoch: None,
            history: Vec::new(),
        }
    }

    /// The epoch whose weights are the best so far.
    pub fn best(&self) -> Option<&Row> {
        self.history.iter().find(|row| Some(row.epoch) == self.best_epoch)
    }

    /// In what the training that `self` was saved from differs from the one that `now` begins. The number of epochs, of
    /// threads and of steps between states may differ, and what the model says of itself.
    pub fn differences(&self, now: &Position) -> Vec<String> {
        let mut differences = Vec::new();
        let (saved, current) = (as_json(&self.recipe), as_json(&now.recipe));
        const FREE: [&str; 5] = ["epochs", "threads", "checkpoint_every", "half_precision", "model"];
        for (field, value) in &current {
            if !FREE.contains(&field.as_str()) && saved.get(field) != Some(value) {
                let was = saved
                    .get(field)
                    .map_or_else(|| "not set".to_owned(), ToString::to_string);
                differences.push(format!("{field} was {was} and is {value} now"));
            }
        }
        if self.network != now.network {
            differences.push(format!(
                "the network was {:?} and is {:?} now",
                self.network, now.network
            ));
        }
        if self.images != now.images {
            differences.push("the task's images, as prepared, are others now".to_owned());
        }
        differences
    }
}

/// The fields of a recipe after one passage through text, so that two of them compare whatever JSON does to numbers.
fn as_json(recipe: &Recipe) -> BTreeMap<String, serde_json::Value> {
    let text = serde_json::to_string(recipe).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A state that was read.
#[derive(Debug)]
pub(super) struct Saved {
    /// The position in the training.
    pub position: Position,
    /// The network's state.
    pub weights: Weights,
    /// Adam's moments by the variable's name.
    pub moments: BTreeMap<String, Moments>,
}

/// Saves a state. Gives false, and leaves the old state, where a tensor is not finite.
pub(super) fn save(
    path: &Path,
    position: &Position,
    weights: &Weights,
    adam: &Adam,
) -> Result<bool, TrainError> {
    let moments = adam.moments().flat_map(|(name, moments)| {
        [
            (format!("adam.first.{name}"), &moments.first),
            (format!("adam.second.{name}"), &moments.second),
        ]
    });
    let mut stored = Vec::new();
    for (name, tensor) in weights
        .iter()
        .map(|(name, tensor)| (format!("network.{name}"), tensor))
        .chain(moments)
    {
        if !finite(tensor)? {
            return Ok(false);
        }
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        stored.push((name, shape, bytes_of(tensor)?));
    }
    atomic::write_with(path, |file| {
        let json = serde_json::to_string(position).map_err(std::io::Error::other)?;
        let metadata = HashMap::from([(KEY.to_owned(), json)]);
        let views = stored
            .iter()
            .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, SafeTensorError>>()
            .map_err(std::io::Error::other)?;
        file.write_all(&safetensors::serialize(views, Some(metadata)).map_err(std::io::Error::other)?)
    })?;
    Ok(true)
}

/// Reads a state; None where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Saved>, TrainError> {
    let wrong = |reason: String| TrainError::State {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    };
    let broken = |error: SafeTensorError| {
        wrong(format!(
            "is no whole state of a training ({error}); begin anew (--restart)"
        ))
    };
    let file = SafeTensors::deserialize(&bytes).map_err(broken)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let json = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let json = json.ok_or_else(|| wrong(format!("its metadata lack '{KEY}'; begin anew (--restart)")))?;
    let position: Position = serde_json::from_str(json).map_err(|error| {
        wrong(format!(
            "its metadata '{KEY}' cannot be understood ({error}); begin anew (--restart)"
        ))
    })?;
    if position.format != FORMAT {
        let format = position.format;
        return Err(wrong(format!(
            "has format {format}, but must have {FORMAT}; begin anew (--restart)"
        )));
    }
    let (mut network, mut first, mut second) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (name, view) in file.iter() {
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let place = [
            ("network.", &mut network),
            ("adam.first.", &mut first),
            ("adam.second.", &mut second),
        ]
        .into_iter()
        .find_map(|(prefix, place)| name.strip_prefix(prefix).map(|name| (name.to_owned(), place)));
        match place {
            Some((name, place)) if view.dtype() == Dtype::F32 => {
                place.insert(name, Tensor::f_from_data_size(view.data(), &shape, Kind::Float)?);
            }
            _ => {
                return Err(wrong(format!(
                    "has a tensor '{name}' that no state has; begin anew (--restart)"
                )));
            }
        }
    }
    let moments = first
        .into_iter()
        .filter_map(|(name, first)| {
            second
                .remove(&name)
                .map(|second| (name, Moments { first, second }))
        })
        .collect();
    Ok(Some(Saved {
        position,
        weights: Weights::from_tensors(network),
        moments,
    }))
}

/// Removes a state, so that nothing can go on from it.
pub(super) fn forget(path: &Path) -> Result<(), TrainError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::State {
            path: path.to_path_buf(),
            reason: format!("cannot be removed: {error}"),
        }),
        _ => Ok(()),
    }
}
