//! Images that wait for one model: by priority, first in, first out, those of one size together.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::batching::BatchingPolicy;
use super::task::Entry;
use crate::engine::admission::cost::{Cost, Kind, Work};
use crate::engine::admission::deadline::CostEstimate;
use crate::engine::admission::priority::Priority;

/// What waits for one model. How much may wait is bounded by [`crate::engine::admission::permits::AdmissionController`].
pub struct Queue {
    /// A line for each class.
    lines: [VecDeque<Entry>; Priority::ALL.len()],
    /// What the images of each line ask for.
    work: [Work; Priority::ALL.len()],
    aging: Duration,
}

/// The image that is next, before its batch is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The class that it counts as.
    pub class: Priority,
    /// The number under which it waits.
    id: u64,
    /// The line that it is the first of.
    line: usize,
}

/// When the next batch may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchReadiness {
    /// Now.
    Now,
    /// Then, unless enough images come before.
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

    /// Puts an image at the end of its line.
    pub fn push(&mut self, entry: Entry) {
        self.count(&entry);
        self.lines[entry.priority as usize].push_back(entry);
    }

    /// Puts images of a failed batch back, each to run alone, before all that wait.
    pub fn put_back(&mut self, entries: Vec<Entry>) {
        for mut entry in entries.into_iter().rev() {
            entry.unbatched = true;
            self.count(&entry);
            self.lines[entry.priority as usize].push_front(entry);
        }
    }

    /// Takes an image out whose caller went away, if it still waits.
    pub fn remove(&mut self, id: u64) -> Option<Entry> {
        (0..self.lines.len()).find_map(|line| {
            let place = self.lines[line].iter().position(|entry| entry.id == id)?;
            self.take_at(line, place)
        })
    }

    /// Takes out what could not be done in its time any more.
    pub fn take_late(&mut self, estimate: &CostEstimate, now: Instant) -> Vec<Entry> {
        let waiting = self.lines.iter().flatten();
        let late: Vec<u64> = waiting
            .filter(|entry| estimate.is_late(entry.work(), entry.deadline, now))
            .map(|entry| entry.id)
            .collect();
        late.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out everything.
    pub fn take_all(&mut self) -> Vec<Entry> {
        self.work = Default::default();
        self.lines.iter_mut().flat_map(std::mem::take).collect()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(VecDeque::is_empty)
    }

    /// Seconds of one slot that are asked for by what goes before an image of a class that comes now: all that waits in that class or a
    /// higher one, by the class that each image counts as by now.
    pub fn seconds_ahead(&self, class: Priority, cost: &Cost, now: Instant) -> f64 {
        let (ahead, behind) = self.lines.split_at(class as usize + 1);
        let in_class: Work = self.work[..ahead.len()].iter().copied().sum();
        // A line is in the order in which its images came, so that those that have aged stand first.
        let has_aged = |entry: &&Entry| entry.class(now, self.aging) <= class;
        let aged = behind.iter().flat_map(|line| line.iter().take_while(has_aged));
        cost.seconds(in_class + aged.map(Entry::work).sum())
    }

    /// Seconds of one slot that everything that waits asks for.
    pub fn seconds(&self, cost: &Cost) -> f64 {
        cost.seconds(self.work.iter().copied().sum())
    }

    /// The image that is next: the first of the line whose first counts most, the longest waiting among equals.
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

    /// When the batch of that image may run.
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
            // Waiting may take no more than half of the time that it has.
            let left = deadline.saturating_duration_since(first.queued);
            until = until.min(first.queued + left / 2);
        }
        if until <= now {
            BatchReadiness::Now
        } else {
            BatchReadiness::At(until)
        }
    }

    /// What is asked of that image, and its height and width on the prepared grid.
    pub fn kind_and_size(&self, next: &Next) -> (Kind, [usize; 2]) {
        let first = self.first(next);
        (first.kind(), first.image.size())
    }

    /// How many could run in the batch of that image, itself included, with each still in time.
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

    /// Takes that image and others that share its batch, `most` in all.
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

    /// That image and all that may share a batch with it, in their order. None of them is less urgent than that image.
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

    fn take_at(&mut self, line: usize, place: usize) -> Option<Entry> {
        let entry = self.lines[line].remove(place)?;
        self.work[line] -= entry.work();
        Some(entry)
    }
}
