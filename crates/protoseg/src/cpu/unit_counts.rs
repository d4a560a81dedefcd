//! The pass that scores units: pixel counts of each unit's own SAM, split into tasks.

use super::{Native, parts, positions_per_task, runs_within, score, units};
use crate::affine::Thresholds;
use crate::backend::{MapCounts, UnitCounts};
use crate::feature_view::{FeatureView, Layout};
use crate::interpolation::Axis;
use crate::platform::{for_each, for_each_backwards};
use crate::reference::label_runs::INVALID;
use crate::reference::label_runs::LabelRuns;

impl Native {
    pub(super) fn count_positions(
        &self,
        view: &FeatureView,
        labels: &LabelRuns,
        thresholds: &Thresholds,
    ) -> UnitCounts {
        struct Task {
            image: usize,
            first: usize,
            /// `[K, C]` each.
            both: Vec<u32>,
            rest: Vec<u32>,
        }
        let (classes, channels) = (thresholds.classes, view.channels);
        let (sign, limit) = in_float(thresholds);
        let step = positions_per_task(view.positions);
        let mut tasks: Vec<Task> = parts(view, step)
            .map(|(image, first)| Task {
                image,
                first,
                both: vec![0; classes * channels],
                rest: vec![0; classes * channels],
            })
            .collect();
        let runs = &labels.runs;
        for_each_backwards(&mut tasks, |task| {
            let runs = runs_within(&runs[task.image], task.first, step);
            for class in 0..classes {
                let own =
                    (task.image * classes + class) * channels..(task.image * classes + class + 1) * channels;
                units::count_runs_of_positions(
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

    pub(super) fn count_planes(
        &self,
        view: &FeatureView,
        labels: &LabelRuns,
        thresholds: &Thresholds,
    ) -> UnitCounts {
        let (classes, channels) = (thresholds.classes, view.channels);
        let (sign, limit) = in_float(thresholds);
        let runs = &labels.runs;
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
    pub(super) fn count_interpolated(
        &self,
        view: &FeatureView,
        labels: &LabelRuns,
        thresholds: &Thresholds,
        axes: &[Axis],
    ) -> UnitCounts {
        let (classes, channels) = (thresholds.classes, view.channels);
        let width = axes[axes.len() - 1].pixels();
        let pixels = axes.iter().map(Axis::pixels).product::<usize>();
        let labels = &labels.labels;
        let mut tasks: Vec<(usize, Vec<MapCounts>)> = (0..view.batch * channels)
            .map(|unit| (unit, vec![MapCounts::default(); classes]))
            .collect();
        for_each(&mut tasks, |(unit, counts)| {
            let (image, channel) = (*unit / channels, *unit % channels);
            let values = view.image(image);
            let positions: Vec<f64> = match view.layout {
                Layout::Nchw => view.plane(*unit).iter().map(|&value| f64::from(value)).collect(),
                Layout::Nhwc => values[channel..]
                    .iter()
                    .step_by(channels)
                    .map(|&value| f64::from(value))
                    .collect(),
            };
            let mut line = vec![0.0; width];
            let mut rows = score::Rows::new(axes);
            let labels = &labels[image * pixels..][..pixels];
            for (row, labels) in labels.chunks_exact(width).enumerate() {
                rows.row(self.isa, &positions, row, &mut line);
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
        for (unit, by_class) in tasks {
            for (class, count) in by_class.into_iter().enumerate() {
                counts[(unit / channels * classes + class) * channels + unit % channels] = count;
            }
        }
        counts
    }
}

/// Thresholds in float32 that give the same comparisons for float32 values.
fn in_float(thresholds: &Thresholds) -> (Vec<f32>, Vec<f32>) {
    let sign = thresholds.sign.iter().map(|&sign| sign as f32).collect();
    let limit = thresholds
        .limit
        .iter()
        .map(|&limit| units::rounded_down(limit))
        .collect();
    (sign, limit)
}
