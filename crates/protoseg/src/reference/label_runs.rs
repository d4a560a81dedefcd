//! The output as runs of equal labels: masks consist of long runs, so kernels select a class once a run, not once a pixel.

use tch::{Kind, Tensor};

/// The label of a pixel outside the validity mask.
pub(crate) const INVALID: u8 = u8::MAX;

/// Consecutive positions of one class.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub start: u32,
    pub length: u32,
    /// 0 background, k object class k, K + 1 outside the validity mask.
    pub class: u8,
}

/// The runs of a batch, and its labels.
pub struct LabelRuns {
    /// `[B, *S]`.
    pub labels: Vec<u8>,
    /// Per image, over all of `*S` flattened.
    pub runs: Vec<Vec<Run>>,
}

/// Runs are split at multiples of this many positions: a kernel reads a run several times (one tile of channels each) and needs it in
/// cache. Tasks consist of whole cuts.
pub(crate) const CUT: usize = 64;

impl LabelRuns {
    pub fn new(labels: &Tensor, classes: usize) -> LabelRuns {
        let batch = labels.size()[0] as usize;
        let pixels = labels.numel() / batch;
        let mut values = vec![0u8; batch * pixels];
        labels
            .to_kind(Kind::Uint8)
            .to_device(tch::Device::Cpu)
            .copy_data(&mut values, batch * pixels);
        let runs = values
            .chunks_exact(pixels)
            .map(|image| runs(image, classes))
            .collect();
        LabelRuns { labels: values, runs }
    }

    /// Valid pixels of each label of each image, `[B][K + 1]`.
    pub fn counts(&self, classes: usize) -> Vec<Vec<u64>> {
        let of_image = |runs: &Vec<Run>| {
            let mut counts = vec![0; classes + 2];
            for run in runs {
                counts[run.class as usize] += u64::from(run.length);
            }
            counts.truncate(classes + 1);
            counts
        };
        self.runs.iter().map(of_image).collect()
    }
}

fn runs(labels: &[u8], classes: usize) -> Vec<Run> {
    let class_of = |label| {
        if label == INVALID {
            classes as u8 + 1
        } else {
            label
        }
    };
    let mut runs = Vec::new();
    for (index, cut) in labels.chunks(CUT).enumerate() {
        let mut start = 0;
        // Fast path: most cuts hold a single label.
        if cut.iter().fold(0, |other, label| other | (label ^ cut[0])) == 0 {
            runs.push(Run {
                start: (index * CUT) as u32,
                length: cut.len() as u32,
                class: class_of(cut[0]),
            });
            continue;
        }
        for same in cut.chunk_by(|a, b| a == b) {
            runs.push(Run {
                start: (index * CUT + start) as u32,
                length: same.len() as u32,
                class: class_of(same[0]),
            });
            start += same.len();
        }
    }
    runs
}
