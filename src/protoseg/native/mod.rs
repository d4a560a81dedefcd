//! Native CPU kernels: float32 in, float64 sums, contiguous and channels-last features without a copy.
//!
//! Results depend neither on the number of threads nor on the instruction set: work is cut into tasks by shape alone,
//! partial sums are added in order, and every kernel does the same operations in the same order on any processor.

mod isa;
mod parallel;
mod runs;
mod score;
mod sums;
mod units;
mod view;

use std::cell::RefCell;

use tch::Tensor;

pub use isa::Isa;
pub(super) use runs::LabelRuns;

use super::affine::{Affine, Thresholds};
use super::backend::{Backend, ClassSums, MapCounts, Maps, UnitCounts};
use super::error::ProtosegError;
use super::interpolation::{Axis, axes};
use super::reference::{INVALID, Reference};
use parallel::for_each;
use runs::{CUT, Run};
use view::{FeatureView, Features, Layout};

thread_local! {
    /// Scores at a layer's resolution, kept from call to call.
    static SCORES: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// The backend of native kernels.
#[derive(Debug, Clone, Copy)]
pub struct Native {
    isa: Isa,
}

impl Native {
    /// With the widest instruction set of this processor.
    pub fn detected() -> Native {
        Native {
            isa: Isa::available().pop().unwrap_or(Isa::Baseline),
        }
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
    fn class_sums(&self, feature: &Tensor, reference: &Reference) -> Result<ClassSums, ProtosegError> {
        let features = Features::new(feature)?;
        let view = features.view();
        if reference.is_hard() && feature.size()[2..] == *reference.size() {
            Ok(self.sums_of_runs(&view, reference))
        } else {
            self.sums_of_weights(
                &view,
                &reference.weights(&feature.size()[2..])?,
                reference.classes(),
            )
        }
    }

    fn maps(&self, feature: &Tensor, reference: &Reference, affine: &Affine) -> Result<Maps, ProtosegError> {
        let features = Features::new(feature)?;
        let view = features.view();
        SCORES.with_borrow_mut(|scores| {
            scores.resize(view.batch * affine.classes * view.cells, 0.0);
            self.scores(&view, affine, scores);
            self.finish(
                scores,
                &axes(&feature.size()[2..], reference.size()),
                reference,
                affine,
            )
        })
    }

    fn unit_counts(
        &self,
        feature: &Tensor,
        reference: &Reference,
        thresholds: &Thresholds,
    ) -> Result<UnitCounts, ProtosegError> {
        let features = Features::new(feature)?;
        let view = features.view();
        Ok(if feature.size()[2..] != *reference.size() {
            let axes = axes(&feature.size()[2..], reference.size());
            self.count_interpolated(&view, reference, thresholds, &axes)
        } else if view.layout == Layout::Cells {
            self.count_cells(&view, reference, thresholds)
        } else {
            self.count_planes(&view, reference, thresholds)
        })
    }
}

impl Native {
    fn sums_of_runs(&self, view: &FeatureView, reference: &Reference) -> ClassSums {
        let classes = reference.classes();
        let rows = classes + 2;
        let runs = &reference.runs().runs;
        let mut values = vec![0.0; view.batch * (classes + 1) * view.channels];
        let mut add = |image: usize, class: usize, channel: usize, sum: f64| {
            if class <= classes {
                values[(image * (classes + 1) + class) * view.channels + channel] += sum;
            } else if !sum.is_finite() {
                values[image * (classes + 1) * view.channels + channel] = f64::NAN;
            }
        };
        match view.layout {
            Layout::Cells => {
                struct Task {
                    image: usize,
                    first: usize,
                    sums: Vec<f64>,
                }
                let step = cells_a_task(view.cells);
                let mut tasks: Vec<Task> = parts(view, step)
                    .map(|(image, first)| Task {
                        image,
                        first,
                        sums: vec![0.0; rows * view.channels],
                    })
                    .collect();
                for_each(&mut tasks, |task| {
                    let runs = runs_within(&runs[task.image], task.first, step);
                    let image = view.image(task.image);
                    sums::add_runs_of_cells(self.isa, image, view.channels, runs, &mut task.sums);
                });
                for task in &tasks {
                    for (place, &sum) in task.sums.iter().enumerate() {
                        add(task.image, place / view.channels, place % view.channels, sum);
                    }
                }
            }
            Layout::Planes => {
                let mut planes: Vec<(usize, Vec<f64>)> = (0..view.batch * view.channels)
                    .map(|plane| (plane, vec![0.0; rows]))
                    .collect();
                for_each(&mut planes, |(plane, sums)| {
                    let image = *plane / view.channels;
                    sums::add_runs_of_plane(self.isa, view.plane(*plane), &runs[image], sums);
                });
                for (plane, sums) in &planes {
                    for (class, &sum) in sums.iter().enumerate() {
                        add(plane / view.channels, class, plane % view.channels, sum);
                    }
                }
            }
        }
        let mass = (0..view.batch)
            .flat_map(|image| reference.counts(image))
            .map(|&count| count as f64)
            .collect();
        ClassSums {
            values,
            mass,
            channels: view.channels,
        }
    }

    fn sums_of_weights(
        &self,
        view: &FeatureView,
        weights: &Tensor,
        classes: usize,
    ) -> Result<ClassSums, ProtosegError> {
        let rows = classes + 1;
        let weights = Vec::<f64>::try_from(weights.f_flatten(0, -1)?)?;
        let weights: Vec<&[f64]> = weights.chunks_exact(view.cells).collect();
        let mut values = vec![0.0; view.batch * rows * view.channels];
        match view.layout {
            Layout::Cells => {
                let step = cells_a_task(view.cells);
                let mut tasks: Vec<(usize, usize, Vec<f64>)> = parts(view, step)
                    .map(|(image, first)| (image, first, vec![0.0; rows * view.channels]))
                    .collect();
                for_each(&mut tasks, |(image, first, sums)| {
                    let last = (*first + step).min(view.cells);
                    let cells = &view.image(*image)[*first * view.channels..last * view.channels];
                    let weights: Vec<&[f64]> = weights[*image * rows..][..rows]
                        .iter()
                        .map(|row| &row[*first..last])
                        .collect();
                    sums::add_weighted_cells(self.isa, cells, view.channels, &weights, sums);
                });
                for (image, _, sums) in &tasks {
                    let image = &mut values[image * rows * view.channels..][..rows * view.channels];
                    image.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
                }
            }
            Layout::Planes => {
                let mut tasks: Vec<(usize, Vec<f64>)> = (0..view.batch * view.channels)
                    .map(|plane| (plane, Vec::new()))
                    .collect();
                for_each(&mut tasks, |(plane, sums)| {
                    let (image, values) = (*plane / view.channels, view.plane(*plane));
                    let weights = &weights[image * rows..][..rows];
                    sums.extend(
                        weights
                            .iter()
                            .map(|weights| sums::weighted_sum(self.isa, values, weights)),
                    );
                });
                for (plane, sums) in &tasks {
                    let (image, channel) = (plane / view.channels, plane % view.channels);
                    for (class, &sum) in sums.iter().enumerate() {
                        values[(image * rows + class) * view.channels + channel] = sum;
                    }
                }
            }
        }
        let mass = weights.iter().map(|row| row.iter().sum()).collect();
        Ok(ClassSums {
            values,
            mass,
            channels: view.channels,
        })
    }

    /// Writes the affine scores `[B, K, cells]` at the layer's own resolution.
    fn scores(&self, view: &FeatureView, affine: &Affine, scores: &mut [f64]) {
        let (classes, channels) = (affine.classes, view.channels);
        let step = cells_a_task(view.cells);
        let mut tasks: Vec<(usize, usize, &mut [f64])> = scores
            .chunks_exact_mut(view.cells)
            .enumerate()
            .flat_map(|(map, scores)| {
                scores
                    .chunks_mut(step)
                    .enumerate()
                    .map(move |(part, scores)| (map, part * step, scores))
            })
            .collect();
        for_each(&mut tasks, |(map, first, scores)| {
            let (image, bias) = (view.image(*map / classes), affine.bias[*map]);
            let direction = &affine.direction[*map * channels..][..channels];
            if bias == f64::NEG_INFINITY {
                // A class without prototype; its score is not interpolated, for which it would have to be finite.
                scores.fill(-f64::MAX / 4.0);
            } else if view.layout == Layout::Cells {
                let cells = &image[*first * channels..(*first + scores.len()) * channels];
                score::score_cells(self.isa, cells, channels, direction, bias, scores);
            } else {
                scores.fill(bias);
                for (plane, &direction) in image.chunks_exact(view.cells).zip(direction) {
                    score::add_plane(self.isa, &plane[*first..*first + scores.len()], direction, scores);
                }
            }
        });
    }

    /// Brings scores to the image's size and makes maps of them.
    fn finish(
        &self,
        scores: &[f64],
        axes: &[Axis],
        reference: &Reference,
        affine: &Affine,
    ) -> Result<Maps, ProtosegError> {
        struct Task<'a> {
            image: usize,
            first: usize,
            probability: Vec<&'a mut [f32]>,
            sam: &'a mut [u8],
            counts: Vec<(u32, u32)>,
        }
        let (batch, classes) = (reference.batch(), affine.classes);
        let width = axes[axes.len() - 1].pixels();
        let pixels = reference.size().iter().product::<i64>() as usize;
        let cells = scores.len() / (batch * classes);
        let rows = (16_384 / width).max(1);
        let mut probability = vec![0.0f32; batch * classes * pixels];
        let mut sam = vec![0u8; batch * pixels];
        let mut tasks = Vec::new();
        for ((image, probability), sam) in probability
            .chunks_exact_mut(classes * pixels)
            .enumerate()
            .zip(sam.chunks_exact_mut(pixels))
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
        let labels = &reference.runs().labels;
        for_each(&mut tasks, |task| {
            if affine.bias[task.image * classes..][..classes]
                .iter()
                .all(|&bias| bias == f64::NEG_INFINITY)
            {
                return;
            }
            let mut lines: Vec<Vec<f64>> = vec![vec![0.0; width]; classes];
            let mut source = score::Rows::new(axes);
            for row in 0..task.sam.len() / width {
                for (class, line) in lines.iter_mut().enumerate() {
                    let cells = &scores[(task.image * classes + class) * cells..][..cells];
                    source.row(self.isa, cells, task.first + row, line);
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
                    let mut probability: Vec<&mut [f32]> = task
                        .probability
                        .iter_mut()
                        .map(|map| &mut map[row * width..][..width])
                        .collect();
                    score::finish_row_of_classes(
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
        let shape = |middle: &[i64]| -> Vec<i64> {
            [batch as i64]
                .iter()
                .chain(middle)
                .chain(reference.size())
                .copied()
                .collect()
        };
        Ok(Maps {
            probability: Tensor::f_from_slice(&probability)?.f_view(shape(&[classes as i64]).as_slice())?,
            sam: Tensor::f_from_slice(&sam)?.f_view(shape(&[]).as_slice())?,
            counts,
        })
    }

    fn count_cells(&self, view: &FeatureView, reference: &Reference, thresholds: &Thresholds) -> UnitCounts {
        struct Task {
            image: usize,
            first: usize,
            /// `[K, C]` each.
            both: Vec<u32>,
            rest: Vec<u32>,
        }
        let (classes, channels) = (thresholds.classes, view.channels);
        let (sign, limit) = in_float(thresholds);
        let step = cells_a_task(view.cells);
        let mut tasks: Vec<Task> = parts(view, step)
            .map(|(image, first)| Task {
                image,
                first,
                both: vec![0; classes * channels],
                rest: vec![0; classes * channels],
            })
            .collect();
        let runs = &reference.runs().runs;
        for_each(&mut tasks, |task| {
            let runs = runs_within(&runs[task.image], task.first, step);
            for class in 0..classes {
                let own =
                    (task.image * classes + class) * channels..(task.image * classes + class + 1) * channels;
                units::count_runs_of_cells(
                    self.isa,
                    view.image(task.image),
                    channels,
                    runs,
                    class as u8 + 1,
                    classes as u8 + 1,
                    &sign[own.clone()],
                    &limit[own],
                    &mut task.both[class * channels..][..channels],
                    &mut task.rest[class * channels..][..channels],
                );
            }
        });
        let mut counts = vec![MapCounts::default(); sign.len()];
        for task in &tasks {
            let counts = &mut counts[task.image * classes * channels..][..classes * channels];
            for ((count, &both), &rest) in counts.iter_mut().zip(&task.both).zip(&task.rest) {
                count.both += u64::from(both);
                count.sam += u64::from(both) + u64::from(rest);
            }
        }
        counts
    }

    fn count_planes(&self, view: &FeatureView, reference: &Reference, thresholds: &Thresholds) -> UnitCounts {
        let (classes, channels) = (thresholds.classes, view.channels);
        let (sign, limit) = in_float(thresholds);
        let runs = &reference.runs().runs;
        let mut counts: Vec<(usize, MapCounts)> = (0..sign.len())
            .map(|place| (place, MapCounts::default()))
            .collect();
        for_each(&mut counts, |(place, counts)| {
            let (image, class, channel) = (
                *place / (classes * channels),
                *place / channels % classes,
                *place % channels,
            );
            let (both, rest) = units::count_runs_of_plane(
                self.isa,
                view.plane(image * channels + channel),
                &runs[image],
                class as u8 + 1,
                classes as u8 + 1,
                sign[*place],
                limit[*place],
            );
            *counts = MapCounts {
                both: u64::from(both),
                sam: u64::from(both) + u64::from(rest),
            };
        });
        counts.into_iter().map(|(_, counts)| counts).collect()
    }

    /// Units of a lower resolution than the image's: each is interpolated a row at a time.
    fn count_interpolated(
        &self,
        view: &FeatureView,
        reference: &Reference,
        thresholds: &Thresholds,
        axes: &[Axis],
    ) -> UnitCounts {
        let (classes, channels) = (thresholds.classes, view.channels);
        let width = axes[axes.len() - 1].pixels();
        let pixels = reference.size().iter().product::<i64>() as usize;
        let labels = &reference.runs().labels;
        let mut tasks: Vec<(usize, Vec<MapCounts>)> = (0..view.batch * channels)
            .map(|unit| (unit, vec![MapCounts::default(); classes]))
            .collect();
        for_each(&mut tasks, |(unit, counts)| {
            let (image, channel) = (*unit / channels, *unit % channels);
            let values = view.image(image);
            let cells: Vec<f64> = match view.layout {
                Layout::Planes => view.plane(*unit).iter().map(|&value| f64::from(value)).collect(),
                Layout::Cells => values[channel..]
                    .iter()
                    .step_by(channels)
                    .map(|&value| f64::from(value))
                    .collect(),
            };
            let mut line = vec![0.0; width];
            let mut rows = score::Rows::new(axes);
            let labels = &labels[image * pixels..][..pixels];
            for (row, labels) in labels.chunks_exact(width).enumerate() {
                rows.row(self.isa, &cells, row, &mut line);
                for (class, counts) in counts.iter_mut().enumerate() {
                    let place = (image * classes + class) * channels + channel;
                    let (sign, limit) = (thresholds.sign[place], thresholds.limit[place]);
                    let (both, all) =
                        score::count_row(self.isa, &line, labels, class as u8 + 1, INVALID, sign, limit);
                    counts.both += u64::from(both);
                    counts.sam += u64::from(all);
                }
            }
        });
        let mut counts = vec![MapCounts::default(); thresholds.sign.len()];
        for (unit, of_classes) in tasks {
            for (class, count) in of_classes.into_iter().enumerate() {
                counts[(unit / channels * classes + class) * channels + unit % channels] = count;
            }
        }
        counts
    }
}

/// Cells a task takes: enough to be worth it, few enough that all threads have some. By the shape alone.
fn cells_a_task(cells: usize) -> usize {
    (cells / 16).next_multiple_of(CUT).max(CUT)
}

/// `(image, first cell)` of every task.
fn parts(view: &FeatureView, step: usize) -> impl Iterator<Item = (usize, usize)> {
    let cells = view.cells;
    (0..view.batch).flat_map(move |image| (0..cells).step_by(step).map(move |first| (image, first)))
}

/// The runs that begin within `step` cells from `first`; as `step` is made of whole cuts, they end there too.
fn runs_within(runs: &[Run], first: usize, step: usize) -> &[Run] {
    let begin = runs.partition_point(|run| (run.start as usize) < first);
    let end = runs.partition_point(|run| (run.start as usize) < first + step);
    &runs[begin..end]
}

/// Thresholds for comparing float32 values, with the very same answers.
fn in_float(thresholds: &Thresholds) -> (Vec<f32>, Vec<f32>) {
    let sign = thresholds.sign.iter().map(|&sign| sign as f32).collect();
    let limit = thresholds
        .limit
        .iter()
        .map(|&limit| units::rounded_down(limit))
        .collect();
    (sign, limit)
}
