//! The passes over one feature map in memory: by all threads on one feature map, or by each thread on its own.

use std::cell::RefCell;

use tch::Tensor;

use super::Native;
use crate::affine::{Affine, Thresholds};
use crate::backend::{ClassSums, MapCounts, SamOutput, UnitCounts};
use crate::error::ProtosegError;
use crate::feature_view::{FeatureView, Features, Layout};
use crate::interpolation::{Axis, axes};
use crate::platform::for_each_dynamic;
use crate::prediction_view::PredictionView;
use crate::reference::Prediction;
use crate::reference::label_runs::LabelRuns;
use crate::reference::weights::SharedWeights;
use crate::reference::weights::Weights;

thread_local! {
    /// Buffer of scores at a layer's resolution, reused between calls.
    static SCORES: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// A feature map with everything that its passes read.
pub(crate) struct Passes<'a> {
    native: Native,
    view: FeatureView<'a>,
    answer: PredictionView<'a>,
    labels: &'a LabelRuns,
    /// Prototype weights at the layer's resolution, where the labels cannot be used directly; computed by the first pass that needs them.
    weights: Option<SharedWeights>,
    axes: Vec<Axis>,
}

impl<'a> Passes<'a> {
    pub(super) fn new(
        native: Native,
        features: &'a Features,
        reference: &'a Prediction,
    ) -> Result<Passes<'a>, ProtosegError> {
        let positions = features.size();
        let same_size = positions == reference.size();
        let weights = if reference.is_hard() && same_size {
            None
        } else {
            Some(reference.native_weights(&positions)?)
        };
        Ok(Passes {
            native,
            view: features.view(),
            answer: reference.view(),
            labels: reference.runs(),
            weights,
            axes: axes(&positions, reference.size()),
        })
    }

    /// [`super::Backend::class_sums`].
    pub fn class_sums(&self) -> ClassSums {
        match &self.weights {
            None => self.native.sums_of_runs(&self.view, self.answer, self.labels),
            Some(weights) => {
                let compute = || Weights::from_labels(self.labels, self.answer.counts, &self.axes);
                let (view, classes) = (&self.view, self.answer.classes);
                self.native
                    .sums_of_weights(view, weights.get_or_init(compute), classes)
            }
        }
    }

    /// [`super::Backend::maps`].
    pub fn maps(&self, affine: &Affine) -> Result<SamOutput, ProtosegError> {
        self.with_scores(affine, |scores| {
            self.native
                .finish(scores, &self.axes, self.answer, self.labels, affine)
        })
    }

    pub(super) fn map_counts(&self, affine: &Affine) -> Vec<MapCounts> {
        self.with_scores(affine, |scores| {
            self.native
                .count_map(scores, &self.axes, self.answer, self.labels, affine)
        })
    }

    pub(super) fn unit_counts(&self, thresholds: &Thresholds) -> UnitCounts {
        let (native, view, labels) = (&self.native, &self.view, self.labels);
        if !self.axes.iter().all(Axis::is_identity) {
            native.count_interpolated(view, labels, thresholds, &self.axes)
        } else if view.layout == Layout::Nhwc {
            native.count_positions(view, labels, thresholds)
        } else {
            native.count_planes(view, labels, thresholds)
        }
    }

    fn with_scores<T>(&self, affine: &Affine, work: impl FnOnce(&[f64]) -> T) -> T {
        SCORES.with_borrow_mut(|scores| {
            let count = self.view.batch * affine.classes * self.view.positions;
            if scores.len() < count {
                scores.resize(count, 0.0);
            }
            self.native.scores(&self.view, affine, &mut scores[..count]);
            work(&scores[..count])
        })
    }
}

/// Calls `work` with the index and the passes of every feature map. Each thread takes the next feature map when it is done with one, so
/// that no thread waits for another between two passes.
pub(crate) fn each_feature(
    features: &[&Tensor],
    reference: &Prediction,
    work: impl Fn(usize, &Passes<'_>) + Sync,
) -> Result<(), ProtosegError> {
    let native = Native::detected();
    let features: Vec<Features> = features
        .iter()
        .map(|feature| Features::new(feature))
        .collect::<Result<_, _>>()?;
    let mut passes = Vec::with_capacity(features.len());
    for (place, features) in features.iter().enumerate() {
        passes.push((place, Passes::new(native, features, reference)?));
    }
    for_each_dynamic(&mut passes, |(place, passes)| work(*place, passes));
    Ok(())
}
