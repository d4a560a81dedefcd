//! Cache keys and amounts of work of the jobs.

use serde_json::json;

use super::cache::StepId;
use super::error::StudyError;
use super::network::Network;
use super::plan::{Job, Kind};
use super::run::Study;

impl Study {
    /// The cache key of a job: everything that its result depends on.
    pub(super) fn step(&self, job: &Job) -> Result<StepId, StudyError> {
        let network = *job.network();
        let images = self.images(network.set);
        let key = |job: Job| Ok::<_, StudyError>(self.step(&job)?.key());
        let (prefix, inputs) = match job {
            Job::Train(_) => {
                let recipe = network.recipe(&self.profile, images.samples.train.len());
                let snapshots = self.snapshots(&network, recipe.epochs);
                (
                    "train",
                    json!([
                        recipe,
                        images.samples.fingerprint,
                        snapshots,
                        self.device.is_cuda()
                    ]),
                )
            }
            Job::Records(_) => {
                let network_key = key(Job::Train(network))?;
                (
                    "records",
                    json!([
                        network_key,
                        images.key,
                        self.versions(&network)?,
                        self.profile.perturbations
                    ]),
                )
            }
            Job::Passes(_) | Job::Costs(_) => {
                let member = |member| key(Job::Train(Network { member, ..network }));
                let members: Vec<String> = (0..self.profile.members).map(member).collect::<Result<_, _>>()?;
                let inputs = json!([members, images.key, self.versions(&network)?, self.sampling()]);
                (
                    if job.kind() == Kind::Passes {
                        "passes"
                    } else {
                        "costs"
                    },
                    inputs,
                )
            }
            Job::Prune(_) => ("prune", json!([key(Job::Records(network))?])),
            Job::Masks(_) => ("masks", json!([key(Job::Train(network))?, images.key])),
            Job::Heads(_) => {
                let heads = self.heads(network.set).iter();
                let heads: Vec<(&str, usize)> = heads.map(|head| (head.name, head.slices.len())).collect();
                ("heads", json!([key(Job::Records(network))?, heads]))
            }
            Job::Noise(_) => {
                let (levels, seed) = (&self.profile.noise, self.profile.seed);
                (
                    "noise",
                    json!([key(Job::Train(network))?, images.key, levels, seed]),
                )
            }
        };
        Ok(StepId::new(format!("{prefix}-{}", network.name()), inputs))
    }

    pub(super) fn holds(&self, job: &Job) -> Result<bool, StudyError> {
        Ok(self.cache.holds(&self.step(job)?))
    }

    /// The amount of work, in the unit of the job's kind.
    pub(super) fn work(&self, job: &Job) -> Result<f64, StudyError> {
        let network = job.network();
        let images = self.images(network.set);
        let of = |count: usize| (count * images.pixels()) as f64;
        Ok(match job {
            Job::Train(_) => {
                let train = images.samples.train.len();
                let recipe = network.recipe(&self.profile, train);
                let factor = if network.online { 1.3 } else { 1.0 };
                of(train) * f64::from(recipe.epochs) * (recipe.base_width * recipe.base_width) as f64 * factor
            }
            Job::Records(_) => of(images.test.len() * self.versions(network)?.len()),
            Job::Passes(_) => of(images.test.len() * self.versions(network)?.len()),
            Job::Noise(_) => of(images.test.len() * (self.profile.noise.len() + 1)),
            Job::Prune(_) | Job::Masks(_) => of(images.test.len()),
            Job::Heads(_) => of(self.heads(network.set).iter().map(|head| head.slices.len()).sum()),
            Job::Costs(_) => of(1),
        })
    }
}
