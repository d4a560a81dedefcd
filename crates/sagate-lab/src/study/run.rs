//! Execution of a study: jobs are run or taken from the cache.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tch::Device;

use super::cache::{Cache, Cached, Site};
use super::costs::{Costs, costs};
use super::error::StudyError;
use super::heads::{Head, HeadResults, heads, measure_heads};
use super::masks::{Masks, masks};
use super::measure::{ManyPasses, Sampling};
use super::network::{Network, Variant};
use super::noise::{Noise, noise};
use super::plan::{Job, stages};
use super::pool::each;
use super::profile::Profile;
use super::progress::{Progress, RemainingTime};
use super::pruning::{Pruned, prune};
use super::record::{Records, passes, records};
use super::set::{Set, SetImages};
use super::training::{Trained, snapshot_epochs, train};
use crate::data::Corruption;
use crate::train::{Observer, Row, Step};

/// Probability that a channel is dropped in a pass with dropout.
const DROPOUT: f64 = 0.2;

/// A study in a folder.
pub struct Study {
    /// Its sizes.
    pub profile: Profile,
    pub(super) cache: Cache,
    workers: usize,
    pub(super) device: Device,
    sets: Vec<Set>,
    missing: Vec<String>,
    images: BTreeMap<Set, SetImages>,
    heads: BTreeMap<Set, Vec<Head>>,
    stop: AtomicBool,
}

impl Study {
    /// A study with its cache, number of parallel jobs and device; makes or reads the images of every set. Published sets below
    /// `data_root` replace their phantoms.
    ///
    /// # Errors
    /// As [`Set::for_study`] and [`Set::images`].
    pub fn open(
        profile: Profile,
        workers: usize,
        device: Device,
        data_root: Option<&Path>,
        cache: Cache,
    ) -> Result<Study, StudyError> {
        let (sets, missing) = Set::for_study(data_root)?;
        let images = each(&sets, workers, |set| set.images(&cache, &profile, data_root))?;
        let images: BTreeMap<Set, SetImages> =
            images.into_iter().map(|images| (images.set, images)).collect();
        let of_heads = images.iter().filter(|(set, _)| set.is_of_heads());
        let heads: Result<_, StudyError> = of_heads
            .map(|(&set, images)| Ok((set, heads(set, images, &cache)?)))
            .collect();
        Ok(Study {
            heads: heads?,
            sets,
            missing,
            images,
            profile,
            cache,
            workers,
            device,
            stop: AtomicBool::new(false),
        })
    }

    /// Stops the run at the next training step or after the current job.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The number of parallel jobs.
    pub fn workers(&self) -> usize {
        self.workers
    }

    fn site(&self) -> Site<'_> {
        Site {
            cache: &self.cache,
            device: self.device,
        }
    }

    /// Its sets, those of the paper first.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The sets in the paper's place, or the paper's own.
    pub fn papers(&self) -> impl Iterator<Item = Set> + '_ {
        self.sets.iter().copied().filter(|set| set.paper().is_some())
    }

    /// Data sets that were not found below the data root: missing parts, source and terms.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The networks' device.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The images of a set.
    pub fn images(&self, set: Set) -> &SetImages {
        &self.images[&set]
    }

    /// Runs every job of the profile that is not cached.
    ///
    /// # Errors
    /// An error of a job; [`StudyError::Stopped`] after [`Study::stop`].
    pub fn run(&self, progress: &dyn Progress) -> Result<(), StudyError> {
        let stages = stages(&self.profile, &self.sets);
        let remaining = RemainingTime::new(self.workers);
        let (mut all, mut left) = (Vec::new(), BTreeMap::new());
        for job in stages.iter().flatten() {
            let kept = self.holds(job)?;
            all.push((*job, kept));
            if !kept {
                left.insert(*job, (job.kind(), self.work(job)?));
            }
        }
        let left = Mutex::new(left);
        let seconds_left = || remaining.seconds(left.lock().expect("no holder panics").values().copied());
        progress.plan(&all, seconds_left());
        for stage in &stages {
            each(stage, self.workers, |job| {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(StudyError::Stopped);
                }
                if !left.lock().expect("no holder panics").contains_key(job) {
                    return Ok(());
                }
                let since = Instant::now();
                progress.begin(job);
                self.perform(job, progress)?;
                if let Some((kind, work)) = left.lock().expect("no holder panics").remove(job) {
                    remaining.record(kind, work, since.elapsed().as_secs_f64());
                }
                progress.end(job, seconds_left());
                Ok(())
            })?;
        }
        Ok(())
    }

    fn perform(&self, job: &Job, progress: &dyn Progress) -> Result<(), StudyError> {
        let advance = &mut |share: f64| progress.advance(job, share);
        match job {
            Job::Train(network) => self.trained_with(network, advance).map(drop),
            Job::Records(network) => self.records_with(network, advance).map(drop),
            Job::Passes(network) => self.passes_with(network, advance).map(drop),
            Job::Noise(network) => self.noise_with(network, advance).map(drop),
            Job::Prune(network) => self.pruned(network).map(drop),
            Job::Masks(network) => self.masks(network).map(drop),
            Job::Heads(network) => self.head_results(network).map(drop),
            Job::Costs(network) => self.costs(network).map(drop),
        }
    }

    /// A network, trained.
    ///
    /// # Errors
    /// An error of the training.
    pub fn trained(&self, network: &Network) -> Result<Cached<Trained>, StudyError> {
        self.trained_with(network, &mut |_| ())
    }

    /// The one-pass records of a network's set.
    ///
    /// # Errors
    /// An error of the measurement.
    pub fn records(&self, network: &Network) -> Result<Records, StudyError> {
        Ok(self.records_with(network, &mut |_| ())?.value)
    }

    /// The measurements of several passes for [`Records::test`].
    ///
    /// # Errors
    /// An error of the measurement.
    pub fn passes(&self, network: &Network) -> Result<Vec<ManyPasses>, StudyError> {
        Ok(self.passes_with(network, &mut |_| ())?.value)
    }

    /// The effect of noise on a network's layers.
    ///
    /// # Errors
    /// An error of the measurement.
    pub fn noise(&self, network: &Network) -> Result<Noise, StudyError> {
        Ok(self.noise_with(network, &mut |_| ())?.value)
    }

    /// A network without its inertia units.
    ///
    /// # Errors
    /// An error of the pruning.
    pub fn pruned(&self, network: &Network) -> Result<Pruned, StudyError> {
        let (images, trained) = (self.images(network.set), self.trained(network)?);
        let records = self.records(network)?;
        Ok(prune(
            &self.site(),
            &self.step(&Job::Prune(*network))?,
            images,
            &trained,
            &records,
        )?
        .value)
    }

    /// SA scores of a network's layers with other masks.
    ///
    /// # Errors
    /// An error of the measurement.
    pub fn masks(&self, network: &Network) -> Result<Masks, StudyError> {
        let (images, trained) = (self.images(network.set), self.trained(network)?);
        let step = self.step(&Job::Masks(*network))?;
        Ok(masks(&self.site(), &step, images, &trained)?.value)
    }

    /// The other heads for a set's networks.
    pub fn heads(&self, set: Set) -> &[Head] {
        self.heads.get(&set).map_or(&[], Vec::as_slice)
    }

    /// A network's results on other heads.
    ///
    /// # Errors
    /// An error of the measurement.
    pub fn head_results(&self, network: &Network) -> Result<HeadResults, StudyError> {
        let (images, trained) = (self.images(network.set), self.trained(network)?);
        let temperature = self.records(network)?.temperature;
        let (step, heads) = (self.step(&Job::Heads(*network))?, self.heads(network.set));
        Ok(measure_heads(&self.site(), &step, images, heads, &trained, temperature)?.value)
    }

    /// The cost of each kind of score, measured on a network.
    ///
    /// # Errors
    /// An error of the measurement.
    pub fn costs(&self, network: &Network) -> Result<Costs, StudyError> {
        let (images, members) = (self.images(network.set), self.members(network)?);
        let step = self.step(&Job::Costs(*network))?;
        Ok(costs(&self.site(), &step, images, &members, &self.sampling())?.value)
    }

    /// The ensemble of a network, itself first.
    fn members(&self, network: &Network) -> Result<Vec<Cached<Trained>>, StudyError> {
        let member = |member| self.trained(&Network { member, ..*network });
        (0..self.profile.members).map(member).collect()
    }

    fn trained_with(
        &self,
        network: &Network,
        advance: &mut dyn FnMut(f64),
    ) -> Result<Cached<Trained>, StudyError> {
        let samples = &self.images(network.set).samples;
        let recipe = network.recipe(&self.profile, samples.train.len());
        let snapshots = self.snapshots(network, recipe.epochs);
        let mut watcher = Watcher {
            stop: &self.stop,
            advance,
        };
        let step = self.step(&Job::Train(*network))?;
        train(&self.site(), &step, &recipe, samples, &snapshots, &mut watcher)
    }

    /// The epochs whose weights the variance of gradients needs: of the studied networks only.
    pub(super) fn snapshots(&self, network: &Network, epochs: u32) -> Vec<u32> {
        let studied = network.member == 0 && network.variant == Variant::Main;
        snapshot_epochs(epochs, if studied { self.profile.snapshots } else { 0 })
    }

    fn records_with(
        &self,
        network: &Network,
        advance: &mut dyn FnMut(f64),
    ) -> Result<Cached<Records>, StudyError> {
        let images = self.images(network.set);
        let trained = self.trained(network)?;
        let step = self.step(&Job::Records(*network))?;
        records(
            &self.site(),
            &step,
            images,
            &trained,
            &self.versions(network)?,
            self.profile.perturbations,
            advance,
        )
    }

    fn passes_with(
        &self,
        network: &Network,
        advance: &mut dyn FnMut(f64),
    ) -> Result<Cached<Vec<ManyPasses>>, StudyError> {
        let images = self.images(network.set);
        let members = self.members(network)?;
        let (step, versions) = (self.step(&Job::Passes(*network))?, self.versions(network)?);
        passes(
            &self.site(),
            &step,
            images,
            &members,
            &versions,
            &self.sampling(),
            advance,
        )
    }

    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            dropout_passes: self.profile.dropout_passes,
            dropout_share: DROPOUT,
            seed: self.profile.seed,
        }
    }

    /// The versions of a network's test images: corrupted for the studied networks, clean only for their variants.
    pub(super) fn versions(&self, network: &Network) -> Result<Vec<Option<Corruption>>, StudyError> {
        match network.variant {
            Variant::Main => self
                .images(network.set)
                .versions(&self.profile.severities, self.profile.seed),
            _ => Ok(vec![None]),
        }
    }

    fn noise_with(
        &self,
        network: &Network,
        advance: &mut dyn FnMut(f64),
    ) -> Result<Cached<Noise>, StudyError> {
        let images = self.images(network.set);
        let trained = self.trained(network)?;
        let (levels, seed) = (&self.profile.noise, self.profile.seed);
        let step = self.step(&Job::Noise(*network))?;
        noise(&self.site(), &step, images, &trained, levels, seed, advance)
    }
}

/// Stops a training when the study stops, and forwards its progress.
struct Watcher<'a> {
    stop: &'a AtomicBool,
    advance: &'a mut dyn FnMut(f64),
}

impl Observer for Watcher<'_> {
    fn begin(&mut self, step: u64, steps: u64) {
        (self.advance)(step as f64 / steps as f64);
    }

    fn step(&mut self, step: &Step) -> ControlFlow<()> {
        (self.advance)(step.step as f64 / step.steps as f64);
        if self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn epoch(&mut self, _: &Row, _: bool) {}
}
