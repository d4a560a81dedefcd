//! The method: how well a feature map, or one unit of it, segments the image by itself.
//!
//! A network's feature map `f` `[B, C, *s]` is segmented with one prototype a class and one for the background (He et
//! al. 2022, eqs. 4 to 7: ProtoSeg). The result, its *segmentation ability map* (SAM), is compared with the network's own
//! output `B` by the *SA score* (eq. 8). The mean SA score of the single units of the last layers, [`MeanSa::mu`]
//! (eq. 12), tracks the true Dice of the output without ground truth.
//!
//! ```text
//! Prediction::new(probability, valid, mask)      the network's prediction: the prototypes' mask, and the reference of the SAMs
//! ProtoSeg::layer(feature, &reference)          the SAM of a layer, its probability map and SA score
//! ProtoSeg::layers(features, &reference, ready) the same for several layers, each as soon as it is computed
//! ProtoSeg::units(feature, &reference)          the SA score of each unit's own scalar SAM
//! mean_sa(&[units of layer 17, units of layer 18])   mu
//! ```
//!
//! Nothing here is larger than a mask: a SAM is an affine function of the feature (`d_b - d_t = 2 (f - mid) . (c_t -
//! c_b)`), which commutes with linear interpolation, so a low-resolution feature is never brought to the image's size.
//! Two [backends](Backend) do the passes over the features, chosen by where the tensor lies: [`cpu`] kernels on the CPU, and
//! [`tensor`] operations (any device). [`online_loss`] is what training minimises, with its gradient.

mod affine;
mod backend;
mod backend_kind;
pub mod cpu;
mod error;
mod feature_view;
mod interpolation;
mod layer;
mod metric;
mod online;
pub mod platform;
mod prediction_view;
mod reference;
pub mod tensor;
mod unit;

pub use affine::{Affine, Prototypes, Thresholds};
pub use backend::{Backend, ClassSums, MapCounts, SamOutput, UnitCounts};
pub use backend_kind::BackendKind;
pub use error::{Fault, ProtosegError};
pub use layer::{LayerSam, ProtoSeg};
pub use metric::{Confusion, Metric};
pub use online::{OnlineLoss, OnlineTargets, TapGradient, online_loss};
pub use reference::{MaskKind, Prediction};
pub use unit::{MeanSa, UnitMaps, UnitScores, UnitSplit, mean_sa, split_units};
