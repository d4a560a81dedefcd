//! Progress of a running test.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::counters::{LoadtestCounters, Slot};

/// A line on stderr; hidden if stderr is no terminal.
pub struct Progress {
    bar: ProgressBar,
    until: Duration,
}

impl Progress {
    /// For a test of this duration.
    pub fn new(until: Duration) -> Progress {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} s  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress {
            bar: ProgressBar::new(until.as_secs().max(1)).with_style(style),
            until,
        }
    }

    /// Shows the counters.
    pub fn show(&self, counters: &LoadtestCounters, now: Duration, sent: u64) {
        let so_far: Vec<_> = counters.slots.iter().collect();
        let sum = |of: fn(&Slot) -> u64| so_far.iter().map(|slot| of(slot)).sum::<u64>();
        let [answered, refused, failed] = [
            sum(|slot| slot.answered),
            sum(|slot| slot.refused),
            sum(|slot| slot.failed),
        ];
        let in_flight = sent.saturating_sub(answered + refused + failed);
        let p99 = so_far.iter().rev().find(|slot| !slot.latency.is_empty());
        let p99 = p99.map_or(0.0, |slot| slot.latency.value_at_quantile(0.99) as f64 / 1e3);
        self.bar.set_position(now.min(self.until).as_secs());
        self.bar.set_message(format!(
            "{answered} answered, {refused} refused, {failed} failed, {in_flight} in flight, p99 {p99:.0} ms"
        ));
    }

    /// Removes the line.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
