//! Pixel counts of a layer's SAM against the output, without writing the maps.

use super::{Native, score};
use crate::affine::Affine;
use crate::backend::MapCounts;
use crate::interpolation::Axis;
use crate::platform::for_each;
use crate::prediction_view::PredictionView;
use crate::reference::label_runs::INVALID;
use crate::reference::label_runs::LabelRuns;

impl Native {
    /// The counts `[B, K]` of the SAM that scores `[B, K, positions]` at the layer's own resolution make.
    pub(super) fn count_map(
        &self,
        scores: &[f64],
        axes: &[Axis],
        answer: PredictionView,
        labels: &LabelRuns,
        affine: &Affine,
    ) -> Vec<MapCounts> {
        struct Task {
            image: usize,
            first: usize,
            last: usize,
            counts: Vec<(u32, u32)>,
        }
        let (batch, classes) = (answer.batch(), affine.classes);
        let width = axes[axes.len() - 1].pixels();
        let pixels = answer.pixels();
        let positions = scores.len() / (batch * classes);
        let (height, step) = (pixels / width, (16_384 / width).max(1));
        let mut tasks: Vec<Task> = (0..batch)
            .flat_map(|image| (0..height).step_by(step).map(move |first| (image, first)))
            .map(|(image, first)| Task {
                image,
                first,
                last: (first + step).min(height),
                counts: vec![(0, 0); classes],
            })
            .collect();
        let labels = &labels.labels;
        for_each(&mut tasks, |task| {
            let bias = &affine.bias[task.image * classes..][..classes];
            if bias.iter().all(|&bias| bias == f64::NEG_INFINITY) {
                return;
            }
            let mut lines: Vec<Vec<f64>> = vec![vec![0.0; width]; classes];
            let mut source = score::Rows::new(axes);
            for row in task.first..task.last {
                for (class, line) in lines.iter_mut().enumerate() {
                    let positions = &scores[(task.image * classes + class) * positions..][..positions];
                    source.row(self.isa, positions, row, line);
                }
                let labels = &labels[task.image * pixels + row * width..][..width];
                if classes == 1 {
                    let (both, all) = score::count_row(self.isa, &lines[0], labels, 1, INVALID, 1.0, 0.0);
                    task.counts[0].0 += both;
                    task.counts[0].1 += all;
                } else {
                    score::count_row_multiclass(&lines, labels, INVALID, &mut task.counts);
                }
            }
        });
        let mut counts = vec![MapCounts::default(); batch * classes];
        for task in &tasks {
            let counts = &mut counts[task.image * classes..][..classes];
            for (count, &(both, all)) in counts.iter_mut().zip(&task.counts) {
                count.both += u64::from(both);
                count.sam += u64::from(all);
            }
        }
        counts
    }
}
