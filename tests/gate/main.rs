//! The gate: decisions, their calibration and how good they are.

mod confidence;
mod decision;
mod drift;
mod estimated_dice;
mod evaluation;
mod profile;
