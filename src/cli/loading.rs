//! The model that a command works with.

use anyhow::Context;
use sagate_core::executor::ModelExecutor;
use sagate_core::model::{Located, Model, Repository};

use crate::config::Settings;
use crate::device;

/// What is right where the model of the settings is not there.
pub const MUST_BE_THERE: &str = "models.default (--model) must name a model of the folder";

/// Finds and checks the model of the settings.
///
/// # Errors
/// A model that is not there, or is not whole.
pub fn model(settings: &Settings) -> anyhow::Result<Model> {
    let repository = Repository::open(&settings.models.dir)?;
    Ok(find(&repository, settings)?.open()?)
}

/// Finds the model of the settings in a repository.
///
/// # Errors
/// A model that is not there.
pub fn find(repository: &Repository, settings: &Settings) -> anyhow::Result<Located> {
    repository
        .resolve(&settings.models.default)
        .context(MUST_BE_THERE)
}

/// Loads the model of the settings onto their device.
///
/// # Errors
/// As [`model`], or a device that is not there.
pub fn pass(settings: &Settings) -> anyhow::Result<ModelExecutor> {
    let model = model(settings)?;
    let placement = device::placement(&settings.device)?;
    let pass = ModelExecutor::load(&model, placement)
        .with_context(|| format!("model {}", model.manifest().reference()))?;
    if pass.calibration().is_none() {
        warn_of_no_calibration(&pass.manifest().reference());
    }
    Ok(pass)
}

/// Says that every image will be rejected, and what would change that.
pub fn warn_of_no_calibration(reference: &str) {
    tracing::warn!(
        "model {reference} has no calibration (calibration.json): make one with `sagate calibrate`"
    );
}
