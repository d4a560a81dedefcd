//! Counters and statistics of one kind or of all.

use hdrhistogram::Histogram;

use super::counters::{KindCounters, latencies};
use super::load_mode::LoadMode;
use super::report::{Latency, Part, Point};

/// Counts and histograms of one kind, or of all.
pub struct Counted {
    part: Part,
    corrected: Histogram<u64>,
    from_sent: Histogram<u64>,
    refused: Histogram<u64>,
}

impl Counted {
    pub fn of(kind: &KindCounters, load_mode: LoadMode) -> Counted {
        let corrected = match load_mode {
            LoadMode::Open { .. } => kind.from_due.clone(),
            // Correction for coordinated omission: a waiting client sends nothing; the expected interval is the median.
            LoadMode::Closed { .. } if !kind.from_sent.is_empty() => kind
                .from_sent
                .clone_correct(kind.from_sent.value_at_quantile(0.5)),
            LoadMode::Closed { .. } => kind.from_sent.clone(),
        };
        Counted {
            part: Part {
                requests: kind.codes.values().sum(),
                codes: kind.codes.clone(),
                accepted: kind.accepted,
                rejected: kind.rejected,
                reasons: kind.reasons.clone(),
                in_time: kind.in_time,
                client_timeouts: kind.client_timeouts,
                lost_connections: kind.lost_connections,
                invalid_responses: kind.invalid_responses,
                inconsistent_responses: kind.inconsistent_responses,
                sent_bytes: kind.sent_bytes,
                received_bytes: kind.received_bytes,
                ..Part::default()
            },
            corrected,
            from_sent: kind.from_sent.clone(),
            refused: kind.refused.clone(),
        }
    }

    pub fn sum(kinds: &[Counted]) -> Counted {
        let mut all = Part::default();
        for Counted { part, .. } in kinds {
            for (code, count) in &part.codes {
                *all.codes.entry(*code).or_default() += count;
            }
            for (reason, count) in &part.reasons {
                *all.reasons.entry(reason.clone()).or_default() += count;
            }
            for (sum, count) in [
                (&mut all.requests, part.requests),
                (&mut all.accepted, part.accepted),
                (&mut all.rejected, part.rejected),
                (&mut all.in_time, part.in_time),
                (&mut all.client_timeouts, part.client_timeouts),
                (&mut all.lost_connections, part.lost_connections),
                (&mut all.invalid_responses, part.invalid_responses),
                (&mut all.inconsistent_responses, part.inconsistent_responses),
                (&mut all.sent_bytes, part.sent_bytes),
                (&mut all.received_bytes, part.received_bytes),
            ] {
                *sum += count;
            }
        }
        let together = |of: fn(&Counted) -> &Histogram<u64>| {
            let mut sum = latencies(of(&kinds[0]).sigfig());
            for kind in kinds {
                sum.add(of(kind)).expect("all histograms have the same bounds");
            }
            sum
        };
        Counted {
            part: all,
            corrected: together(|it| &it.corrected),
            from_sent: together(|it| &it.from_sent),
            refused: together(|it| &it.refused),
        }
    }

    pub fn part(&self, seconds: f64) -> Part {
        let part = &self.part;
        let per_second = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        Part {
            codes: part.codes.clone(),
            reasons: part.reasons.clone(),
            answered_per_second: per_second(part.accepted + part.rejected),
            goodput_per_second: per_second(part.in_time),
            latency: Latency::of(&self.corrected),
            latency_from_sending: Latency::of(&self.from_sent),
            latency_of_refusals: Latency::of(&self.refused),
            curve: curve(&self.corrected, &self.from_sent),
            ..*part
        }
    }
}

impl Latency {
    pub fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        if histogram.is_empty() {
            return None;
        }
        let at = |share: f64| milliseconds(histogram.value_at_quantile(share));
        Some(Latency {
            count: histogram.len(),
            mean_ms: histogram.mean() / 1e3,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: milliseconds(histogram.max()),
        })
    }
}

pub fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Points at equal logarithmic steps, up to one in the number of samples.
fn curve(corrected: &Histogram<u64>, from_sent: &Histogram<u64>) -> Vec<Point> {
    const A_DECADE: i32 = 8;
    let point = |step: i32| {
        let one_in = 10f64.powf(f64::from(step) / f64::from(A_DECADE));
        let at = |histogram: &Histogram<u64>| milliseconds(histogram.value_at_quantile(1.0 - 1.0 / one_in));
        Point {
            one_in,
            ms: at(corrected),
            from_sending_ms: at(from_sent),
        }
    };
    if from_sent.is_empty() {
        return Vec::new();
    }
    let steps = ((from_sent.len() as f64).log10() * f64::from(A_DECADE)).floor() as i32;
    (0..=steps).map(point).collect()
}
