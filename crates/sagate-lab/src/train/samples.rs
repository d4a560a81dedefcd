//! The images of a split, prepared and kept in memory.

use ndarray::{Array2, Array3};
use sagate_core::imaging::preprocess::{Step, prepare};
use sha2::{Digest, Sha256};

use super::error::TrainError;
use crate::data::{Example, Split, Task};

/// One prepared image with its truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `[channels, height, width]`, as the network takes it.
    pub pixels: Array3<f32>,
    /// `[height, width]`: 0 background, 1.. the object classes.
    pub labels: Array2<u8>,
    /// `[height, width]`: 0 where preprocessing padded. None where it did not.
    pub valid: Option<Array2<u8>>,
}

/// The prepared images of the two splits that training uses.
#[derive(Debug, Clone)]
pub struct Samples {
    /// The training split.
    pub train: Vec<Sample>,
    /// The validation split.
    pub validation: Vec<Sample>,
    /// Channels of every image.
    pub channels: usize,
    /// SHA-256 over all pixels, labels and validity masks, in hexadecimal.
    pub fingerprint: String,
}

impl Sample {
    /// Prepares an example like the service.
    ///
    /// # Errors
    /// When a preprocessing step does not fit the image.
    pub fn new(example: &Example, split: &str, steps: &[Step]) -> Result<Sample, TrainError> {
        let failed = |source| TrainError::Prepare {
            name: example.name.clone(),
            split: split.to_owned(),
            source,
        };
        let prepared = prepare(example.image.clone(), steps).map_err(failed)?;
        let (_, height, width) = prepared.pixels.dim();
        let labels = match &example.truth {
            Some(truth) => prepared.prepare_labels(truth).map_err(failed)?,
            None => Array2::zeros((height, width)),
        };
        Ok(Sample {
            labels,
            pixels: prepared.pixels,
            valid: prepared.valid,
        })
    }
}

impl Samples {
    /// Reads and prepares a task's train and validation splits.
    ///
    /// # Errors
    /// When an image cannot be read or prepared, when a split is empty, or when images differ in their channels.
    pub fn read(task: &Task, steps: &[Step]) -> Result<Samples, TrainError> {
        let mut splits = Vec::new();
        let mut channels = None;
        for split in [Split::Train, Split::Validation] {
            let name = split.to_string();
            let mut samples = Vec::new();
            for example in task.split(split)? {
                let sample = Sample::new(&example, &name, steps)?;
                let found = sample.pixels.dim().0;
                let expected = *channels.get_or_insert(found);
                if found != expected {
                    return Err(TrainError::Channels {
                        name: example.name,
                        split: name,
                        found,
                        expected,
                    });
                }
                samples.push(sample);
            }
            if samples.is_empty() {
                return Err(TrainError::EmptySplit {
                    task: task.name().to_owned(),
                    split: name,
                });
            }
            splits.push(samples);
        }
        let validation = splits.pop().unwrap_or_default();
        Ok(Samples::new(
            splits.pop().unwrap_or_default(),
            validation,
            channels.unwrap_or_default(),
        ))
    }

    /// Samples that are prepared already.
    pub fn new(train: Vec<Sample>, validation: Vec<Sample>, channels: usize) -> Samples {
        let fingerprint = fingerprint([&train, &validation]);
        Samples {
            train,
            validation,
            channels,
            fingerprint,
        }
    }
}

fn fingerprint(splits: [&Vec<Sample>; 2]) -> String {
    let mut sum = Sha256::new();
    for samples in splits {
        sum.update((samples.len() as u64).to_le_bytes());
        for sample in samples {
            for side in sample.pixels.shape() {
                sum.update((*side as u64).to_le_bytes());
            }
            let pixels: Vec<u8> = sample
                .pixels
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            sum.update(pixels);
            for plane in [Some(&sample.labels), sample.valid.as_ref()] {
                let plane: Vec<u8> = plane.map_or_else(Vec::new, |plane| plane.iter().copied().collect());
                sum.update((plane.len() as u64).to_le_bytes());
                sum.update(plane);
            }
        }
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
