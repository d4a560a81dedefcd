//! From a finished training to a model's folder.

use std::path::Path;

use sagate_core::model::{
    Architecture, Class, FORMAT, Input, Manifest, Model, Mu, Provenance, Score, today, write_model,
};

use super::error::TrainError;
use super::recipe::Recipe;
use super::trainer::Finished;
use crate::data::Task;

/// The layers of the paper's mu (eq. 12).
const MU_LAYERS: [usize; 2] = [17, 18];

/// A model's name and version, from a path that ends in `NAME/VERSION`.
///
/// # Errors
/// When the path does not end so.
pub fn name_and_version(folder: &Path) -> Result<(String, u32), TrainError> {
    let wrong = || TrainError::Place {
        path: folder.to_path_buf(),
    };
    let part = |path: Option<&Path>| {
        path.and_then(Path::file_name)
            .and_then(|name| name.to_str())
            .map(str::to_owned)
    };
    let version = part(Some(folder))
        .and_then(|version| version.parse().ok())
        .filter(|&version: &u32| version > 0);
    let name = part(folder.parent()).ok_or_else(wrong)?;
    Ok((name, version.ok_or_else(wrong)?))
}

/// Writes the best weights and a manifest into a model's folder; an earlier model there is replaced. It has no
/// calibration yet.
///
/// # Errors
/// When the path does not end in `NAME/VERSION`, or a file cannot be written.
pub fn write(
    folder: &Path,
    task: &Task,
    recipe: &Recipe,
    finished: &Finished,
    command: &str,
) -> Result<Model, TrainError> {
    let (name, version) = name_and_version(folder)?;
    let about = &recipe.model;
    let source = &task.file().source;
    let manifest = Manifest {
        format: FORMAT,
        name,
        version,
        description: about
            .description
            .clone()
            .unwrap_or_else(|| task.file().description.clone()),
        licence: about
            .licence
            .clone()
            .unwrap_or_else(|| "not stated; the terms of the training data apply".to_owned()),
        architecture: Architecture::unet2d(finished.network),
        input: Input {
            channels: task.channels().to_vec(),
            plane: task.file().plane,
            range: about.range,
            min_size: about.min_size,
            max_size: about.max_size,
        },
        preprocessing: recipe.preprocessing.clone(),
        classes: task
            .classes()
            .iter()
            .map(|class| Class {
                name: class.name.clone(),
                colour: class.colour,
            })
            .collect(),
        mu: Mu {
            layers: MU_LAYERS.to_vec(),
        },
        score: Score::default(),
        provenance: Provenance {
            data: format!(
                "task {}: {} ({})",
                task.name(),
                source.description,
                source.command
            ),
            command: command.to_owned(),
            seed: recipe.seed,
            date: today(),
            loss: recipe.loss.to_string(),
            epochs: Some(finished.best_row.epoch),
            validation_dice: Some(finished.best_row.validation_dice),
        },
    };
    Ok(write_model(
        folder,
        &manifest,
        &finished.best,
        recipe.half_precision,
    )?)
}
