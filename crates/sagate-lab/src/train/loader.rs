//! Batches, prepared by one background thread while the network computes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::augment::Augmentation;
use super::batch::Batch;
use super::samples::{Sample, Samples};

/// Length of the queue of prepared batches.
const QUEUE_LENGTH: usize = 3;

/// Everything that the batches of a training depend on.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The training images are drawn from these.
    pub samples: Arc<Samples>,
    /// How each is changed every time.
    pub augmentation: Augmentation,
    /// Images of a batch; the last of an epoch may have fewer.
    pub batch_size: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Plan {
    /// Steps of an epoch.
    pub fn steps(&self) -> u64 {
        self.samples.train.len().div_ceil(self.batch_size) as u64
    }

    /// The order of the training images in an epoch (from 0).
    fn order(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.samples.train.len()).collect();
        order.shuffle(&mut self.random(epoch, u32::MAX));
        order
    }

    /// The batch of a step (from 0) of an epoch.
    fn batch(&self, epoch: u32, order: &[usize], step: u64) -> Batch {
        let first = step as usize * self.batch_size;
        let last = (first + self.batch_size).min(order.len());
        let changed: Vec<Sample> = (first..last)
            .map(|place| {
                let sample = &self.samples.train[order[place]];
                self.augmentation
                    .apply(sample, &mut self.random(epoch, place as u32))
            })
            .collect();
        Batch::new(&changed, self.samples.channels)
    }

    /// The random generator for an epoch and an index within it.
    fn random(&self, epoch: u32, place: u32) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream((u64::from(epoch) << 32) | u64::from(place));
        random
    }
}

/// The thread, and the batches that come from it in order.
#[derive(Debug)]
pub(super) struct Loader {
    batches: Option<Receiver<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// Starts at a step (from 0) of an epoch (from 0) and goes on to the end of epoch `epochs - 1`.
    pub fn start(plan: Plan, epoch: u32, step: u64, epochs: u32) -> std::io::Result<Loader> {
        let (sender, receiver) = sync_channel(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("batches".to_owned())
            .spawn(move || produce(&plan, epoch, step, epochs, &sender))?;
        Ok(Loader {
            batches: Some(receiver),
            thread: Some(thread),
        })
    }

    /// The next batch; None after the last one.
    pub fn next(&self) -> Option<Batch> {
        self.batches.as_ref().and_then(|batches| batches.recv().ok())
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Dropping the receiver ends the thread at its next batch.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported as a missing batch.
            let _ = thread.join();
        }
    }
}

fn produce(plan: &Plan, epoch: u32, step: u64, epochs: u32, batches: &SyncSender<Batch>) {
    let mut first = step;
    for epoch in epoch..epochs {
        let order = plan.order(epoch);
        for step in first..plan.steps() {
            if batches.send(plan.batch(epoch, &order, step)).is_err() {
                return;
            }
        }
        first = 0;
    }
}
