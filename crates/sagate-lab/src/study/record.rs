//! What is kept of each image that a network was tried with.

use sagate_core::imaging::preprocess::Step;
use sagate_core::nn::inference::InferenceNet;
use serde::{Deserialize, Serialize};

use super::cache::{Kept, Site, StepId};
use super::error::StudyError;
use super::measure::{ManyPasses, Networks, OnePass, Sampling, many_passes, one_pass, own_mask};
use super::set::SetImages;
use super::training::Trained;
use crate::data::Damage;
use crate::rehearsal::spoil;
use crate::train::Sample;

/// Images that go through a network at once.
const BATCH: usize = 32;

/// An image and what one pass said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place among the images of its split: copies of one image share it.
    pub image: usize,
    /// What was done to it; none where it is clean.
    pub damage: Option<Damage>,
    /// What one pass says.
    pub pass: OnePass,
}

/// The records of a network's images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Records {
    /// Training images, clean.
    pub train: Vec<Record>,
    /// Validation images, clean.
    pub validation: Vec<Record>,
    /// Validation images in rehearsal: spoilt at random, and held against the network's own output on them unspoilt.
    pub rehearsal: Vec<Record>,
    /// Test images, clean and then damaged in each way.
    pub test: Vec<Record>,
    /// What the logits are divided by for temperature scaling, fitted on the validation images.
    pub temperature: f64,
}

/// Measures a network on its set with one pass an image.
///
/// # Errors
/// As [`one_pass`] and [`SetImages::damaged`].
pub fn records(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    network: &Kept<Trained>,
    versions: &[Option<Damage>],
    rehearsals: usize,
    advance: &mut dyn FnMut(f64),
) -> Result<Kept<Records>, StudyError> {
    site.cache.step(step, |_| {
        let net = InferenceNet::new(&network.weights()?, &network.value.network, site.device)?;
        let temperature = super::measure::fit_temperature(&net, &images.samples.validation)?;
        let of = |samples: &[Sample], damage| -> Result<Vec<Record>, StudyError> {
            let passes = in_batches(samples, |batch| one_pass(&net, batch, temperature))?;
            let record = |(image, pass)| Record { image, damage, pass };
            Ok(passes.into_iter().enumerate().map(record).collect())
        };
        let train = of(&images.samples.train, None)?;
        let validation = of(&images.samples.validation, None)?;
        let spoilt = rehearse(&net, &images.samples.validation, &images.steps, rehearsals)?;
        let passes = in_batches(&spoilt, |batch| one_pass(&net, batch, temperature))?;
        let of_spoilt = |(index, pass)| Record {
            image: index / rehearsals,
            damage: None,
            pass,
        };
        let rehearsal = passes.into_iter().enumerate().map(of_spoilt).collect();
        let mut test = Vec::new();
        for (done, &damage) in versions.iter().enumerate() {
            test.extend(of(&images.damaged(damage)?, damage)?);
            advance((done + 1) as f64 / versions.len() as f64);
        }
        Ok(Records {
            train,
            validation,
            rehearsal,
            test,
            temperature,
        })
    })
}

/// Each sample spoilt so many times, its labels the network's own output on it unspoilt, moved along.
fn rehearse(
    net: &InferenceNet,
    samples: &[Sample],
    steps: &[Step],
    times: usize,
) -> Result<Vec<Sample>, StudyError> {
    let mut spoilt = Vec::with_capacity(samples.len() * times);
    for (index, sample) in samples.iter().enumerate() {
        let mask = own_mask(net, sample)?;
        for time in 0..times {
            let other = &samples[(index + 1 + time) % samples.len()].pixels;
            let seed = (index * times + time) as u64;
            let made = spoil(&sample.pixels, &mask, other, steps, seed).map_err(StudyError::Rehearsal)?;
            spoilt.push(made);
        }
    }
    Ok(spoilt)
}

/// Asks an ensemble, dropout, flips and gradients about the test images of [`records`], in the same order.
///
/// # Errors
/// As [`many_passes`] and [`SetImages::damaged`].
pub fn passes(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    members: &[Kept<Trained>],
    versions: &[Option<Damage>],
    sampling: &Sampling,
    advance: &mut dyn FnMut(f64),
) -> Result<Kept<Vec<ManyPasses>>, StudyError> {
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
        for (done, &damage) in versions.iter().enumerate() {
            let samples = images.damaged(damage)?;
            all.extend(in_batches(&samples, |batch| {
                many_passes(&networks, batch, sampling)
            })?);
            advance((done + 1) as f64 / versions.len() as f64);
        }
        Ok(all)
    })
}

/// Takes samples some at a time, each batch of one size, and keeps their order.
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
