//! The measurements of a study, read once.

use std::collections::BTreeMap;

use protoseg::Metric;
use sagate_core::gate::evaluation::Bootstrap;

use crate::study::error::StudyError;
use crate::study::network::Network;
use crate::study::plan::LOSSES;
use crate::study::record::{Record, Records};
use crate::study::run::Study;
use crate::study::score::{Score, scores};
use crate::study::set::Set;
use crate::study::table::Cell;
use crate::train::Loss;

/// Digits of shares and scores in tables.
pub(super) const DIGITS: usize = 3;

/// A studied network and what was measured of its images.
pub struct Outcome {
    /// The network.
    pub network: Network,
    /// One pass an image.
    pub records: Records,
    /// Every score of [`Records::test`].
    pub scores: Vec<Score>,
    /// Dice of the output of each of [`Records::test`].
    pub dice: Vec<f64>,
    /// The object's output weight less the background's, of each unit of layer 18.
    pub weights: Vec<f64>,
    /// Draws of test images, each with all its corrupted copies.
    pub bootstrap: Bootstrap,
    /// Draws of clean test images.
    pub clean_bootstrap: Bootstrap,
}

/// The outcomes of all sets and losses.
pub struct Outcomes {
    sets: Vec<Set>,
    of: BTreeMap<Network, Outcome>,
}

impl Outcomes {
    /// Reads the results of the study's jobs.
    ///
    /// # Errors
    /// Outcomes that cannot be read.
    pub fn read(study: &Study) -> Result<Outcomes, StudyError> {
        let mut of = BTreeMap::new();
        for network in study
            .sets()
            .iter()
            .flat_map(|&set| LOSSES.map(|loss| Network::main(set, loss)))
        {
            of.insert(network, Outcome::read(study, network)?);
        }
        Ok(Outcomes {
            sets: study.sets().to_vec(),
            of,
        })
    }

    /// The study's sets.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The outcome of a set and a loss.
    pub fn get(&self, set: Set, loss: Loss) -> &Outcome {
        &self.of[&Network::main(set, loss)]
    }

    /// All of them: set by set, offline first.
    pub fn iter(&self) -> impl Iterator<Item = &Outcome> {
        self.of.values()
    }
}

impl Outcome {
    fn read(study: &Study, network: Network) -> Result<Outcome, StudyError> {
        let records = study.records(&network)?;
        let weights = output_weights(study, &network)?;
        let groups: Vec<usize> = records.test.iter().map(|record| record.image).collect();
        let clean = groups.iter().max().map_or(0, |last| last + 1);
        let (draws, seed) = (study.profile.draws, study.profile.seed);
        Ok(Outcome {
            scores: scores(&records, &study.passes(&network)?, &weights),
            dice: records.test.iter().map(dice).collect(),
            bootstrap: Bootstrap::new(&groups, draws, seed),
            clean_bootstrap: Bootstrap::new(&(0..clean).collect::<Vec<_>>(), draws, seed),
            network,
            records,
            weights,
        })
    }

    /// The clean test images.
    pub fn clean(&self) -> &[Record] {
        let corrupted = self
            .records
            .test
            .iter()
            .position(|record| record.corruption.is_some());
        &self.records.test[..corrupted.unwrap_or(self.records.test.len())]
    }

    /// The values of a score; none where it could not be fitted.
    pub fn score(&self, id: &str) -> Option<&Score> {
        self.scores.iter().find(|score| score.id == id)
    }

    /// Mean and standard deviation of a quantity of the clean test images, with the mean's bootstrap interval.
    pub fn estimate(&self, of: impl Fn(&Record) -> f64) -> Estimate {
        let values: Vec<f64> = self.clean().iter().map(of).collect();
        Estimate::new(&values, &self.clean_bootstrap)
    }
}

/// Dice of a record's output.
pub(super) fn dice(record: &Record) -> f64 {
    Metric::Dice.score(record.pass.output)
}

/// A mean, the standard deviation of the values, and the confidence interval of the mean.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the values.
    pub deviation: f64,
    /// The lower end of the mean's interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// Of one value an image, over a bootstrap's draws of the images.
    pub fn new(values: &[f64], bootstrap: &Bootstrap) -> Estimate {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let drawn = |times: &[u32]| {
            let (sum, count) = values
                .iter()
                .zip(times)
                .fold((0.0, 0u32), |(sum, count), (value, &times)| {
                    (sum + value * f64::from(times), count + times)
                });
            (count > 0).then(|| sum / f64::from(count))
        };
        let interval = bootstrap.interval(drawn);
        Estimate {
            mean,
            deviation: variance.sqrt(),
            low: interval.map_or(f64::NAN, |interval| interval.low),
            high: interval.map_or(f64::NAN, |interval| interval.high),
        }
    }

    /// As a cell of a table.
    pub fn cell(&self) -> Cell {
        Cell::estimate(self.mean, Some(self.deviation), self.low, self.high, DIGITS)
    }
}

/// The output layer's weights of the object less those of the background, of each unit of layer 18 (eq. 9).
fn output_weights(study: &Study, network: &Network) -> Result<Vec<f64>, StudyError> {
    let weights = study.trained(network)?.weights()?;
    let head = weights.get("head.weight").expect("the network has a head");
    let difference = head.f_get(1)?.f_sub(&head.f_get(0)?)?.f_flatten(0, -1)?;
    Ok(Vec::<f64>::try_from(difference.f_to_kind(tch::Kind::Double)?)?)
}
