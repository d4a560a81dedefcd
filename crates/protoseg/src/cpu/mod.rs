//! Native CPU kernels: float32 in, float64 sums, contiguous and channels-last features without a copy.
//!
//! Results depend neither on the number of threads nor on the instruction set: work is split into tasks by shape alone, partial sums are
//! added in a fixed order, and every kernel performs the same operations in the same order on any processor.

mod class_sums;
mod map_counts;
mod maps;
mod passes;
mod score;
mod sums;
mod unit_counts;
mod units;

use tch::Tensor;

pub(super) use passes::each_feature;

use super::affine::{Affine, Thresholds};
use super::backend::{Backend, ClassSums, MapCounts, SamOutput, UnitCounts};
use super::error::ProtosegError;
use super::feature_view::{FeatureView, Features};
use super::reference::Prediction;
use super::reference::label_runs::{CUT, Run};
use crate::platform::Isa;
use passes::Passes;

/// The backend of native kernels.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    isa: Isa,
}

impl Native {
    /// With the widest instruction set of this processor.
    pub fn detected() -> Native {
        Native { isa: Isa::widest() }
    }

    /// With a given instruction set, if this processor has it.
    pub fn with(isa: Isa) -> Option<Native> {
        Isa::available().contains(&isa).then_some(Native { isa })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }
}

impl Backend for Native {
    fn class_sums(&self, feature: &Tensor, reference: &Prediction) -> Result<ClassSums, ProtosegError> {
        let features = Features::new(feature)?;
        Ok(Passes::new(*self, &features, reference)?.class_sums())
    }

    fn maps(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        affine: &Affine,
    ) -> Result<SamOutput, ProtosegError> {
        let features = Features::new(feature)?;
        Passes::new(*self, &features, reference)?.maps(affine)
    }

    fn map_counts(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        affine: &Affine,
    ) -> Result<Vec<MapCounts>, ProtosegError> {
        let features = Features::new(feature)?;
        Ok(Passes::new(*self, &features, reference)?.map_counts(affine))
    }

    fn unit_counts(
        &self,
        feature: &Tensor,
        reference: &Prediction,
        thresholds: &Thresholds,
    ) -> Result<UnitCounts, ProtosegError> {
        let features = Features::new(feature)?;
        Ok(Passes::new(*self, &features, reference)?.unit_counts(thresholds))
    }
}

/// Probabilities in [0, 1] as 0 to 255, rounded.
pub fn to_bytes(probability: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; probability.len()];
    score::to_bytes(Native::detected().isa, probability, &mut bytes);
    bytes
}

/// Positions of a task: enough to amortise its overhead, few enough to occupy all threads. Depends on the shape alone.
fn positions_per_task(positions: usize) -> usize {
    (positions / 16).next_multiple_of(CUT).max(CUT)
}

/// `(image, first position)` of every task.
fn parts(view: &FeatureView, step: usize) -> impl Iterator<Item = (usize, usize)> {
    let positions = view.positions;
    (0..view.batch).flat_map(move |image| (0..positions).step_by(step).map(move |first| (image, first)))
}

/// The runs that begin within `step` positions from `first`; since `step` is a multiple of the cut length, they end there too.
fn runs_within(runs: &[Run], first: usize, step: usize) -> &[Run] {
    let begin = runs.partition_point(|run| (run.start as usize) < first);
    let end = runs.partition_point(|run| (run.start as usize) < first + step);
    &runs[begin..end]
}
