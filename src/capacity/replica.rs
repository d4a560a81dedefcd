//! One replica: slots, and what waits for them.

use std::collections::VecDeque;

use super::service::ServiceTimes;
use crate::engine::DEADLINE_HEADROOM;

/// An image on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    /// When it came first.
    pub came: f64,
    /// Replicas that it was sent to.
    pub tries: usize,
    /// Whether it counts.
    pub counts: bool,
}

/// An image that a slot works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub id: u64,
    pub image: Image,
    pub begun: f64,
    /// From when on its slot's time was not yet taken by the autoscaler.
    pub untaken: f64,
}

/// A replica.
pub(super) struct Replica {
    /// When it answers for the first time.
    ready_at: f64,
    /// Whether it takes nothing more, and ends when it is idle.
    pub leaving: bool,
    pub waiting: VecDeque<Image>,
    pub running: Vec<Run>,
    /// Seconds of slots that were used by what ended since the last look of the autoscaler.
    pub used: f64,
}

impl Replica {
    pub fn new(ready_at: f64) -> Replica {
        Replica {
            ready_at,
            leaving: false,
            waiting: VecDeque::new(),
            running: Vec::new(),
            used: 0.0,
        }
    }

    /// Images that wait or run.
    pub fn load(&self) -> usize {
        self.waiting.len() + self.running.len()
    }

    /// Whether it takes images.
    pub fn is_ready(&self, now: f64) -> bool {
        self.stays() && self.ready_at <= now
    }

    /// Whether it is meant to stay, ready or not.
    pub fn stays(&self) -> bool {
        !self.leaving
    }

    /// Whether it costs something.
    pub fn is_there(&self) -> bool {
        self.stays() || self.load() > 0
    }

    /// Whether an image that has so many seconds left would be in time.
    pub fn in_time(&self, now: f64, left: f64, slots: usize, times: &ServiceTimes) -> bool {
        let wait = if self.running.len() < slots {
            0.0
        } else {
            // What is left of a run is expected, not known.
            let left = |run: &Run| (times.mean() - (now - run.begun)).max(0.0);
            let running: f64 = self.running.iter().map(left).sum();
            (running + self.waiting.len() as f64 * times.mean()) / slots as f64
        };
        DEADLINE_HEADROOM * (wait + times.mean()) <= left
    }

    /// Seconds of slots that were used since the last call.
    pub fn take_used(&mut self, now: f64) -> f64 {
        let mut used = std::mem::take(&mut self.used);
        for run in &mut self.running {
            used += now - run.untaken;
            run.untaken = now;
        }
        used
    }

    /// Forgets everything that it has.
    pub fn drop_all(&mut self) -> VecDeque<Image> {
        let mut all = std::mem::take(&mut self.waiting);
        all.extend(self.running.drain(..).map(|run| run.image));
        all
    }
}
