//! Research: data sets, training, perturbation calibration, and the study of the scores.
//!
//! | module | contents |
//! |---|---|
//! | [`data`] | data sets: published ones, phantoms, MRI heads, and their corruption |
//! | [`train`] | the trainer |
//! | [`perturbation`] | perturbation calibration, from which the quality score is learned |
//! | [`study`] | the paper's experiments, and further ones |

pub mod data;
pub mod perturbation;
pub mod study;
pub mod train;
