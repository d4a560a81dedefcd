//! Computational cost of each score, as a multiple of one forward pass.

use std::time::Instant;

use protoseg::{MaskKind, Prediction, ProtoSeg};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sagate_core::gate::Confidence;
use sagate_core::gate::evaluation::median;
use serde::{Deserialize, Serialize};

use super::cache::{Cached, Site, StepId};
use super::error::StudyError;
use super::measure::{Networks, Sampling, pixels};
use super::score::Cost;
use super::set::SetImages;
use super::training::Trained;

/// Times for one image, in seconds: medians over interleaved rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// One forward pass of the network in its inference form.
    pub forward: f64,
    /// The additional time of each kind of score.
    pub extra: Vec<(Cost, f64)>,
}

impl Costs {
    /// The whole cost of a score, the pass that gives the mask included, as a multiple of that pass.
    pub fn multiple(&self, cost: Cost) -> Option<f64> {
        let extra = self.extra.iter().find(|(other, _)| *other == cost)?.1;
        Some(1.0 + extra / self.forward)
    }
}

/// Rounds; each does everything once.
const ROUNDS: usize = 15;

/// Times every kind of score on the first test image of a set. To be run alone.
///
/// # Errors
/// Weights that do not fit, or libtorch failing.
pub fn costs(
    site: &Site<'_>,
    step: &StepId,
    images: &SetImages,
    members: &[Cached<Trained>],
    sampling: &Sampling,
) -> Result<Cached<Costs>, StudyError> {
    site.cache.step(step, |_| {
        let weights: Vec<_> = members.iter().map(Cached::weights).collect::<Result<_, _>>()?;
        let networks = Networks::new(
            &weights,
            &members[0].snapshots()?,
            &members[0].value.network,
            site.device,
        )?;
        let sample = &images.corrupted(None)?[0];
        let input = pixels(&[sample], site.device)?;
        let net = networks.own();
        let method = ProtoSeg::default();
        let output = net.forward(&input, &[10, 17, 18])?;
        let reference = || Prediction::new(&output.probability, None, MaskKind::Hard);
        let mask = output.probability.f_gt(0.5)?;
        let labels = sample.labels.mapv(|_| 1);
        let probability = ndarray::Array3::from_elem((1, labels.nrows(), labels.ncols()), 0.7);

        let mut forward = || -> Result<(), StudyError> {
            net.forward(&input, &[17, 18])?;
            Ok(())
        };
        let mut map = || -> Result<(), StudyError> {
            std::hint::black_box(Confidence::new(&probability, &labels));
            Ok(())
        };
        let mut units = || -> Result<(), StudyError> {
            let reference = reference()?;
            for layer in [17, 18] {
                method.units(&output.taps[&layer], &reference)?;
            }
            Ok(())
        };
        let mut layer = || -> Result<(), StudyError> {
            method.layer(&output.taps[&17], &reference()?)?;
            Ok(())
        };
        let mut pooling = || -> Result<(), StudyError> {
            drop(output.taps[&10].f_mean_dim([2i64, 3].as_slice(), false, tch::Kind::Float)?);
            Ok(())
        };
        let mut ensemble = || networks.ensemble(&input).map(drop);
        let mut random = ChaCha8Rng::seed_from_u64(sampling.seed);
        let mut dropout = || networks.dropout(&input, sampling, &mut random).map(drop);
        let mut flips = || networks.flipped(&input).map(drop);
        let mut gradients = || networks.gradients(&input, &mask).map(drop);

        type Work<'a> = &'a mut dyn FnMut() -> Result<(), StudyError>;
        let mut works: [(Option<Cost>, Work<'_>); 9] = [
            (None, &mut forward),
            (Some(Cost::Map), &mut map),
            (Some(Cost::Units), &mut units),
            (Some(Cost::Layer), &mut layer),
            (Some(Cost::Pooling), &mut pooling),
            (Some(Cost::Ensemble), &mut ensemble),
            (Some(Cost::Dropout), &mut dropout),
            (Some(Cost::Flips), &mut flips),
            (Some(Cost::Gradients), &mut gradients),
        ];
        let mut times = vec![Vec::with_capacity(ROUNDS); works.len()];
        for _ in 0..ROUNDS {
            for ((_, work), times) in works.iter_mut().zip(&mut times) {
                let since = Instant::now();
                work()?;
                times.push(since.elapsed().as_secs_f64());
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median).collect();
        let forward = medians[0];
        let extra = works.iter().zip(&medians).filter_map(|((cost, _), &seconds)| {
            // The ensemble and the flips run the network itself once among their passes.
            let own = matches!(cost, Some(Cost::Ensemble | Cost::Flips));
            Some((
                (*cost)?,
                if own {
                    (seconds - forward).max(0.0)
                } else {
                    seconds
                },
            ))
        });
        Ok(Costs {
            forward,
            extra: extra.collect(),
        })
    })
}
