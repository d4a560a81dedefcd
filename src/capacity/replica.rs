//! One simulated replica: its slots and its queue.

use std::collections::VecDeque;

use super::service::ServiceTimes;
use crate::engine::DEADLINE_HEADROOM;

/// An image in flight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    /// Arrival time.
    pub arrived: f64,
    /// Number of attempts.
    pub tries: usize,
    /// Whether it arrived after the warm-up.
    pub counts: bool,
}

/// A running image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub id: u64,
    pub image: Image,
    pub begun: f64,
    /// Time up to which the autoscaler has counted its slot time.
    pub counted_from: f64,
}

/// A replica.
pub(super) struct Replica {
    /// Time at which it becomes ready.
    ready_at: f64,
    /// Whether it takes no new images, and ends when it is idle.
    pub draining: bool,
    pub waiting: VecDeque<Image>,
    pub running: Vec<Run>,
    /// Slot-seconds of runs that ended since the last evaluation of the autoscaler.
    pub used: f64,
}

impl Replica {
    pub fn new(ready_at: f64) -> Replica {
        Replica {
            ready_at,
            draining: false,
            waiting: VecDeque::new(),
            running: Vec::new(),
            used: 0.0,
        }
    }

    /// Waiting and running images.
    pub fn load(&self) -> usize {
        self.waiting.len() + self.running.len()
    }

    /// Whether it takes images.
    pub fn is_ready(&self, now: f64) -> bool {
        self.stays() && self.ready_at <= now
    }

    /// Whether it is not being removed.
    pub fn stays(&self) -> bool {
        !self.draining
    }

    /// Whether it still uses resources.
    pub fn is_alive(&self) -> bool {
        self.stays() || self.load() > 0
    }

    /// Whether an image with `left` seconds to its deadline would meet it.
    pub fn in_time(&self, now: f64, left: f64, slots: usize, times: &ServiceTimes) -> bool {
        let wait = if self.running.len() < slots {
            0.0
        } else {
            // The remaining time of a run is an estimate.
            let left = |run: &Run| (times.mean() - (now - run.begun)).max(0.0);
            let running: f64 = self.running.iter().map(left).sum();
            (running + self.waiting.len() as f64 * times.mean()) / slots as f64
        };
        DEADLINE_HEADROOM * (wait + times.mean()) <= left
    }

    /// Slot-seconds since the last call.
    pub fn take_used(&mut self, now: f64) -> f64 {
        let mut used = std::mem::take(&mut self.used);
        for run in &mut self.running {
            used += now - run.counted_from;
            run.counted_from = now;
        }
        used
    }

    /// Drops all its images and returns them.
    pub fn drop_all(&mut self) -> VecDeque<Image> {
        let mut all = std::mem::take(&mut self.waiting);
        all.extend(self.running.drain(..).map(|run| run.image));
        all
    }
}
