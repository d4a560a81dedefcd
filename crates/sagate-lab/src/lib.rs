//! Research: what networks learn, and how far their scores can be trusted.
//!
//! | module | what lives there |
//! |---|---|
//! | [`data`] | data sets: published ones, phantoms, MRI heads, and damage done to them |
//! | [`train`] | the trainer |
//! | [`rehearsal`] | calibration images spoilt at random, from which a score beside mu is learned |
//! | [`study`] | the paper's experiments, and what it did not ask |

pub mod data;
pub mod rehearsal;
pub mod study;
pub mod train;
