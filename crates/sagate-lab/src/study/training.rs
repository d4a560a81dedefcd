//! Training of the study's networks.

use std::path::PathBuf;
use std::sync::Arc;

use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::unet::UNetConfig;
use serde::{Deserialize, Serialize};

use super::cache::{Cached, Site, StepId};
use super::error::StudyError;
use crate::train::{Job, Observer, Recipe, Row, Samples, Start, run};

/// The result of a training.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trained {
    /// The network's parameters.
    pub network: UNetConfig,
    /// The epoch whose weights are kept: the one with the highest validation Dice.
    pub best: Row,
    /// Every epoch.
    pub history: Vec<Row>,
    /// Epochs whose weights are kept besides, for the variance of gradients.
    pub snapshots: Vec<u32>,
}

impl Cached<Trained> {
    /// The weights of the best epoch.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn weights(&self) -> Result<Weights, StudyError> {
        let path = self.folder.join("best.safetensors");
        Ok(Weights::read(&path, &self.value.network)?)
    }

    /// The weights after each of [`Trained::snapshots`].
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn snapshots(&self) -> Result<Vec<Weights>, StudyError> {
        let path = |epoch: &u32| self.folder.join(snapshot_name(*epoch));
        let read = |epoch| Ok(Weights::read(&path(epoch), &self.value.network)?);
        self.value.snapshots.iter().map(read).collect()
    }
}

/// The file of a snapshot's weights.
fn snapshot_name(epoch: u32) -> PathBuf {
    PathBuf::from(format!("epoch-{epoch}.safetensors"))
}

/// Trains a network on prepared samples of one object class, keeping the weights after the given epochs besides the best; or
/// gives what is kept. A training that was cut off goes on from its last saved state.
///
/// # Errors
/// As [`run`]; [`StudyError::Stopped`] where the observer ended it.
pub fn train(
    site: &Site<'_>,
    step: &StepId,
    recipe: &Recipe,
    samples: &Arc<Samples>,
    snapshots: &[u32],
    observer: &mut dyn Observer,
) -> Result<Cached<Trained>, StudyError> {
    site.cache.step(step, |folder| {
        let job = Job {
            recipe: recipe.clone(),
            samples: samples.clone(),
            classes: 1,
            device: site.device,
            folder: folder.to_owned(),
            start: Start::Resume,
            snapshots: snapshots.to_vec(),
        };
        let finished = run(&job, observer)?.ok_or(StudyError::Stopped)?;
        // The state is only needed to resume an interrupted training, and is the largest file.
        let state = folder.join("state.safetensors");
        std::fs::remove_file(&state).map_err(StudyError::io("remove", &state))?;
        // Times are not part of the result.
        let timeless = |mut row: Row| {
            row.seconds = 0.0;
            row
        };
        Ok(Trained {
            network: finished.network,
            best: timeless(finished.best_row),
            history: finished.history.into_iter().map(timeless).collect(),
            snapshots: snapshots.to_vec(),
        })
    })
}

/// So many epochs of all, evenly spaced and ending with the last.
pub(super) fn snapshot_epochs(epochs: u32, count: u32) -> Vec<u32> {
    let mut chosen: Vec<u32> = (1..=count).map(|part| (epochs * part).div_ceil(count)).collect();
    chosen.dedup();
    chosen
}
