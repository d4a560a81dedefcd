//! The gate: decisions, their calibration and how good they are.

mod confidence;
mod decision;
mod drift;
mod evaluation;
mod expected_dice;
mod profile;
