//! A set's clean test images and networks, and the rules that pick examples among them.

use std::cmp::Ordering;

use sagate_core::imaging::Image;
use sagate_core::imaging::preprocess::{Step, prepare};
use sagate_core::nn::inference::InferenceNet;

use super::drawing::channel;
use super::forward_pass::ForwardPass;
use crate::study::error::StudyError;
use crate::study::plan::LOSSES;
use crate::study::record::Record;
use crate::study::results::outcome::{Outcome, Outcomes, dice};
use crate::study::run::Study;
use crate::study::set::Set;
use crate::train::{Loss, Sample, TrainError};

/// The rule for the example of most figures, as captions say it.
pub(super) const MEDIAN: &str = "Each set's example is the clean test image whose Dice by the online network is the median, among those in \
                                 which both networks found an object.";

/// A set with what was measured of its two networks.
pub(super) struct Subject<'a> {
    pub set: Set,
    /// The clean test images, as networks take them.
    pub samples: Vec<Sample>,
    /// The same images with raw values, for display.
    pictures: Vec<Image>,
    networks: [(InferenceNet, &'a Outcome); 2],
}

impl<'a> Subject<'a> {
    /// Reads images and networks.
    pub fn read(study: &Study, outcomes: &'a Outcomes, set: Set) -> Result<Subject<'a>, StudyError> {
        let images = study.images(set);
        let grid: Vec<Step> = images
            .steps
            .iter()
            .filter(|step| !matches!(step, Step::ClipPercentiles { .. } | Step::ZScore))
            .cloned()
            .collect();
        let mut pictures = Vec::with_capacity(images.test.len());
        for example in &images.test {
            let prepared = prepare(example.image.clone(), &grid).map_err(|source| TrainError::Prepare {
                name: example.name.clone(),
                split: "test".into(),
                source,
            })?;
            let image = Image::new(prepared.pixels, [1.0, 1.0]);
            pictures.push(match telling(set) {
                Some(telling) => channel(image, telling),
                None => image,
            });
        }
        let network = |loss| -> Result<_, StudyError> {
            let outcome = outcomes.get(set, loss);
            let trained = study.trained(&outcome.network)?;
            let net = InferenceNet::new(&trained.weights()?, &trained.value.network, study.device())?;
            Ok((net, outcome))
        };
        Ok(Subject {
            set,
            samples: images.corrupted(None)?,
            pictures,
            networks: [network(LOSSES[0])?, network(LOSSES[1])?],
        })
    }

    /// A network's pass over an image.
    pub fn forward(&self, loss: Loss, image: usize, layers: &[usize]) -> Result<ForwardPass, StudyError> {
        ForwardPass::new(&self.network(loss).0, &self.samples[image], layers)
    }

    /// The records of the clean test images.
    pub fn records(&self, loss: Loss) -> &[Record] {
        self.network(loss).1.clean()
    }

    /// An image for display.
    pub fn picture(&self, image: usize) -> &Image {
        &self.pictures[image]
    }

    /// The clean test image whose Dice by the online network has this place (0 the lowest, 1 the highest) among the images in which
    /// both networks found an object and a background; none where there is no such image.
    pub fn example(&self, place: f64) -> Option<usize> {
        let found = |image: &usize| {
            LOSSES.iter().all(|&loss| {
                let output = self.records(loss)[*image].pass.output;
                (1..output.pixels).contains(&output.sam)
            })
        };
        let ranked = self.ranked(dice).into_iter().filter(found).collect::<Vec<_>>();
        at(&ranked, place)
    }

    /// The clean test images from the lowest to the highest value of the online network's records.
    pub fn ranked(&self, value: impl Fn(&Record) -> f64) -> Vec<usize> {
        let records = self.records(Loss::Online);
        let mut images: Vec<usize> = (0..records.len()).collect();
        let order =
            |&a: &usize, &b: &usize| -> Ordering { value(&records[a]).total_cmp(&value(&records[b])) };
        images.sort_by(order);
        images
    }

    fn network(&self, loss: Loss) -> &(InferenceNet, &'a Outcome) {
        &self.networks[usize::from(loss == LOSSES[1])]
    }
}

/// The item at a place from 0 to 1; the lower one where it falls between two.
pub(super) fn at<T: Copy>(ranked: &[T], place: f64) -> Option<T> {
    let last = ranked.len().checked_sub(1)?;
    Some(ranked[(place * last as f64).floor() as usize])
}

/// The channel with the best contrast of the object; none for colour images.
fn telling(set: Set) -> Option<usize> {
    match set {
        // After T1, T1ce and T2: FLAIR.
        Set::BratsLike | Set::Brats => Some(3),
        Set::IsicLike | Set::Isic => None,
        // Of prostate-like, T2; of the others the only one.
        _ => Some(0),
    }
}
