//! The pass that computes the class sums of a feature map, split into tasks.

use super::sums;
use super::{Native, parts, positions_per_task, runs_within};
use crate::backend::ClassSums;
use crate::feature_view::{FeatureView, Layout};
use crate::platform::for_each;
use crate::prediction_view::PredictionView;
use crate::reference::label_runs::LabelRuns;
use crate::reference::weights::Weights;

impl Native {
    pub(super) fn sums_of_runs(
        &self,
        view: &FeatureView,
        answer: PredictionView,
        labels: &LabelRuns,
    ) -> ClassSums {
        let classes = answer.classes;
        let rows = classes + 2;
        let runs = &labels.runs;
        let mut values = vec![0.0; view.batch * (classes + 1) * view.channels];
        let mut add = |image: usize, class: usize, channel: usize, sum: f64| {
            if class <= classes {
                values[(image * (classes + 1) + class) * view.channels + channel] += sum;
            } else if !sum.is_finite() {
                values[image * (classes + 1) * view.channels + channel] = f64::NAN;
            }
        };
        match view.layout {
            Layout::Nhwc => {
                struct Task {
                    image: usize,
                    first: usize,
                    sums: Vec<f64>,
                }
                let step = positions_per_task(view.positions);
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
                    sums::add_runs_of_positions(self.isa, image, view.channels, runs, &mut task.sums);
                });
                for task in &tasks {
                    for (place, &sum) in task.sums.iter().enumerate() {
                        add(task.image, place / view.channels, place % view.channels, sum);
                    }
                }
            }
            Layout::Nchw => {
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
        let mass = answer
            .counts
            .iter()
            .flatten()
            .map(|&count| count as f64)
            .collect();
        ClassSums {
            values,
            mass,
            channels: view.channels,
        }
    }

    pub(super) fn sums_of_weights(&self, view: &FeatureView, weights: &Weights, classes: usize) -> ClassSums {
        let rows = classes + 1;
        let mass = weights.mass.clone();
        let weights: Vec<&[f64]> = weights.values.chunks_exact(view.positions).collect();
        let mut values = vec![0.0; view.batch * rows * view.channels];
        match view.layout {
            Layout::Nhwc => {
                let step = positions_per_task(view.positions);
                let mut tasks: Vec<(usize, usize, Vec<f64>)> = parts(view, step)
                    .map(|(image, first)| (image, first, vec![0.0; rows * view.channels]))
                    .collect();
                for_each(&mut tasks, |(image, first, sums)| {
                    let last = (*first + step).min(view.positions);
                    let positions = &view.image(*image)[*first * view.channels..last * view.channels];
                    let weights: Vec<&[f64]> = weights[*image * rows..][..rows]
                        .iter()
                        .map(|row| &row[*first..last])
                        .collect();
                    sums::add_weighted_positions(self.isa, positions, view.channels, &weights, sums);
                });
                for (image, _, sums) in &tasks {
                    let image = &mut values[image * rows * view.channels..][..rows * view.channels];
                    image.iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
                }
            }
            Layout::Nchw => {
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
        ClassSums {
            values,
            mass,
            channels: view.channels,
        }
    }
}
