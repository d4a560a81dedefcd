//! One image from file to decision, in process: what the service runs for each request, and a program without a service too.
//!
//! | module | what lives there |
//! |---|---|
//! | [`imaging`] | readers, geometry, preprocessing, masks, overlays |
//! | [`nn`] | the U-Net in its training and inference forms, checkpoints |
//! | [`gate`] | calibration, thresholds, the decision |
//! | [`model`] | a model as a folder, and the repository of them |
//! | [`executor`] | a loaded model: preprocess, forward, score, decide; interpretation |
//! | [`atomic`] | files that are either wholly there or not at all |
//! | [`build`] | how the program was built |
//!
//! `imaging`, `nn` and `gate` know nothing of each other; `model` stands on them, and `executor` on all.

pub mod atomic;
pub mod build;
pub mod executor;
pub mod gate;
pub mod imaging;
pub mod model;
pub mod nn;
