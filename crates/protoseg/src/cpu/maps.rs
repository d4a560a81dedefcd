//! The pass that computes a layer's SAM: scores at the layer's resolution, upsampled to the image's, split into tasks.

use std::mem::MaybeUninit;

use super::{Native, positions_per_task, score};
use crate::affine::Affine;
use crate::backend::{MapCounts, SamOutput};
use crate::error::ProtosegError;
use crate::feature_view::{FeatureView, Layout};
use crate::interpolation::Axis;
use crate::platform::UninitTensor;
use crate::platform::{for_each, for_each_backwards};
use crate::prediction_view::PredictionView;
use crate::reference::label_runs::INVALID;
use crate::reference::label_runs::LabelRuns;

impl Native {
    /// Writes the affine scores `[B, K, positions]` at the layer's own resolution.
    pub(super) fn scores(&self, view: &FeatureView, affine: &Affine, scores: &mut [f64]) {
        let (classes, channels) = (affine.classes, view.channels);
        let step = positions_per_task(view.positions);
        let mut tasks: Vec<(usize, usize, &mut [f64])> = scores
            .chunks_exact_mut(view.positions)
            .enumerate()
            .flat_map(|(map, scores)| {
                scores
                    .chunks_mut(step)
                    .enumerate()
                    .map(move |(part, scores)| (map, part * step, scores))
            })
            .collect();
        for_each_backwards(&mut tasks, |(map, first, scores)| {
            let (image, bias) = (view.image(*map / classes), affine.bias[*map]);
            let direction = &affine.direction[*map * channels..][..channels];
            if bias == f64::NEG_INFINITY {
                // A class without prototype. A large finite score, since minus infinity cannot be interpolated.
                scores.fill(-f64::MAX / 4.0);
            } else if view.layout == Layout::Nhwc {
                let positions = &image[*first * channels..(*first + scores.len()) * channels];
                score::score_positions(self.isa, positions, channels, direction, bias, scores);
            } else {
                scores.fill(bias);
                for (plane, &direction) in image.chunks_exact(view.positions).zip(direction) {
                    score::add_plane(self.isa, &plane[*first..*first + scores.len()], direction, scores);
                }
            }
        });
    }

    /// Upsamples scores to the image's size and converts them to maps.
    pub(super) fn finish(
        &self,
        scores: &[f64],
        axes: &[Axis],
        answer: PredictionView,
        labels: &LabelRuns,
        affine: &Affine,
    ) -> Result<SamOutput, ProtosegError> {
        struct Task<'a> {
            image: usize,
            first: usize,
            probability: Vec<&'a mut [MaybeUninit<f32>]>,
            sam: &'a mut [MaybeUninit<u8>],
            counts: Vec<(u32, u32)>,
        }
        let (batch, classes) = (answer.batch(), affine.classes);
        let width = axes[axes.len() - 1].pixels();
        let pixels = answer.pixels();
        let positions = scores.len() / (batch * classes);
        let rows = (16_384 / width).max(1);
        let size = |middle: &[i64]| [&[batch as i64], middle, answer.size].concat();
        let mut all_probability = UninitTensor::<f32>::new(&size(&[classes as i64]))?;
        let mut all_sam = UninitTensor::<u8>::new(&size(&[]))?;
        let mut tasks = Vec::new();
        for ((image, probability), sam) in all_probability
            .values()
            .chunks_exact_mut(classes * pixels)
            .enumerate()
            .zip(all_sam.values().chunks_exact_mut(pixels))
        {
            let mut maps: Vec<_> = probability
                .chunks_exact_mut(pixels)
                .map(|map| map.chunks_mut(rows * width))
                .collect();
            for (part, sam) in sam.chunks_mut(rows * width).enumerate() {
                let probability = maps.iter_mut().filter_map(Iterator::next).collect();
                tasks.push(Task {
                    image,
                    first: part * rows,
                    probability,
                    sam,
                    counts: vec![(0, 0); classes],
                });
            }
        }
        let labels = &labels.labels;
        for_each(&mut tasks, |task| {
            if affine.bias[task.image * classes..][..classes]
                .iter()
                .all(|&bias| bias == f64::NEG_INFINITY)
            {
                task.sam.fill(MaybeUninit::new(0));
                task.probability
                    .iter_mut()
                    .for_each(|map| map.fill(MaybeUninit::new(0.0)));
                return;
            }
            let mut lines: Vec<Vec<f64>> = vec![vec![0.0; width]; classes];
            let mut source = score::Rows::new(axes);
            for row in 0..task.sam.len() / width {
                for (class, line) in lines.iter_mut().enumerate() {
                    let positions = &scores[(task.image * classes + class) * positions..][..positions];
                    source.row(self.isa, positions, task.first + row, line);
                }
                let labels = &labels[task.image * pixels + (task.first + row) * width..][..width];
                let sam = &mut task.sam[row * width..][..width];
                if classes == 1 {
                    let probability = &mut task.probability[0][row * width..][..width];
                    let (both, all) =
                        score::finish_row(self.isa, &lines[0], labels, 1, INVALID, probability, sam);
                    task.counts[0].0 += both;
                    task.counts[0].1 += all;
                } else {
                    let mut probability: Vec<_> = task
                        .probability
                        .iter_mut()
                        .map(|map| &mut map[row * width..][..width])
                        .collect();
                    score::finish_row_multiclass(
                        &lines,
                        labels,
                        INVALID,
                        &mut probability,
                        sam,
                        &mut task.counts,
                    );
                }
            }
        });
        let mut counts = vec![MapCounts::default(); batch * classes];
        for task in &tasks {
            for (class, &(both, all)) in task.counts.iter().enumerate() {
                let counts = &mut counts[task.image * classes + class];
                counts.both += u64::from(both);
                counts.sam += u64::from(all);
            }
        }
        drop(tasks);
        Ok(SamOutput {
            probability: all_probability.into_tensor(),
            sam: all_sam.into_tensor(),
            counts,
        })
    }
}
