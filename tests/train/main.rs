//! Training: its steps, its recipes, and that it learns.

#[path = "../support/phantom/mod.rs"]
mod phantom;

mod adam;
mod augment;
mod baseline;
mod learns;
mod model;
mod online_gradient;
mod recipe;
mod resume;
