//! What the screen of `sagate top` shows, as plain data.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::client::ServerStatus;

/// Looks that are remembered for the throughput's curve.
const MEMORY: usize = 600;
/// The intervals that + and - step through, in milliseconds.
const STEPS: [u64; 9] = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/// What is known of a server.
#[derive(Debug, Clone)]
pub struct View {
    /// Its URL.
    pub url: String,
    /// Time between two looks.
    pub interval: Duration,
    /// The last status that was seen.
    pub status: Option<ServerStatus>,
    /// Why the last look saw nothing.
    pub trouble: Option<String>,
    /// Decisions a second between looks, in thousandths, the newest last, by model.
    pub throughput: BTreeMap<String, VecDeque<u64>>,
    /// When the last status was seen.
    seen: Duration,
}

impl View {
    /// Nothing is known yet.
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

    /// The server answered, so long after some fixed moment.
    pub fn saw(&mut self, status: ServerStatus, now: Duration) {
        let passed = now.saturating_sub(self.seen).as_secs_f64();
        if let Some(before) = self.status.as_ref().filter(|_| passed > 0.0) {
            for model in &status.models {
                let same = before.models.iter().find(|it| it.model == model.model);
                let decided = |it: &crate::client::ModelStatus| it.accepted + it.rejected;
                // Counts begin anew where the server did.
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

    /// The server did not answer.
    pub fn missed(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Looks less often.
    pub fn slower(&mut self) {
        let now = self.interval.as_millis() as u64;
        let next = STEPS.into_iter().find(|&step| step > now);
        self.interval = next.map_or(self.interval, Duration::from_millis);
    }

    /// Looks more often.
    pub fn faster(&mut self) {
        let now = self.interval.as_millis() as u64;
        let next = STEPS.into_iter().rev().find(|&step| step < now);
        self.interval = next.map_or(self.interval, Duration::from_millis);
    }
}
