//! Sliding-window statistics of one model: a ring of sixty slots, so that memory and time do not grow with the traffic. Times are passed in
//! as arguments, counted from the start of the server.

use std::time::Duration;

const SLOTS: u64 = 60;
/// Latencies are counted in buckets whose bounds grow by the fourth root of two from 100 us: 80 of them reach 105 s.
const LATENCY_BOUNDS: usize = 81;
const FASTEST: f64 = 1e-4;
const BOUNDS_A_DOUBLING: f64 = 4.0;
/// Bins of mu in [0, 1].
pub(super) const MU_BINS: usize = 20;

/// A decision, as recorded in the window.
#[derive(Debug, Clone, Copy)]
pub struct DecisionRecord {
    /// Whether the image was accepted.
    pub accept: bool,
    /// Its mu; values that are not finite are left out of means and histograms.
    pub mu: f64,
    /// Requested coverage, if any.
    pub coverage: Option<f64>,
    /// Pixels of the image.
    pub pixels: u64,
    /// From the first byte of the image to its answer.
    pub took: Duration,
}

/// Statistics of a window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WindowView {
    /// Seconds that the window covers: the time since the start, at most the window's span (minus up to a sixtieth).
    pub seconds: f64,
    /// Decisions.
    pub images: u64,
    /// Decisions per second.
    pub images_per_second: f64,
    /// Megapixels with a decision per second.
    pub megapixels_per_second: f64,
    /// Mean mu; `None` without a decision whose mu is finite.
    pub mean_mu: Option<f64>,
    /// Share of accepted images; `None` without a decision.
    pub accepted_share: Option<f64>,
    /// Mean requested coverage; `None` if none was requested.
    pub coverage: Option<f64>,
    /// Histogram of mu in bins of 0.05; the last bin includes 1.
    pub mu_histogram: [u64; MU_BINS],
    /// Median latency in seconds; `None` without a decision.
    pub p50_seconds: Option<f64>,
    /// 99th percentile of the latency in seconds; `None` without a decision.
    pub p99_seconds: Option<f64>,
    /// Share of scoring in the time of forward pass and scoring; `None` without a batch.
    pub qc_share: Option<f64>,
}

/// Sliding window.
#[derive(Debug, Clone)]
pub struct Window {
    slot: Duration,
    newest: u64,
    slots: Vec<Slot>,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Index of the slot since the start; an older index at the same ring position is expired.
    epoch: u64,
    counters: WindowCounters,
}

#[derive(Debug, Clone)]
struct WindowCounters {
    images: u64,
    accepted: u64,
    pixels: u64,
    mu_sum: f64,
    mu: [u64; MU_BINS],
    coverage_sum: f64,
    with_coverage: u64,
    latency: [u64; LATENCY_BOUNDS + 1],
    slowest: f64,
    forward: f64,
    qc: f64,
}

impl Window {
    /// An empty window over `span`, at least a second.
    pub fn new(span: Duration) -> Window {
        let empty = Slot {
            epoch: 0,
            counters: WindowCounters::new(),
        };
        Window {
            slot: span.max(Duration::from_secs(1)) / SLOTS as u32,
            newest: 0,
            slots: vec![empty; SLOTS as usize],
        }
    }

    /// Records a decision at `now`.
    pub fn record(&mut self, now: Duration, decision: &DecisionRecord) {
        self.counters(now).record(decision);
    }

    /// Records a batch that ended at `now`: time of forward pass and scoring.
    pub fn batch(&mut self, now: Duration, forward: Duration, qc: Duration) {
        let counters = self.counters(now);
        counters.forward += forward.as_secs_f64();
        counters.qc += qc.as_secs_f64();
    }

    /// Statistics of the span up to `now`.
    pub fn view(&self, now: Duration) -> WindowView {
        let newest = self.epoch(now);
        let oldest = newest.saturating_sub(SLOTS - 1);
        let mut total = WindowCounters::new();
        let within = self.slots.iter().filter(|slot| slot.epoch >= oldest);
        within.for_each(|slot| total.merge(&slot.counters));
        let begun = self.slot.as_secs_f64() * oldest as f64;
        total.view((now.as_secs_f64() - begun).max(0.0))
    }

    /// Times from different threads may be slightly out of order: late ones count as now.
    fn epoch(&self, now: Duration) -> u64 {
        ((now.as_nanos() / self.slot.as_nanos()) as u64).max(self.newest)
    }

    fn counters(&mut self, now: Duration) -> &mut WindowCounters {
        self.newest = self.epoch(now);
        let slot = &mut self.slots[(self.newest % SLOTS) as usize];
        if slot.epoch != self.newest {
            *slot = Slot {
                epoch: self.newest,
                counters: WindowCounters::new(),
            };
        }
        &mut slot.counters
    }
}

impl WindowCounters {
    fn new() -> WindowCounters {
        WindowCounters {
            images: 0,
            accepted: 0,
            pixels: 0,
            mu_sum: 0.0,
            mu: [0; MU_BINS],
            coverage_sum: 0.0,
            with_coverage: 0,
            latency: [0; LATENCY_BOUNDS + 1],
            slowest: 0.0,
            forward: 0.0,
            qc: 0.0,
        }
    }

    fn record(&mut self, decision: &DecisionRecord) {
        self.images += 1;
        self.accepted += u64::from(decision.accept);
        self.pixels += decision.pixels;
        if decision.mu.is_finite() {
            self.mu_sum += decision.mu;
            self.mu[((decision.mu.max(0.0) * MU_BINS as f64) as usize).min(MU_BINS - 1)] += 1;
        }
        if let Some(coverage) = decision.coverage {
            self.coverage_sum += coverage;
            self.with_coverage += 1;
        }
        let took = decision.took.as_secs_f64();
        self.latency[bucket(took)] += 1;
        self.slowest = self.slowest.max(took);
    }

    fn merge(&mut self, other: &WindowCounters) {
        self.images += other.images;
        self.accepted += other.accepted;
        self.pixels += other.pixels;
        self.mu_sum += other.mu_sum;
        self.coverage_sum += other.coverage_sum;
        self.with_coverage += other.with_coverage;
        self.slowest = self.slowest.max(other.slowest);
        self.forward += other.forward;
        self.qc += other.qc;
        for (sum, count) in self.mu.iter_mut().zip(&other.mu) {
            *sum += count;
        }
        for (sum, count) in self.latency.iter_mut().zip(&other.latency) {
            *sum += count;
        }
    }

    fn view(&self, seconds: f64) -> WindowView {
        // Rates over less than a second are meaningless.
        let over = seconds.max(1.0);
        WindowView {
            seconds,
            images: self.images,
            images_per_second: self.images as f64 / over,
            megapixels_per_second: self.pixels as f64 / 1e6 / over,
            mean_mu: share(self.mu_sum, self.mu.iter().sum::<u64>() as f64),
            accepted_share: share(self.accepted as f64, self.images as f64),
            coverage: share(self.coverage_sum, self.with_coverage as f64),
            mu_histogram: self.mu,
            p50_seconds: self.quantile(0.5),
            p99_seconds: self.quantile(0.99),
            qc_share: share(self.qc, self.forward + self.qc),
        }
    }

    /// The latency below which a share of the images stayed, interpolated within its bucket: at most a fourth root of two off.
    fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.images as f64;
        let mut below = 0;
        for (index, &count) in self.latency.iter().enumerate().filter(|(_, count)| **count > 0) {
            if (below + count) as f64 >= rank {
                let within = (rank - below as f64) / count as f64;
                return Some(interpolate(index, within).min(self.slowest));
            }
            below += count;
        }
        None
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn bound(index: usize) -> f64 {
    FASTEST * (index as f64 / BOUNDS_A_DOUBLING).exp2()
}

/// The first bucket whose bound is not below `seconds`; the last one has no bound.
fn bucket(seconds: f64) -> usize {
    let index = (BOUNDS_A_DOUBLING * (seconds / FASTEST).log2()).ceil();
    (index.max(0.0) as usize).min(LATENCY_BOUNDS)
}

fn interpolate(index: usize, within: f64) -> f64 {
    match index {
        0 => FASTEST * within,
        LATENCY_BOUNDS => f64::INFINITY,
        _ => bound(index - 1) * (within / BOUNDS_A_DOUBLING).exp2(),
    }
}
