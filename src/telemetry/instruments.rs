//! All metrics of sagate, recorded or observed on demand. `docs/reference/metrics.md` lists them. Prometheus and OTLP use the same names.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};
use sagate_core::gate::Reason;
use tokio::runtime::Handle;

use super::call::InFlight;
use super::models::{Limits, Models, Served};
use super::window::MU_BINS;
use crate::proto::Rpc;

const REQUEST_SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];
const PHASE_SECONDS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];
const BATCH_IMAGES: [f64; 15] = [
    1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

const SHADOW_MU: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5];

/// Recorded metrics.
pub(super) struct Instruments {
    pub(super) requests: Counter<u64>,
    pub(super) request_seconds: Histogram<f64>,
    pub(super) images: Counter<u64>,
    pub(super) rejected_images: Counter<u64>,
    pub(super) pixels: Counter<u64>,
    pub(super) phase_seconds: Histogram<f64>,
    pub(super) mu: Histogram<f64>,
    pub(super) confidence: Histogram<f64>,
    pub(super) batch_images: Histogram<u64>,
    pub(super) shadow_images: Counter<u64>,
    pub(super) shadow_mu: Histogram<f64>,
    pub(super) shadow_dice: Histogram<f64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter, models: &Models) -> Instruments {
        let counter = |name, unit, help| {
            let builder = meter.u64_counter(name).with_unit(unit).with_description(help);
            builder.build()
        };
        let histogram = |name, unit, help, bounds: &[f64]| {
            let builder = meter.f64_histogram(name).with_unit(unit).with_description(help);
            builder.with_boundaries(bounds.to_vec()).build()
        };
        let twentieths: Vec<f64> = (1..=MU_BINS).map(|bin| bin as f64 / MU_BINS as f64).collect();
        let instruments = Instruments {
            requests: counter(
                "sagate_requests_total",
                "{request}",
                "gRPC calls that ended, by status code.",
            ),
            request_seconds: histogram(
                "sagate_request_duration_seconds",
                "s",
                "Calls from their headers to their end, by status code.",
                &REQUEST_SECONDS,
            ),
            images: counter("sagate_images_total", "{image}", "Images, by how they ended."),
            rejected_images: counter(
                "sagate_rejected_images_total",
                "{image}",
                "Rejected images, under each of their reasons.",
            ),
            pixels: counter(
                "sagate_pixels_total",
                "{pixel}",
                "Pixels of the images that got a decision.",
            ),
            phase_seconds: histogram(
                "sagate_phase_duration_seconds",
                "s",
                "How long images stayed in each phase.",
                &PHASE_SECONDS,
            ),
            mu: histogram(
                "sagate_mu",
                "1",
                "Mean SA score of the images that got a decision.",
                &twentieths,
            ),
            confidence: histogram(
                "sagate_confidence",
                "1",
                "How sure the probabilities of the images that got a decision are of their masks, by score.",
                &twentieths,
            ),
            shadow_images: counter(
                "sagate_shadow_images_total",
                "{image}",
                "Images that a shadow saw, by what came of it.",
            ),
            shadow_mu: histogram(
                "sagate_shadow_mu_difference",
                "1",
                "How far a shadow's mu lies from that of the version that answered.",
                &SHADOW_MU,
            ),
            shadow_dice: histogram(
                "sagate_shadow_mask_dice",
                "1",
                "Dice between a shadow's mask and that of the version that answered.",
                &twentieths,
            ),
            batch_images: meter
                .u64_histogram("sagate_batch_images")
                .with_unit("{image}")
                .with_description("Images that the network saw at once.")
                .with_boundaries(BATCH_IMAGES.to_vec())
                .build(),
        };
        models
            .all()
            .iter()
            .for_each(|served| instruments.begin_at_zero(served));
        instruments
    }

    /// Creates the counters at 0, so that their first increment is visible.
    pub(super) fn begin_at_zero(&self, served: &Served) {
        let labels = &served.labels;
        self.images.add(0, &labels.accept);
        self.images.add(0, &labels.reject);
        self.pixels.add(0, &labels.model);
        for reason in Reason::ALL {
            self.rejected_images.add(0, labels.reason(reason));
        }
    }
}

/// Observed metric of every served model: name, unit, description, read function.
type ModelMetric = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Served, Duration) -> Option<f64>,
);

const GAUGES: [ModelMetric; 10] = [
    (
        "sagate_accepted_ratio",
        "1",
        "Share of the window's decisions that let the image through.",
        |served, now| served.window().view(now).accepted_share,
    ),
    (
        "sagate_coverage_ratio",
        "1",
        "Mean coverage that the window's images asked for.",
        |served, now| served.window().view(now).coverage,
    ),
    (
        "sagate_qc_ratio",
        "1",
        "Share of prototypes, scores and mu in the window's time of network and scores.",
        |served, now| served.window().view(now).qc_share,
    ),
    (
        "sagate_mu_drift_ratio",
        "1",
        "Largest difference between the shares of the window's mu and of the calibration's that lie below one value.",
        |served, now| Some(served.drift(now)?.distance),
    ),
    (
        "sagate_mu_drift_critical_ratio",
        "1",
        "What that difference stays below in 95 % of cases where both are alike.",
        |served, now| Some(served.drift(now)?.critical),
    ),
    (
        "sagate_queue_entries",
        "{image}",
        "Images that wait for the model or run.",
        |served, _| Some(served.queue().entries as f64),
    ),
    (
        "sagate_queue_bytes",
        "By",
        "Bytes that waiting and running images take.",
        |served, _| Some(served.queue().bytes as f64),
    ),
    (
        "sagate_model_ready",
        "1",
        "1 where the model answers, else 0.",
        |served, _| Some(f64::from(u8::from(served.ready.load(Relaxed)))),
    ),
    (
        "sagate_model_instances",
        "{instance}",
        "Threads that shall run the model.",
        |served, _| Some(served.instances.load(Relaxed) as f64),
    ),
    (
        "sagate_model_instances_ready",
        "{instance}",
        "Threads of the model that take batches.",
        |served, _| Some(served.instances_ready.load(Relaxed) as f64),
    ),
];

const COUNTERS: [ModelMetric; 4] = [
    (
        "sagate_model_restarts_total",
        "{restart}",
        "How often the model's thread panicked and was replaced.",
        |served, _| Some(served.restarts.load(Relaxed) as f64),
    ),
    (
        "sagate_forward_seconds_total",
        "s",
        "Time of the network.",
        |served, _| Some(served.forward.seconds()),
    ),
    (
        "sagate_qc_seconds_total",
        "s",
        "Time of prototypes, scores, mu and masks.",
        |served, _| Some(served.qc.seconds()),
    ),
    (
        "sagate_sam_seconds_total",
        "s",
        "Time of the SAMs and unit scores of interpretations.",
        |served, _| Some(served.sam.seconds()),
    ),
];

/// Registers the observed metrics.
pub(super) fn observe(meter: &Meter, models: &Arc<Models>, in_flight: &Arc<InFlight>, runtime: Handle) {
    for (name, unit, help, read) in GAUGES {
        let builder = meter.f64_observable_gauge(name).with_unit(unit);
        let builder = builder.with_description(help);
        builder.with_callback(observe_each(models, read)).build();
    }
    for (name, unit, help, read) in COUNTERS {
        let builder = meter.f64_observable_counter(name).with_unit(unit);
        let builder = builder.with_description(help);
        builder.with_callback(observe_each(models, read)).build();
    }
    observe_limits(meter, models);
    observe_required(meter, models);
    let in_flight = Arc::clone(in_flight);
    meter
        .u64_observable_gauge("sagate_requests_in_flight")
        .with_unit("{request}")
        .with_description("gRPC calls that are being worked on.")
        .with_callback(move |observer| {
            for rpc in Rpc::ALL {
                observer.observe(in_flight.count(rpc), &[KeyValue::new("method", rpc.name())]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("sagate_runtime_tasks")
        .with_unit("{task}")
        .with_description("Tasks of the async runtime that are alive.")
        .with_callback(move |observer| observer.observe(runtime.metrics().num_alive_tasks() as u64, &[]))
        .build();
    let build = [
        KeyValue::new("version", sagate_core::build::VERSION),
        KeyValue::new("libtorch", sagate_core::build::LIBTORCH),
        KeyValue::new("rustc", sagate_core::build::RUSTC),
    ];
    meter
        .u64_observable_gauge("sagate_build_info")
        .with_unit("1")
        .with_description("Always 1; the labels say what runs.")
        .with_callback(move |observer| observer.observe(1, &build))
        .build();
}

/// Queue limits of each model, for alerts.
fn observe_limits(meter: &Meter, models: &Arc<Models>) {
    type Limit = (&'static str, &'static str, &'static str, fn(&Limits) -> u64);
    let limits: [Limit; 2] = [
        (
            "sagate_queue_entries_limit",
            "{image}",
            "Most images that may wait for one model or run (engine.queue_entries).",
            |limits| limits.entries.load(Relaxed),
        ),
        (
            "sagate_queue_bytes_limit",
            "By",
            "Most bytes that one model's waiting and running images may take (engine.queue_bytes).",
            |limits| limits.bytes.load(Relaxed),
        ),
    ];
    for (name, unit, help, read) in limits {
        let models = Arc::clone(models);
        meter
            .u64_observable_gauge(name)
            .with_unit(unit)
            .with_description(help)
            .with_callback(move |observer| match read(&models.limits) {
                // Not set yet.
                0 => {}
                limit => observer.observe(limit, &[]),
            })
            .build();
    }
}

/// Readiness of the required models. Models that are not loaded have a series as well, for alerts.
fn observe_required(meter: &Meter, models: &Arc<Models>) {
    let models = Arc::clone(models);
    meter
        .u64_observable_gauge("sagate_required_model_ready")
        .with_unit("1")
        .with_description("1 where a model that the server must have (the default, and those that the settings name) answers, else 0.")
        .with_callback(move |observer| {
            for (name, answers) in models.required() {
                observer.observe(u64::from(answers), &[KeyValue::new("model", name)]);
            }
        })
        .build();
}

/// Observes a value of every served model, under its labels.
fn observe_each(
    models: &Arc<Models>,
    read: fn(&Served, Duration) -> Option<f64>,
) -> impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static {
    let models = Arc::clone(models);
    move |observer| {
        let now = models.now();
        for served in models.all() {
            if let Some(value) = read(&served, now) {
                observer.observe(value, &served.labels.model);
            }
        }
    }
}
