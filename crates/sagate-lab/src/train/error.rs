//! Errors of training.

use std::path::PathBuf;

use sagate_core::atomic::WriteError;
use sagate_core::imaging::ImagingError;
use sagate_core::model::ModelError;
use sagate_core::nn::checkpoint::CheckpointError;
use sagate_core::nn::unet::UNetError;
use thiserror::Error;

use super::recipe_error::RecipeError;
use crate::data::DataError;

/// Everything that training can fail with.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The recipe is wrong.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The task's images cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An image cannot be prepared by the recipe's preprocessing.
    #[error("image {name} of the {split} split cannot be prepared: {source}")]
    Prepare {
        /// The image's name.
        name: String,
        /// `train` or `validation`.
        split: String,
        /// The error.
        source: ImagingError,
    },
    /// A split holds no image.
    #[error(
        "task {task}: its {split} split holds no image; training needs at least one in train and in validation"
    )]
    EmptySplit {
        /// The task's name.
        task: String,
        /// `train` or `validation`.
        split: String,
    },
    /// The preprocessing gives images of different channel counts.
    #[error(
        "image {name} of the {split} split has {found} channels after preprocessing; all must have {expected}"
    )]
    Channels {
        /// The image's name.
        name: String,
        /// `train` or `validation`.
        split: String,
        /// Its channels.
        found: usize,
        /// The first image's channels.
        expected: usize,
    },
    /// The loss is not finite.
    #[error(
        "the loss is {loss} in step {step} of epoch {epoch}; the last good state (step {kept}) is kept. Lower \
         learning_rate, or look for extreme intensities in the images"
    )]
    NotFinite {
        /// NaN or infinity.
        loss: f64,
        /// The epoch, from 1.
        epoch: u32,
        /// The step in the whole training, from 1.
        step: u64,
        /// The step of the state on disk, 0 where there is none.
        kept: u64,
    },
    /// The folder holds a training already.
    #[error(
        "{}: holds a training (epoch {epoch}, step {step}); go on with it (--resume), or begin anew (--restart)",
        folder.display()
    )]
    Occupied {
        /// The folder of the training's state.
        folder: PathBuf,
        /// Completed epochs.
        epoch: u32,
        /// Completed steps.
        step: u64,
    },
    /// The saved training is another one.
    #[error("{}: belongs to another training: {}", path.display(), differences.join("; "))]
    OtherTraining {
        /// The state's file.
        path: PathBuf,
        /// What differs, each with both values.
        differences: Vec<String>,
    },
    /// A state cannot be read.
    #[error("{}: {reason}", path.display())]
    State {
        /// The state's file.
        path: PathBuf,
        /// The error and the expected value.
        reason: String,
    },
    /// The folder of the training's state cannot be made.
    #[error("{}: cannot be made: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Weights cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The network cannot be made or run.
    #[error(transparent)]
    Network(#[from] UNetError),
    /// The model's folder cannot be written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The path of the model is not of the form NAME/VERSION.
    #[error("{}: is no place for a model; it must end in NAME/VERSION, as in models/t1-brain/1", path.display())]
    Place {
        /// The path.
        path: PathBuf,
    },
    /// The thread that prepares batches ended before its time.
    #[error("the thread that prepares the batches ended unexpectedly")]
    Loader,
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}
