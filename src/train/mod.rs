//! The trainer.
pub mod adam;
