//! Records of one network's images: the measurements of one forward pass, or of several.

use sagate_core::imaging::preprocess::Step;
use sagate_core::nn::inference::InferenceNet;
use serde::{Deserialize, Serialize};

use super::cache::{Cached, Site, StepId};
use super::error::StudyError;
use super::measure::{ManyPasses, Networks, OnePass, Sampling, many_passes, one_pass, own_mask};
use super::set::SetImages;
use super::training::Trained;
use crate::data::Corruption;
use crate::perturbation::perturb;
use crate::train::Sample;

/// Images that go through a network at once.
const BATCH: usize = 32;

/// The measurements of one pass on one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Index of the image within its split, shared by its copies.
    pub image: usize,
    /// Its corruption; none where it is clean.
    pub corruption: Option<Corruption>,
    /// The measurements of one pass.
    pub pass: OnePass,
}

/// The records of a network's images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// Training images, clean.
    pub train: Vec<Record>,
    /// Validation images, clean.
    pub validation: Vec<Record>,
    /// Perturbed validation images, compared with the network's own output on the original images.
    pub perturbed: Vec<Record>,
    /// Test images, clean and then with each corruption.
    pub test: Vec<Record>,
    /// Temperature of temperature scaling, fitted on the validation images.
    pub temperature: f64,
}

/// Measures a network on its set with one pass an image.
///
/// # Errors
/// As [`one_pass`] and [`SetImages::corrupted`].
pub fn records(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    network: &Cached<Trained>,
    versions: &[Option<Corruption>],
    perturbations: usize,
    advance: &mut dyn FnMut(f64),
) -> Result<Cached<Records>, StudyError> {
    site.cache.step(step, |_| {
        let net = InferenceNet::new(&network.weights()?, &network.value.network, site.device)?;
        let temperature = super::measure::fit_temperature(&net, &images.samples.validation)?;
        let measure = |samples: &[Sample], corruption| -> Result<Vec<Record>, StudyError> {
            let passes = in_batches(samples, |batch| one_pass(&net, batch, temperature))?;
            let record = |(image, pass)| Record {
                image,
                corruption,
                pass,
            };
            Ok(passes.into_iter().enumerate().map(record).collect())
        };
        let train = measure(&images.samples.train, None)?;
        let validation = measure(&images.samples.validation, None)?;
        let copies = perturbed_copies(&net, &images.samples.validation, &images.steps, perturbations)?;
        let passes = in_batches(&copies, |batch| one_pass(&net, batch, temperature))?;
        let perturbed_record = |(index, pass)| Record {
            image: index / perturbations,
            corruption: None,
            pass,
        };
        let perturbed = passes.into_iter().enumerate().map(perturbed_record).collect();
        let mut test = Vec::new();
        for (done, &corruption) in versions.iter().enumerate() {
            test.extend(measure(&images.corrupted(corruption)?, corruption)?);
            advance((done + 1) as f64 / versions.len() as f64);
        }
        Ok(Records {
            train,
            validation,
            perturbed,
            test,
            temperature,
        })
    })
}

/// Perturbed copies of each sample; their labels are the network's own output on the original, transformed alike.
fn perturbed_copies(
    net: &InferenceNet,
    samples: &[Sample],
    steps: &[Step],
    times: usize,
) -> Result<Vec<Sample>, StudyError> {
    let mut copies = Vec::with_capacity(samples.len() * times);
    for (index, sample) in samples.iter().enumerate() {
        let mask = own_mask(net, sample)?;
        for time in 0..times {
            let other = &samples[(index + 1 + time) % samples.len()].pixels;
            let seed = (index * times + time) as u64;
            let copy = perturb(&sample.pixels, &mask, other, steps, seed);
            copies.push(copy.map_err(StudyError::Perturbation)?);
        }
    }
    Ok(copies)
}

/// Measures the test images of [`records`], in the same order, with an ensemble, dropout, flips and gradients.
///
/// # Errors
/// As [`many_passes`] and [`SetImages::corrupted`].
pub fn passes(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    members: &[Cached<Trained>],
    versions: &[Option<Corruption>],
    sampling: &Sampling,
    advance: &mut dyn FnMut(f64),
) -> Result<Cached<Vec<ManyPasses>>, StudyError> {
    site.cache.step(step, |_| {
        let weights: Vec<_> = members
            .iter()
            .map(|member| member.weights())
            .collect::<Result<_, _>>()?;
        let networks = Networks::new(
            &weights,
            &members[0].snapshots()?,
            &members[0].value.network,
            site.device,
        )?;
        let mut all = Vec::new();
        for (done, &corruption) in versions.iter().enumerate() {
            let samples = images.corrupted(corruption)?;
            all.extend(in_batches(&samples, |batch| {
                many_passes(&networks, batch, sampling)
            })?);
            advance((done + 1) as f64 / versions.len() as f64);
        }
        Ok(all)
    })
}

/// Processes samples in batches of one image size and keeps their order.
pub(super) fn in_batches<T>(
    samples: &[Sample],
    mut each: impl FnMut(&[&Sample]) -> Result<Vec<T>, StudyError>,
) -> Result<Vec<T>, StudyError> {
    let mut results = Vec::with_capacity(samples.len());
    for run in samples.chunk_by(|a, b| a.labels.dim() == b.labels.dim()) {
        for batch in run.chunks(BATCH) {
            results.extend(each(&batch.iter().collect::<Vec<_>>())?);
        }
    }
    Ok(results)
}
