//! Errors of a study.

use std::path::{Path, PathBuf};

use protoseg::ProtosegError;
use sagate_core::atomic::WriteError;
use sagate_core::imaging::ImagingError;
use sagate_core::nn::checkpoint::CheckpointError;
use sagate_core::nn::inference::InferenceError;
use sagate_core::nn::unet::UNetError;

use crate::data::DataError;
use crate::train::TrainError;

/// Everything that a study can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A data set cannot be made or read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A network cannot be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A network's weights cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A network cannot run.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// A network in its training form cannot run.
    #[error(transparent)]
    UNet(#[from] UNetError),
    /// An image cannot be perturbed.
    #[error("an image of the perturbation calibration cannot be prepared: {0}")]
    Perturbation(#[source] ImagingError),
    /// A feature map cannot be scored.
    #[error(transparent)]
    Protoseg(#[from] ProtosegError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file system refused something.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The operation, as in "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A cached result has another format.
    #[error("{}: {message}; remove that folder, and the step is done again", path.display())]
    Cached {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A size of the profile is invalid.
    #[error("--set {text}: {why}")]
    Setting {
        /// The setting.
        text: String,
        /// The expected value.
        why: String,
    },
    /// The run was stopped.
    #[error("stopped; the same command goes on where it was")]
    Stopped,
}

impl StudyError {
    /// Names the file and what was tried in a file-system error.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
