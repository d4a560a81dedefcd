//! The trainer: from a task's images to a model's weights.
//!
//! - [`Recipe`]: how to train, as a TOML file with the paper's defaults.
//! - [`run()`]: trains by a recipe; can be killed at any step and resumed to the very same weights.
//! - [`output`]: the model's folder.
//!
//! One background thread draws the changes to the images and puts the batches together while the network computes;
//! the draws depend on the seed, the epoch and the index within the epoch alone, so that no random state needs to be saved.

pub mod adam;
pub mod augment;
mod batch;
mod error;
mod history;
mod loader;
mod loss;
pub mod output;
mod recipe;
mod recipe_error;
mod samples;
mod state;
pub mod stepper;
mod trainer;
mod validation;

pub use augment::Augmentation;
pub use error::TrainError;
pub use history::Row;
pub use recipe::{About, Loss, Override, Recipe};
pub use recipe_error::RecipeError;
pub use samples::{Sample, Samples};
pub use trainer::{Finished, Job, Observer, Start, Step, run};
