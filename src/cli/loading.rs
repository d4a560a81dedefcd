//! Loading of a command's model.

use anyhow::Context;
use sagate_core::executor::ModelExecutor;
use sagate_core::model::{Located, Model, Repository};

use crate::config::Settings;
use crate::device;

/// The remedy for a missing model.
pub const MUST_BE_THERE: &str = "models.default (--model) must name a model of the folder";

/// Finds and checks the model of the settings.
///
/// # Errors
/// A missing or incomplete model.
pub fn model(settings: &Settings) -> anyhow::Result<Model> {
    let repository = Repository::open(&settings.models.dir)?;
    Ok(find(&repository, settings)?.open()?)
}

/// Finds the model of the settings in a repository.
///
/// # Errors
/// A missing model.
pub fn find(repository: &Repository, settings: &Settings) -> anyhow::Result<Located> {
    repository
        .resolve(&settings.models.default)
        .context(MUST_BE_THERE)
}

/// Loads the model of the settings onto their device.
///
/// # Errors
/// As [`model`], or a missing device.
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

/// Warns that every image will be rejected, with the remedy.
pub fn warn_of_no_calibration(reference: &str) {
    tracing::warn!(
        "model {reference} has no calibration (calibration.json): make one with `sagate calibrate`"
    );
}
