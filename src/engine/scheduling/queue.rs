//! Images that wait for one model: a FIFO per priority class.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::batching::BatchingPolicy;
use super::task::Entry;
use crate::engine::admission::cost::{Cost, Kind, Work};
use crate::engine::admission::deadline::CostEstimate;
use crate::engine::admission::priority::Priority;

/// Images that wait for one model. [`crate::engine::admission::permits::AdmissionController`] limits their number.
pub struct Queue {
    /// A FIFO for each class.
    lines: [VecDeque<Entry>; Priority::ALL.len()],
    /// Total work of the images in each FIFO.
    work: [Work; Priority::ALL.len()],
    aging: Duration,
}

/// The image that is next, before its batch is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Its class after aging.
    pub class: Priority,
    /// Id of its entry.
    id: u64,
    /// The FIFO that it heads.
    line: usize,
}

/// Whether the next batch may run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchReadiness {
    /// Now.
    Now,
    /// At this time, or as soon as enough images wait.
    At(Instant),
}

impl Queue {
    pub fn new(aging: Duration) -> Queue {
        Queue {
            lines: Default::default(),
            work: Default::default(),
            aging,
        }
    }

    /// Appends an image to the FIFO of its class.
    pub fn push(&mut self, entry: Entry) {
        self.count(&entry);
        self.lines[entry.priority as usize].push_back(entry);
    }

    /// Puts the images of a failed batch back at the front, each to run in a batch of its own.
    pub fn put_back(&mut self, entries: Vec<Entry>) {
        for mut entry in entries.into_iter().rev() {
            entry.unbatched = true;
            self.count(&entry);
            self.lines[entry.priority as usize].push_front(entry);
        }
    }

    /// Removes an image whose caller is gone, if it still waits.
    pub fn remove(&mut self, id: u64) -> Option<Entry> {
        (0..self.lines.len()).find_map(|line| {
            let index = self.lines[line].iter().position(|entry| entry.id == id)?;
            self.take_at(line, index)
        })
    }

    /// Removes the images that can no longer meet their deadline.
    pub fn take_late(&mut self, estimate: &CostEstimate, now: Instant) -> Vec<Entry> {
        let waiting = self.lines.iter().flatten();
        let late: Vec<u64> = waiting
            .filter(|entry| estimate.is_late(entry.work(), entry.deadline, now))
            .map(|entry| entry.id)
            .collect();
        late.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Removes all images.
    pub fn take_all(&mut self) -> Vec<Entry> {
        self.work = Default::default();
        self.lines.iter_mut().flat_map(std::mem::take).collect()
    }

    /// Number of waiting images.
    pub fn len(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// Whether no image waits.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    /// Slot-seconds of work ahead of a new image of this class: all waiting images of that class or a higher one, after aging.
    pub fn seconds_ahead(&self, class: Priority, cost: &Cost, now: Instant) -> f64 {
        let (ahead, behind) = self.lines.split_at(class as usize + 1);
        let in_class: Work = self.work[..ahead.len()].iter().copied().sum();
        // A FIFO is in order of arrival, so promoted images come first.
        let has_aged = |entry: &&Entry| entry.class(now, self.aging) <= class;
        let promoted = behind.iter().flat_map(|line| line.iter().take_while(has_aged));
        cost.seconds(in_class + promoted.map(Entry::work).sum())
    }

    /// Slot-seconds of all waiting images.
    pub fn seconds(&self, cost: &Cost) -> f64 {
        cost.seconds(self.work.iter().copied().sum())
    }

    /// The next image: the head of the highest class after aging, the oldest among equals.
    pub fn next(&self, now: Instant) -> Option<Next> {
        let heads = self.lines.iter().enumerate();
        heads
            .filter_map(|(line, waiting)| Some((line, waiting.front()?)))
            .map(|(line, entry)| Next {
                class: entry.class(now, self.aging),
                id: entry.id,
                line,
            })
            .min_by_key(|next| (next.class, next.id))
    }

    /// Whether the batch of that image may run now.
    pub fn readiness(&self, next: &Next, batching: &BatchingPolicy, now: Instant) -> BatchReadiness {
        let first = self.first(next);
        if batching.max_wait.is_zero() || !first.is_batchable() {
            return BatchReadiness::Now;
        }
        if batching.is_enough(
            self.batch_candidates(next, batching, now)
                .take(batching.max_batch)
                .count(),
        ) {
            return BatchReadiness::Now;
        }
        let mut until = first.queued + batching.max_wait;
        if let Some(deadline) = first.deadline {
            // Batching may use at most half of the time to the deadline.
            let left = deadline.saturating_duration_since(first.queued);
            until = until.min(first.queued + left / 2);
        }
        if until <= now {
            BatchReadiness::Now
        } else {
            BatchReadiness::At(until)
        }
    }

    /// Kind of request, and height and width of the image on the prepared grid.
    pub fn kind_and_size(&self, next: &Next) -> (Kind, [usize; 2]) {
        let first = self.first(next);
        (first.kind(), first.image.size())
    }

    /// Number of images, that one included, that can share its batch with each meeting its deadline.
    pub fn batchable_count(
        &self,
        next: &Next,
        batching: &BatchingPolicy,
        most: usize,
        estimate: &CostEstimate,
        now: Instant,
    ) -> usize {
        if self.first(next).is_batchable() {
            estimate.batch_in_time(
                self.batch_candidates(next, batching, now)
                    .take(most)
                    .map(|entry| (entry.work(), entry.deadline)),
                now,
            )
        } else {
            1
        }
    }

    /// Removes that image and others that share its batch, at most `most` in total.
    pub fn take(&mut self, next: &Next, batching: &BatchingPolicy, most: usize, now: Instant) -> Vec<Entry> {
        if !self.first(next).is_batchable() {
            return self.take_at(next.line, 0).into_iter().collect();
        }
        let ids: Vec<u64> = self
            .batch_candidates(next, batching, now)
            .take(most)
            .map(|entry| entry.id)
            .collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// That image and all that may share a batch with it, in order. None of them is less urgent.
    fn batch_candidates<'a>(
        &'a self,
        next: &Next,
        batching: &'a BatchingPolicy,
        now: Instant,
    ) -> impl Iterator<Item = &'a Entry> {
        let first = self.first(next);
        let (class, aging) = (next.class, self.aging);
        let bucket = batching.bucket(first.image.size());
        let fits = move |entry: &&Entry| {
            entry.id != first.id
                && entry.is_batchable()
                && batching.bucket(entry.image.size()) == bucket
                && entry.class(now, aging) <= class
        };
        std::iter::once(first).chain(self.lines.iter().flatten().filter(fits))
    }

    fn first(&self, next: &Next) -> &Entry {
        &self.lines[next.line][0]
    }

    fn count(&mut self, entry: &Entry) {
        self.work[entry.priority as usize] += entry.work();
    }

    fn take_at(&mut self, line: usize, index: usize) -> Option<Entry> {
        let entry = self.lines[line].remove(index)?;
        self.work[line] -= entry.work();
        Some(entry)
    }
}
