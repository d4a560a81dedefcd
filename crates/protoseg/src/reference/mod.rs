//! The network's prediction for a batch of images: the mask that makes the prototypes, and the labels that SAMs are compared with.

mod checks;
pub(crate) mod label_runs;
pub(crate) mod weights;

use std::cell::{OnceCell, RefCell};
use std::sync::{Arc, OnceLock};

use checks::{check_grid, check_labels, check_probability, check_valid};
use label_runs::{INVALID, LabelRuns};
use tch::{Device, Kind, Tensor};
use weights::{SharedWeights, Weights};

use crate::error::{Fault, ProtosegError};
use crate::feature_view;
use crate::interpolation::{axes, upsample_adjoint};
use crate::prediction_view::PredictionView;

/// Which mask makes the prototypes (eq. 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum MaskKind {
    /// `m = B`: the pixels that the network calls object.
    #[default]
    Hard,
    /// `m = p`: every pixel by the network's probability.
    Soft,
}

/// The network's prediction for a batch, created once and used for every layer.
pub struct Prediction {
    batch: usize,
    classes: usize,
    size: Vec<i64>,
    /// `[B, *S]` uint8: 0 background, k for object class k, [`INVALID`] outside the validity mask.
    labels: Tensor,
    /// `[B, K, *S]` double prototype masks where they are not the labels themselves.
    mask: Option<Tensor>,
    /// Valid pixels of each label, `[B][K + 1]`.
    counts: Vec<Vec<u64>>,
    faults: Vec<Option<Fault>>,
    /// Prototype weights downsampled to a layer's size, by size.
    weights: RefCell<Vec<(Vec<i64>, Tensor)>>,
    native_weights: RefCell<Vec<(Vec<i64>, SharedWeights)>>,
    runs: OnceCell<LabelRuns>,
}

impl Prediction {
    /// From the network's probability of each object class `[B, K, *S]` with 1 to 3 spatial dimensions and `K` in 1..=254,
    /// and an optional validity mask `[B, 1, *S]` of 0 and 1.
    ///
    /// With one class a pixel is object iff `p > 0.5`; with several it gets the likeliest of background and classes (the
    /// background where they tie). An image whose probabilities are NaN or infinite gets [`Fault::NotFinite`].
    pub fn new(
        probability: &Tensor,
        valid: Option<&Tensor>,
        mask: MaskKind,
    ) -> Result<Prediction, ProtosegError> {
        check_probability(probability)?;
        let _no_grad = tch::no_grad_guard();
        let finite = finite_images(probability)?;
        let labels = output_labels(probability)?;
        let soft = match mask {
            MaskKind::Hard => None,
            MaskKind::Soft => Some(probability.f_to_kind(Kind::Double)?.f_nan_to_num(0.0, 0.0, 0.0)?),
        };
        Prediction::assemble(labels, probability.size()[1] as usize, valid, soft, &finite)
    }

    /// From labels `[B, *S]` uint8 (0 background, k object class k): ground truth instead of the network's output, as for the
    /// separableness of Table 3 with `G`.
    pub fn from_labels(
        labels: &Tensor,
        classes: usize,
        valid: Option<&Tensor>,
    ) -> Result<Prediction, ProtosegError> {
        check_labels(labels, classes)?;
        let finite = vec![true; labels.size()[0] as usize];
        Prediction::assemble(labels.f_clamp_max(classes as i64)?, classes, valid, None, &finite)
    }

    fn assemble(
        labels: Tensor,
        classes: usize,
        valid: Option<&Tensor>,
        mask: Option<Tensor>,
        finite: &[bool],
    ) -> Result<Prediction, ProtosegError> {
        let (batch, size) = (labels.size()[0] as usize, labels.size()[1..].to_vec());
        let labels = match valid {
            Some(valid) => {
                check_valid(valid, batch as i64, &size)?;
                let left_out = valid.f_squeeze_dim(1)?.f_eq(0)?.f_to_device(labels.device())?;
                labels.f_masked_fill(&left_out, i64::from(INVALID))?
            }
            None => labels,
        }
        .f_contiguous()?;
        let runs = OnceCell::new();
        let counts = if labels.device() == Device::Cpu {
            runs.get_or_init(|| LabelRuns::new(&labels, classes))
                .counts(classes)
        } else {
            label_counts(&labels, classes)?
        };
        let faults = finite
            .iter()
            .zip(&counts)
            .map(|(&finite, counts)| fault(finite, counts))
            .collect();
        Ok(Prediction {
            batch,
            classes,
            size,
            labels,
            mask,
            counts,
            faults,
            weights: RefCell::default(),
            native_weights: RefCell::default(),
            runs,
        })
    }

    /// The prediction at a layer's resolution `*s`: masks are averaged over the area of each position, whose label is the class that
    /// covers more than half of it.
    pub fn at_resolution(&self, positions: &[i64]) -> Result<Prediction, ProtosegError> {
        check_grid(positions, &self.size)?;
        let _no_grad = tch::no_grad_guard();
        let hard = self.one_hot()?;
        let covered = area_average(&hard.f_sum_dim_intlist([1].as_slice(), true, None)?, positions)?;
        let valid = covered.f_gt(0.5)?.f_to_kind(Kind::Uint8)?;
        let planes = match &self.mask {
            Some(mask) => mask.f_mul(&self.labels.f_ne(i64::from(INVALID))?.f_unsqueeze(1)?)?,
            None => hard.f_narrow(1, 1, self.classes as i64)?,
        };
        let share = covered.f_clamp_min(1e-9)?;
        let mask = area_average(&planes, positions)?.f_div(&share)?;
        let objects = area_average(&hard.f_narrow(1, 1, self.classes as i64)?, positions)?.f_div(&share)?;
        let finite: Vec<bool> = self
            .faults
            .iter()
            .map(|fault| *fault != Some(Fault::NotFinite))
            .collect();
        Prediction::assemble(
            output_labels(&objects)?,
            self.classes,
            Some(&valid),
            Some(mask),
            &finite,
        )
    }

    /// Images in the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Object classes, K.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The image's size `*S`, outermost dimension first.
    pub fn size(&self) -> &[i64] {
        &self.size
    }

    /// The device of its tensors.
    pub fn device(&self) -> Device {
        self.labels.device()
    }

    /// The output `[B, *S]` uint8: 0 background, k object class k, 255 outside the validity mask.
    pub fn labels(&self) -> &Tensor {
        &self.labels
    }

    /// Valid pixels of each label of one image: background first.
    pub fn counts(&self, image: usize) -> &[u64] {
        &self.counts[image]
    }

    /// Why an image can have no score, if so.
    pub fn fault(&self, image: usize) -> Option<Fault> {
        self.faults[image]
    }

    /// A view without tensors.
    pub(crate) fn view(&self) -> PredictionView<'_> {
        PredictionView {
            classes: self.classes,
            size: &self.size,
            counts: &self.counts,
            faults: &self.faults,
        }
    }

    /// Whether the prototypes' mask is the output itself.
    pub(crate) fn is_hard(&self) -> bool {
        self.mask.is_none()
    }

    /// The output of each image as runs of equal labels, made on first use.
    pub(crate) fn runs(&self) -> &LabelRuns {
        self.runs
            .get_or_init(|| LabelRuns::new(&self.labels, self.classes))
    }

    /// The prototypes' weights `[B, K + 1, positions]` double at a layer's resolution, background first: `U^T (v m)`. Computed
    /// once for each resolution.
    pub(crate) fn weights(&self, positions: &[i64]) -> Result<Tensor, ProtosegError> {
        if let Some((_, downsampled)) = self.weights.borrow().iter().find(|(size, _)| size == positions) {
            return Ok(downsampled.shallow_clone());
        }
        let _no_grad = tch::no_grad_guard();
        let planes = match &self.mask {
            None => self.one_hot()?,
            Some(mask) => {
                let valid = self
                    .labels
                    .f_ne(i64::from(INVALID))?
                    .f_unsqueeze(1)?
                    .f_to_kind(Kind::Double)?;
                let background = mask
                    .f_sum_dim_intlist([1].as_slice(), true, None)?
                    .f_neg()?
                    .f_add_scalar(1.0)?;
                Tensor::f_cat(&[background, mask.shallow_clone()], 1)?.f_mul(&valid)?
            }
        };
        let downsampled = upsample_adjoint(&planes, &axes(positions, &self.size))
            .f_reshape([self.batch as i64, self.classes as i64 + 1, -1])?
            .f_contiguous()?;
        self.weights
            .borrow_mut()
            .push((positions.to_vec(), downsampled.shallow_clone()));
        Ok(downsampled)
    }

    /// [`Prediction::weights`] for the native kernels; hard masks' weights are computed by the first pass that needs them.
    pub(crate) fn native_weights(&self, positions: &[i64]) -> Result<SharedWeights, ProtosegError> {
        if let Some((_, downsampled)) = self
            .native_weights
            .borrow()
            .iter()
            .find(|(size, _)| size == positions)
        {
            return Ok(downsampled.clone());
        }
        let downsampled = Arc::new(if self.is_hard() {
            OnceLock::new()
        } else {
            OnceLock::from(Weights::from_tensor(&self.weights(positions)?)?)
        });
        self.native_weights
            .borrow_mut()
            .push((positions.to_vec(), downsampled.clone()));
        Ok(downsampled)
    }

    /// The labels as `[B, K + 1, *S]` planes of 0 and 1, all 0 outside the validity mask.
    fn one_hot(&self) -> Result<Tensor, ProtosegError> {
        let planes: Result<Vec<Tensor>, _> = (0..=self.classes as i64)
            .map(|class| self.labels.f_eq(class))
            .collect();
        Ok(Tensor::f_stack(&planes?, 1)?.f_to_kind(Kind::Double)?)
    }

    /// Refuses a feature `[B, C, *s]` that does not fit this prediction.
    pub(crate) fn check_feature(&self, feature: &Tensor) -> Result<(), ProtosegError> {
        checks::check_feature(feature, self.batch, &self.size)
    }
}

fn fault(finite: bool, counts: &[u64]) -> Option<Fault> {
    if !finite {
        Some(Fault::NotFinite)
    } else if counts[1..].iter().all(|&count| count == 0) {
        Some(Fault::EmptyPrediction)
    } else if counts[0] == 0 {
        Some(Fault::FullPrediction)
    } else {
        None
    }
}

fn finite_images(probability: &Tensor) -> Result<Vec<bool>, ProtosegError> {
    if probability.device() == Device::Cpu && probability.kind() == Kind::Float {
        return feature_view::finite_images(probability);
    }
    let finite = probability.f_isfinite()?.f_flatten(1, -1)?.f_all_dim(1, false)?;
    Ok(Vec::<bool>::try_from(finite.f_to_device(Device::Cpu)?)?)
}

/// `B` as labels `[B, *S]` uint8.
fn output_labels(probability: &Tensor) -> Result<Tensor, ProtosegError> {
    if probability.size()[1] == 1 {
        return Ok(probability.f_select(1, 0)?.f_gt(0.5)?.f_to_kind(Kind::Uint8)?);
    }
    let background = probability
        .f_sum_dim_intlist([1].as_slice(), true, None)?
        .f_neg()?
        .f_add_scalar(1.0)?;
    let all = Tensor::f_cat(&[background, probability.shallow_clone()], 1)?;
    Ok(all.f_argmax(1, false)?.f_to_kind(Kind::Uint8)?)
}

fn label_counts(labels: &Tensor, classes: usize) -> Result<Vec<Vec<u64>>, ProtosegError> {
    let flat = labels.f_flatten(1, -1)?;
    let counts: Result<Vec<Tensor>, _> = (0..=classes as i64)
        .map(|class| {
            flat.f_eq(class)?
                .f_sum_dim_intlist([1].as_slice(), false, Kind::Int64)
        })
        .collect();
    let counts = Tensor::f_stack(&counts?, 1)?.f_to_device(Device::Cpu)?;
    let rows = Vec::<Vec<i64>>::try_from(counts)?;
    Ok(rows
        .into_iter()
        .map(|row| row.into_iter().map(|count| count as u64).collect())
        .collect())
}

/// `[B, P, *S]` averaged over the area of each of `*s` positions.
fn area_average(planes: &Tensor, positions: &[i64]) -> Result<Tensor, ProtosegError> {
    Ok(match positions.len() {
        1 => planes.f_adaptive_avg_pool1d(positions)?,
        2 => planes.f_adaptive_avg_pool2d(positions)?,
        _ => planes.f_adaptive_avg_pool3d(positions)?,
    })
}
