//! Heads outside the training data: another human's and another species'.

use std::path::Path;

use sagate_core::nn::inference::InferenceNet;
use serde::{Deserialize, Serialize};

use super::cache::{Cache, Cached, Site, StepId};
use super::error::StudyError;
use super::measure::{OnePass, one_pass};
use super::record::in_batches;
use super::set::{Set, SetImages};
use super::training::Trained;
use crate::data::{self, Example, t1};
use crate::train::Sample;

/// Where `make nilearn` puts the template MNI152.
const MNI152: &str = ".tools/nilearn";

/// A head's slices, all with truth.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its name.
    pub name: &'static str,
    /// Its slices.
    pub slices: Vec<Example>,
}

/// The other heads that a set's networks can be tried on: the macaque of inia19 where the task has its slices, and MNI152 for whole
/// brains where the template is there.
///
/// # Errors
/// A template that is there but cannot be read.
pub fn heads(set: Set, images: &SetImages, cache: &Cache) -> Result<Vec<Head>, StudyError> {
    let mut heads = Vec::new();
    if set == Set::T1Brain && Path::new(MNI152).join(t1::MNI152_FILE).is_file() {
        let made = cache.step(&StepId::new("data-mni152", serde_json::Value::Null), |folder| {
            t1::build_mni152(Path::new(MNI152), folder, false)?;
            Ok(())
        })?;
        let folder = made.folder.join(t1::MNI152_NAME);
        heads.push(Head {
            name: "MNI152, human",
            slices: data::folder(&folder)?,
        });
    }
    let known: Vec<Example> = images
        .other
        .iter()
        .filter(|example| example.truth.is_some())
        .cloned()
        .collect();
    if !known.is_empty() {
        heads.push(Head {
            name: "inia19, macaque",
            slices: known,
        });
    }
    Ok(heads)
}

/// The measurements of one pass on every slice of every head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadResults {
    /// The head's name and its slices.
    pub heads: Vec<(String, Vec<OnePass>)>,
}

/// Measures a network on other heads. `temperature` divides the logits for temperature scaling.
///
/// # Errors
/// As [`one_pass`].
pub fn measure_heads(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    heads: &[Head],
    network: &Cached<Trained>,
    temperature: f64,
) -> Result<Cached<HeadResults>, StudyError> {
    site.cache.step(step, |_| {
        let net = InferenceNet::new(&network.weights()?, &network.value.network, site.device)?;
        let mut met = Vec::new();
        for head in heads {
            let samples: Result<Vec<Sample>, _> = head
                .slices
                .iter()
                .map(|example| Sample::new(example, "test", &images.steps))
                .collect();
            let passes = in_batches(&samples?, |batch| one_pass(&net, batch, temperature))?;
            met.push((head.name.to_owned(), passes));
        }
        Ok(HeadResults { heads: met })
    })
}
