//! Section `engine`.

use super::Relation;
use crate::config::rule::{Rule, number, whole, zero_or};
use crate::config::section::section;

section! {
    /// Queues, batches and worker threads. A request beyond a limit of entries or bytes is refused at once with
    /// `RESOURCE_EXHAUSTED`, `QUEUE_FULL` and a retry delay. One client is a name proven by token or certificate, or else an
    /// address (IPv6: a /64 network; behind a proxy of `server.trusted_proxies` the address that it states).
    pub struct EngineSettings: "engine" {
        /// Images of one model that wait or run.
        queue_entries: usize = 256, whole(1..=1_000_000);
        /// Bytes of the images of one model and of their answers.
        queue_bytes: u64 = 1073741824, whole(1..);
        /// Images of all models that wait or run.
        total_entries: usize = 1024, whole(1..=1_000_000);
        /// Bytes of the images of all models and of their answers.
        total_bytes: u64 = 2147483648, whole(1..);
        /// Images of one client that wait or run.
        client_entries: usize = 0, zero_or("no limit of its own", ..=1_000_000);
        /// Bytes of the images of one client and of their answers.
        client_bytes: u64 = 0, zero_or("no limit of its own", ..);
        /// Bytes of the feature maps of all running batches. An image that alone needs more is refused with the figure,
        /// others wait. On a GPU 0 is no limit: there a batch that does not fit is split.
        activation_bytes: u64 = 0, zero_or("half of the memory that is free at start", ..);
        /// Maximum batch size. 0: 1 on a CPU, which gains nothing from batches, and 16 on a GPU, or the largest of
        /// `engine.preferred_batches` if that is more.
        max_batch: usize = 0, zero_or("as suits the device", ..=1024);
        /// Images that may share a batch: those of equal size (0), or those whose sides are equal when rounded up to a
        /// multiple of this. It changes no result; smaller images take the time of the largest.
        bucket: usize = 0, bucket();
        /// Maximum batching delay in milliseconds.
        batch_wait_ms: f64 = 0.0, batch_wait();
        /// Batch sizes that run without waiting for more; `[]`: any size.
        preferred_batches: Vec<usize> = [], batch_sizes();
        /// Worker threads per model. 0: one per core of a CPU, at most 8, and 2 on a GPU. Cores are never oversubscribed: a
        /// single image runs on all of them, several images run side by side.
        instances: usize = 0, zero_or("as suits the device", ..=256);
        /// Lower scheduling priority (`nice`) of threads that compute on a CPU, so that a refusal or a read of the metrics
        /// does not wait for them. They also yield to other programs of the same control group: set 0 if such programs keep
        /// the cores busy.
        nice: usize = 10, whole(0..=19);
        /// Seconds after which a waiting `BATCH` image counts as `ROUTINE`, so that it is not starved.
        priority_aging_seconds: u64 = 10, zero_or("never", ..=86400);
        /// Sides of the square images that warm up each model before it is ready.
        warm_up_sides: Vec<usize> = [256], Rule::new(
            "whole numbers from 16 to 8192, like [256, 512]",
            |sides: &Vec<usize>| sides.iter().all(|side| (16..=8192).contains(side)),
        );
    }
}

impl EngineSettings {
    pub(in crate::config) fn relations(&self) -> [Relation; 1] {
        let fit = fit_batch(&self.preferred_batches, self.max_batch);
        [("engine.preferred_batches", fit)]
    }
}

pub(super) fn bucket() -> Rule<usize> {
    Rule::new(
        "0 (only images of equal size) or a multiple of 16 to 8192",
        |&multiple: &usize| multiple.is_multiple_of(16) && multiple <= 8192,
    )
}

pub(super) fn batch_wait() -> Rule<f64> {
    number(" of milliseconds", "", 0.0..=60_000.0)
}

/// [`fit_batch`] holds the sizes against the maximum.
pub(super) fn batch_sizes() -> Rule<Vec<usize>> {
    let words = "ascending whole numbers from 1 to max_batch, like [4, 8]";
    Rule::new(words, |sizes: &Vec<usize>| {
        sizes.first().is_none_or(|&first| first >= 1) && sizes.is_sorted_by(|a, b| a < b)
    })
}

/// Whether ascending batch sizes are within the maximum; 0: none is set.
pub(super) fn fit_batch(sizes: &[usize], max_batch: usize) -> bool {
    let most = if max_batch == 0 { 1024 } else { max_batch };
    sizes.last().is_none_or(|&last| last <= most)
}
