//! What the screen of `sagate top` shows, as plain data.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::client::ServerStatus;

/// Number of samples of the throughput plot.
const MEMORY: usize = 600;
/// Polling intervals selectable with + and -, in milliseconds.
const STEPS: [u64; 9] = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// The observed state of a server.
#[derive(Debug, Clone)]
pub struct View {
    /// Its URL.
    pub url: String,
    /// Polling interval.
    pub interval: Duration,
    /// The last status.
    pub status: Option<ServerStatus>,
    /// Error of the last poll.
    pub trouble: Option<String>,
    /// Decisions per second between polls, in thousandths, the newest last, by model.
    pub throughput: BTreeMap<String, VecDeque<u64>>,
    /// Time of the last status.
    seen: Duration,
}

impl View {
    /// Before the first poll.
    pub fn new(url: String, interval: Duration) -> View {
        View {
            url,
            interval,
            status: None,
            trouble: None,
            throughput: BTreeMap::new(),
            seen: Duration::ZERO,
        }
    }

    /// Adds a status, at a time since a fixed origin.
    pub fn saw(&mut self, status: ServerStatus, now: Duration) {
        let passed = now.saturating_sub(self.seen).as_secs_f64();
        if let Some(before) = self.status.as_ref().filter(|_| passed > 0.0) {
            for model in &status.models {
                let same = before.models.iter().find(|it| it.model == model.model);
                let decided = |it: &crate::client::ModelStatus| it.accepted + it.rejected;
                // Counters restart with the server.
                let more = same.map_or(0, |same| decided(model).saturating_sub(decided(same)));
                let curve = self.throughput.entry(model.model.clone()).or_default();
                curve.push_back((more as f64 / passed * 1000.0).round() as u64);
                if curve.len() > MEMORY {
                    curve.pop_front();
                }
            }
        }
        self.status = Some(status);
        self.trouble = None;
        self.seen = now;
    }

    /// Records a failed poll.
    pub fn missed(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Increases the polling interval.
    pub fn slower(&mut self) {
        let now = self.interval.as_millis() as u64;
        let next = STEPS.into_iter().find(|&step| step > now);
        self.interval = next.map_or(self.interval, Duration::from_millis);
    }

    /// Decreases the polling interval.
    pub fn faster(&mut self) {
        let now = self.interval.as_millis() as u64;
        let next = STEPS.into_iter().rev().find(|&step| step < now);
        self.interval = next.map_or(self.interval, Duration::from_millis);
    }
}
