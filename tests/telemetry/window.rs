//! The sliding window, with simulated time.

use std::time::Duration;

use proptest::prelude::*;
use sagate::telemetry::{DecisionRecord, Window};

const SPAN: Duration = Duration::from_secs(60);

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn decision(accept: bool, mu: f64, took: f64) -> DecisionRecord {
    DecisionRecord {
        accept,
        mu,
        coverage: Some(0.9),
        pixels: 1_000_000,
        took: at(took),
    }
}

#[test]
fn without_a_decision_there_is_nothing_to_say() {
    let view = Window::new(SPAN).view(at(30.0));
    assert_eq!(
        (view.images, view.images_per_second, view.seconds),
        (0, 0.0, 30.0)
    );
    assert_eq!(view.mean_mu.or(view.accepted_share).or(view.coverage), None);
    assert_eq!(view.p50_seconds.or(view.p99_seconds).or(view.qc_share), None);
    assert_eq!(view.mu_histogram, [0; 20]);
}

#[test]
fn shares_means_and_rates() {
    let mut window = Window::new(SPAN);
    window.record(at(1.0), &decision(true, 0.9, 0.1));
    window.record(at(5.0), &decision(true, 1.0, 0.1));
    window.record(at(9.0), &decision(false, 0.2, 0.1));
    let mut by_threshold = decision(false, f64::NAN, 0.1);
    by_threshold.coverage = None;
    window.record(at(9.5), &by_threshold);
    window.batch(at(9.5), at(0.3), at(0.1));
    let view = window.view(at(10.0));
    assert_eq!((view.images, view.accepted_share), (4, Some(0.5)));
    assert_eq!((view.images_per_second, view.megapixels_per_second), (0.4, 0.4));
    assert!((view.mean_mu.unwrap() - 0.7).abs() < 1e-12);
    assert!((view.coverage.unwrap() - 0.9).abs() < 1e-12);
    assert!((view.qc_share.unwrap() - 0.25).abs() < 1e-12);
    let mut histogram = [0; 20];
    (histogram[4], histogram[18], histogram[19]) = (1, 1, 1);
    assert_eq!(view.mu_histogram, histogram);
}

#[test]
fn what_is_older_than_the_span_is_forgotten() {
    let mut window = Window::new(SPAN);
    window.record(at(0.5), &decision(false, 0.1, 0.1));
    window.record(at(50.5), &decision(true, 0.9, 0.1));
    assert_eq!(window.view(at(59.9)).images, 2);
    let later = window.view(at(61.0));
    assert_eq!((later.images, later.accepted_share), (1, Some(1.0)));
    assert!((59.0..=60.0).contains(&later.seconds));
    assert_eq!(window.view(at(111.0)).images, 0);
    // A slot is reused much later.
    window.record(at(1_000_000.5), &decision(true, 0.9, 0.1));
    assert_eq!(window.view(at(1_000_001.0)).images, 1);
}

/// Slightly late threads, or a clock that goes back, lose no decision.
#[test]
fn a_late_decision_counts_as_now() {
    let mut window = Window::new(SPAN);
    window.record(at(100.0), &decision(true, 0.9, 0.1));
    window.record(at(20.0), &decision(true, 0.9, 0.1));
    assert_eq!(window.view(at(30.0)).images, 2);
    assert_eq!(window.view(at(100.0)).images, 2);
}

proptest! {
    /// Against a full list: a decision counts within the span minus a slot, and never beyond the span.
    #[test]
    fn it_counts_what_lies_within(
        span in 10_u64..1000,
        mut events in proptest::collection::vec((0.0_f64..3000.0, any::<bool>()), 1..200),
    ) {
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut window = Window::new(Duration::from_secs(span));
        for &(time, accept) in &events {
            window.record(at(time), &decision(accept, 0.5, 0.1));
        }
        let now = events.last().unwrap().0;
        let span = span as f64;
        let within = |oldest: f64| events.iter().filter(|(time, _)| *time >= oldest).count() as u64;
        let view = window.view(at(now));
        prop_assert!(within(now - span * 59.0 / 60.0) <= view.images && view.images <= within(now - span));
        prop_assert!(view.seconds <= now.min(span) + 1e-6 && view.seconds >= now.min(span * 59.0 / 60.0) - 1e-6);
        prop_assert!((0.0..=1.0).contains(&view.accepted_share.unwrap()));
        prop_assert_eq!(view.mu_histogram.iter().sum::<u64>(), view.images);
    }

    /// A quantile lies within a fourth root of two of the true one.
    #[test]
    fn quantiles_are_close(mut times in proptest::collection::vec(-9.0_f64..4.0, 1..300)) {
        times.sort_by(f64::total_cmp);
        let times: Vec<f64> = times.into_iter().map(f64::exp).collect();
        let mut window = Window::new(SPAN);
        for &took in &times {
            window.record(at(1.0), &decision(true, 0.5, took));
        }
        let view = window.view(at(1.0));
        let off = 2_f64.powf(0.25) * (1.0 + 1e-9);
        for (share, found) in [(0.5, view.p50_seconds.unwrap()), (0.99, view.p99_seconds.unwrap())] {
            let rank = (share * times.len() as f64).ceil() as usize;
            // A Duration counts whole nanoseconds.
            let exact = at(times[rank - 1]).as_secs_f64();
            prop_assert!(exact / off <= found && found <= exact * off, "{} for {}", found, exact);
        }
        prop_assert!(view.p50_seconds <= view.p99_seconds);
    }
}

/// Outside of all buckets the quantile stays within the measured range.
#[test]
fn latencies_beyond_the_buckets() {
    let mut window = Window::new(SPAN);
    window.record(at(1.0), &decision(true, 0.5, 0.0));
    assert_eq!(window.view(at(1.0)).p99_seconds, Some(0.0));
    window.record(at(1.0), &decision(true, 0.5, 5000.0));
    assert_eq!(window.view(at(1.0)).p99_seconds, Some(5000.0));
}
