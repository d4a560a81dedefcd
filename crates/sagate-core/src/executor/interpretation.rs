//! Interpretation of one image: the SAM of each layer, the scores and SAMs of single units.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, Array3, Axis};
use protoseg::{LayerSam, Prediction, ProtoSeg, Prototypes};
use tch::Tensor;

use super::error::ExecutorError;
use super::segmentation::Segmentation;
use super::tensors;
use crate::nn::inference::{InferenceError, Output};
use crate::nn::layers::Layer;

/// One image with the requested feature maps. All maps lie on the prepared grid, which is the image's own unless the model resamples or
/// pads.
pub struct Interpretation {
    /// The image's result, as [`super::ModelExecutor::segment`] gives it.
    pub segmentation: Arc<Segmentation>,
    output: Output,
    reference: Prediction,
    /// Prototypes of the layers that were scored already.
    prototypes: BTreeMap<usize, Prototypes>,
    method: ProtoSeg,
}

/// The grid of a SAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// The prepared grid.
    #[default]
    Image,
    /// The layer's own grid, the output averaged down to it.
    Layer,
}

/// The SAM and SA score of one layer.
#[derive(Debug, Clone)]
pub struct LayerView {
    /// The layer.
    pub layer: &'static Layer,
    /// Its SA score in [0, 1]; 0 where the output is empty, full or not finite.
    pub score: f64,
    /// `[K, h, w]`: the SAM as probability of each object class.
    pub probability: Array3<f32>,
    /// `[h, w]`: the SAM, 0 background or the class.
    pub sam: Array2<u8>,
}

/// Scores and SAMs of one layer's units for one object class.
#[derive(Debug, Clone)]
pub struct UnitView {
    /// Every unit's SA score.
    pub scores: Vec<f64>,
    /// `[h, w]` in [0, 1]: the average of all units' SAMs (Fig. 9), if requested.
    pub average: Option<Array2<f32>>,
    /// The requested SAMs, by unit.
    pub sams: Vec<(usize, Array2<u8>)>,
}

impl Interpretation {
    pub(super) fn new(
        segmentation: Segmentation,
        output: Output,
        reference: Prediction,
        prototypes: BTreeMap<usize, Prototypes>,
        method: ProtoSeg,
    ) -> Interpretation {
        Interpretation {
            segmentation: Arc::new(segmentation),
            output,
            reference,
            prototypes,
            method,
        }
    }

    /// The SAM of a layer (1 to 18) at the resolution of the prepared grid.
    ///
    /// # Errors
    /// A layer that was not requested, or libtorch failing.
    pub fn layer(&self, number: usize) -> Result<LayerView, ExecutorError> {
        self.layer_at(number, Resolution::Image)
    }

    /// The SAM of a layer (1 to 18) at either resolution.
    ///
    /// # Errors
    /// A layer that was not requested, or libtorch failing.
    pub fn layer_at(&self, number: usize, resolution: Resolution) -> Result<LayerView, ExecutorError> {
        let (layer, tap) = self.tap(number)?;
        let (sam, size) = match resolution {
            Resolution::Image => (self.method.layer(tap, &self.reference)?, self.output.size),
            Resolution::Layer => {
                let reference = self.reference.at_resolution(&tap.size()[2..])?;
                let size = self
                    .output
                    .size
                    .map(|side| (side as u64).div_ceil(layer.downsampling as u64) as i64);
                (self.method.layer(tap, &reference)?, size)
            }
        };
        Ok(view(layer, &sam, size)?)
    }

    /// Passes the SAMs of several layers (1 to 18) to `ready` in the order of `numbers`, each as soon as it and those before it are
    /// computed. Stops when `ready` returns `false`. `ready` may be called from any thread, one call at a time.
    ///
    /// # Errors
    /// As [`Interpretation::layer`].
    pub fn layers(
        &self,
        numbers: &[usize],
        resolution: Resolution,
        ready: &(dyn Fn(LayerView) -> bool + Sync),
    ) -> Result<(), ExecutorError> {
        if resolution == Resolution::Layer {
            for &number in numbers {
                if !ready(self.layer_at(number, resolution)?) {
                    break;
                }
            }
            return Ok(());
        }
        let found: Vec<_> = numbers
            .iter()
            .map(|&number| self.tap(number))
            .collect::<Result<_, _>>()?;
        let prototypes = |layer: &Layer| self.prototypes.get(&layer.number);
        let taps: Vec<_> = found
            .iter()
            .map(|&(layer, tap)| (tap, prototypes(layer)))
            .collect();
        let layers: Vec<_> = found.iter().map(|&(layer, _)| layer).collect();
        let (size, reorder, failed) = (self.output.size, ReorderBuffer::default(), Mutex::new(None));
        self.method.layers(
            &taps,
            &self.reference,
            &|index, sam| match view(layers[index], &sam, size) {
                Ok(view) => reorder.push(index, view, ready),
                Err(error) => {
                    failed.lock().expect("no holder panics").get_or_insert(error);
                    false
                }
            },
        )?;
        match failed.into_inner().expect("no holder panics") {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// The scores of a layer's (1 to 18) units for an object class (1 to K), the SAMs of the units that `choose` selects by their
    /// scores, and, if `average` is set, the average of all units' SAMs.
    ///
    /// # Errors
    /// As [`Interpretation::layer`].
    pub fn units(
        &self,
        number: usize,
        class: usize,
        choose: impl FnOnce(&[f64]) -> Vec<usize>,
        average: bool,
    ) -> Result<UnitView, ExecutorError> {
        let (_, tap) = self.tap(number)?;
        let (scores, maps) = self.method.units_and_maps(tap, &self.reference)?;
        let scores = scores.image(0).to_vec();
        let average = if average {
            let map = self.output.crop(&maps.average(0, class)?).f_unsqueeze(0)?;
            Some(tensors::to_array(&map)?.index_axis_move(Axis(0), 0))
        } else {
            None
        };
        let chosen = choose(&scores);
        let mut sams = Vec::with_capacity(chosen.len());
        if !chosen.is_empty() {
            let maps = self.output.crop(&maps.sams(0, class, &chosen)?);
            for (index, unit) in chosen.into_iter().enumerate() {
                sams.push((unit, tensors::to_labels(&maps.f_get(index as i64)?)?));
            }
        }
        Ok(UnitView {
            scores,
            average,
            sams,
        })
    }

    fn tap(&self, number: usize) -> Result<(&'static Layer, &Tensor), ExecutorError> {
        let layer = Layer::by_number(number).ok_or(InferenceError::Layer(number))?;
        let tap = self
            .output
            .taps
            .get(&number)
            .ok_or(InferenceError::Layer(number))?;
        Ok((layer, tap))
    }
}

/// A layer's SAM without the network's padding.
fn view(layer: &'static Layer, sam: &LayerSam, size: [i64; 2]) -> Result<LayerView, tch::TchError> {
    let cut = |map: &Tensor| -> Result<Tensor, tch::TchError> {
        map.f_get(0)?.f_narrow(-2, 0, size[0])?.f_narrow(-1, 0, size[1])
    };
    Ok(LayerView {
        layer,
        score: sam.score[0],
        probability: tensors::to_array(&cut(&sam.probability)?)?,
        sam: tensors::to_labels(&cut(&sam.sam)?)?,
    })
}

/// Delivers layers in order although they finish in any order.
#[derive(Default)]
struct ReorderBuffer(Mutex<Pending>);

#[derive(Default)]
struct Pending {
    views: BTreeMap<usize, LayerView>,
    next: usize,
    stopped: bool,
}

impl ReorderBuffer {
    /// Adds a layer and delivers those that are next; `false` once `ready` returned `false`.
    fn push(&self, index: usize, view: LayerView, ready: &(dyn Fn(LayerView) -> bool + Sync)) -> bool {
        // The state is consistent even where `ready` panicked, so a poisoned lock is usable.
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.views.insert(index, view);
        while !pending.stopped {
            let next = pending.next;
            let Some(view) = pending.views.remove(&next) else {
                break;
            };
            pending.next += 1;
            pending.stopped = !ready(view);
        }
        !pending.stopped
    }
}
