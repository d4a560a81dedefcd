//! One image from file to decision, in process. The service runs it for each request; programs can use it as a library.
//!
//! | module | contents |
//! |---|---|
//! | [`imaging`] | readers, geometry, preprocessing, masks, overlays |
//! | [`nn`] | the U-Net in its training and inference forms, checkpoints |
//! | [`gate`] | calibration, thresholds, the decision |
//! | [`model`] | the model folder and the model repository |
//! | [`executor`] | a loaded model: preprocess, forward, score, decide; interpretation |
//! | [`atomic`] | atomic file writes |
//! | [`build`] | build information |
//!
//! `imaging`, `nn` and `gate` do not depend on each other; `model` depends on them, and `executor` on all.

pub mod atomic;
pub mod build;
pub mod executor;
pub mod gate;
pub mod imaging;
pub mod model;
pub mod nn;
