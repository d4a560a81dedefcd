//! What commands must know of a model, wherever it runs.

use sagate_core::executor::ModelExecutor;
use sagate_core::imaging::Plane;
use sagate_core::imaging::figure::ClassStyle;
use sagate_core::model::Class;
use sagate_core::nn::layers::LAYERS;

use crate::client::ServedModel;

/// A model as results name it, volumes are cut for it, and figures show its classes.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `NAME@VERSION`.
    pub reference: String,
    /// The content hash of its folder.
    pub hash: String,
    /// Plane in which volumes are cut, where the model cares.
    pub plane: Option<Plane>,
    /// How many channels its images have.
    pub channels: usize,
    /// Its object classes, in the order of their labels.
    pub classes: Vec<ClassStyle>,
    /// Units of each of its layers, layer 1 first.
    pub units: Vec<usize>,
}

impl Subject {
    /// A model that was loaded here.
    pub fn from_executor(executor: &ModelExecutor) -> Subject {
        let manifest = executor.manifest();
        let width = manifest.architecture.base_width;
        Subject {
            reference: manifest.reference(),
            hash: executor.hash().into(),
            plane: manifest.input.plane,
            channels: manifest.input.channels.len(),
            classes: manifest.classes.iter().map(style).collect(),
            units: LAYERS
                .iter()
                .map(|layer| layer.channels(width) as usize)
                .collect(),
        }
    }

    /// A model that a server has.
    pub fn from_served(model: &ServedModel) -> Subject {
        Subject {
            reference: model.id.to_string(),
            hash: model.hash.clone(),
            plane: model.plane,
            channels: model.channels,
            classes: model.classes.iter().map(style).collect(),
            units: model.units.clone(),
        }
    }
}

fn style(class: &Class) -> ClassStyle {
    ClassStyle {
        name: class.name.clone(),
        colour: class.colour,
    }
}
