//! Logs, metrics and traces. They never contain image content or patient data.
//!
//! - [`Telemetry`]: records every call, image and engine event, for `/metrics` and `GetStatus`.
//! - [`Call`], [`ImageCall`]: one call and one image in flight.
//! - [`admin`]: the admin HTTP port.
//! - [`Window`]: statistics of the last minutes.
//!
//! `docs/reference/metrics.md` lists every metric and span.

pub mod admin;
mod call;
mod counters;
mod drift;
mod instruments;
mod log_level;
pub mod logs;
mod models;
mod otlp;
pub mod phases;
mod process;
mod request_id;
mod security;
mod status_code;
mod traces;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;

pub use call::{Call, Decided, ImageCall};
pub use counters::Statistics;
pub use models::{Counts, Queue};
pub use phases::{Phase, Phases};
pub use process::cpu_seconds;
pub use request_id::{LONGEST_ID, is_request_id};
pub use status_code::code_name;
pub use window::{DecisionRecord, Window, WindowView};

use crate::config;
use crate::engine::{Comparison, Instances, Observer, QueueLimits};
use crate::proto::Rpc;
use crate::security::{SecurityCounts, SecurityError};
use call::InFlight;
use instruments::Instruments;
use models::Models;
use sagate_core::executor::{ModelId, ModelSpec};
use traces::Traces;

/// Time limit of the last exports.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Metrics and traces of one server. Clones share them.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    models: Arc<Models>,
    in_flight: Arc<InFlight>,
    security_counts: Arc<SecurityCounts>,
    instruments: Instruments,
    traces: Option<Traces>,
    meters: SdkMeterProvider,
    registry: prometheus::Registry,
}

/// Errors of telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// An invalid collector URL.
    #[error(
        "telemetry.otlp is {url:?}: it must be the URL of an OTLP/gRPC collector, like \"http://127.0.0.1:4317\" or \
         \"https://collector.example:4317\" ({source})"
    )]
    Collector {
        /// The setting.
        url: String,
        /// Error of the exporter.
        source: ExporterBuildError,
    },
    /// The authorities of a collector's certificate cannot be used.
    #[error(transparent)]
    Authorities(#[from] SecurityError),
    /// Not called inside an async runtime.
    #[error("telemetry must be started inside a tokio runtime: {0}")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// Metrics cannot be collected.
    #[error("cannot collect metrics: {0}")]
    Collect(#[from] OTelSdkError),
    /// Metrics cannot be written in the Prometheus text format.
    #[error("cannot write metrics as text: {0}")]
    Text(#[from] prometheus::Error),
}

impl Telemetry {
    /// Starts telemetry for these models, and exports to the collector if the settings name one. Must be called inside a tokio runtime, and
    /// ended by [`Telemetry::shutdown`], or unsent data is lost.
    ///
    /// # Errors
    /// No runtime, or an invalid collector URL. An unreachable collector is no error: exports are retried.
    pub fn start(
        settings: &config::TelemetrySettings,
        models: &[Arc<ModelSpec>],
    ) -> Result<Telemetry, TelemetryError> {
        let runtime = Handle::try_current()?;
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            // Instruments have their full names.
            .without_units()
            .without_counter_suffixes()
            .build()?;
        let traces = otlp::tracers(settings)?.map(Traces::new);
        let meters = otlp::meters(settings, exporter)?;
        let meter = meters.meter("sagate");
        let models = Arc::new(Models::new(models, Duration::from_secs(settings.window_seconds)));
        let in_flight = Arc::new(InFlight::default());
        let instruments = Instruments::new(&meter, &models);
        instruments::observe(&meter, &models, &in_flight, runtime);
        let security_counts = Arc::new(SecurityCounts::default());
        security::observe(&meter, &security_counts);
        process::observe(&meter);
        Ok(Telemetry(Arc::new(Inner {
            models,
            in_flight,
            security_counts,
            instruments,
            traces,
            meters,
            registry,
        })))
    }

    /// Sets the queue limits of each model, for metrics.
    pub fn set_limits(&self, queue: &QueueLimits) {
        let limits = &self.0.models.limits;
        limits.entries.store(queue.entries as u64, Relaxed);
        limits.bytes.store(queue.bytes, Relaxed);
    }

    /// Sets the required models, and whether each is ready.
    pub fn set_required(&self, models: BTreeMap<String, bool>) {
        self.0.models.set_required(models);
    }

    /// Begins a call. Its span is a child of the one in the headers `traceparent` and `tracestate`.
    pub fn call(&self, rpc: Rpc, metadata: &MetadataMap) -> Call {
        self.call_with(rpc, metadata.as_ref())
    }

    /// As [`Telemetry::call`], with HTTP headers.
    pub fn call_with(&self, rpc: Rpc, headers: &http::HeaderMap) -> Call {
        Call::begin(self, rpc, headers)
    }

    /// Statistics of a model within the window.
    pub fn window(&self, model: &ModelId) -> WindowView {
        let models = &self.0.models;
        let now = models.now();
        models.get(model).window().view(now)
    }

    /// A model's image counts since the start, and its readiness.
    pub fn counts(&self, model: &ModelId) -> Counts {
        self.0.models.get(model).counts()
    }

    /// Totals of a model since the start.
    pub fn statistics(&self, model: &ModelId) -> Statistics {
        self.0.models.get(model).statistics()
    }

    /// Queue usage of a model, as last reported by the engine.
    pub fn queue(&self, model: &ModelId) -> Queue {
        self.0.models.get(model).queue()
    }

    /// Time since [`Telemetry::start`].
    pub fn uptime(&self) -> Duration {
        self.0.models.now()
    }

    /// Number of calls in flight.
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.total()
    }

    /// Counters of handshakes, refusals and audit lines.
    pub fn security_counts(&self) -> &Arc<SecurityCounts> {
        &self.0.security_counts
    }

    /// Every metric in the Prometheus text format.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn render(&self) -> Result<String, TelemetryError> {
        Ok(prometheus::TextEncoder::new().encode_to_string(&self.0.registry.gather())?)
    }

    /// Sends the remaining data and stops, within a few seconds. Metrics cannot be read afterwards.
    pub async fn shutdown(&self) {
        let (ended, mut all_ended) = mpsc::channel::<()>(1);
        let meters = self.0.meters.clone();
        shutdown_on_thread(&ended, move || meters.shutdown());
        if let Some(traces) = &self.0.traces {
            let provider = traces.provider.clone();
            shutdown_on_thread(&ended, move || provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        }
        drop(ended);
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, all_ended.recv())
            .await
            .is_err()
        {
            tracing::warn!("the OTLP collector did not take the last metrics and traces in time");
        }
    }
}

/// Shuts a provider down on a separate thread: it blocks while it sends, and the runtime would wait for its own blocking threads.
fn shutdown_on_thread(
    ended: &mpsc::Sender<()>,
    stop: impl FnOnce() -> Result<(), OTelSdkError> + Send + 'static,
) {
    let ended = ended.clone();
    let stop = move || {
        if let Err(error) = stop() {
            tracing::debug!(%error, "telemetry did not end well");
        }
        drop(ended);
    };
    if let Err(error) = std::thread::Builder::new()
        .name("telemetry-end".into())
        .spawn(stop)
    {
        tracing::warn!(%error, "no thread to send the last metrics and traces");
    }
}

impl Observer for Telemetry {
    fn loaded(&self, model: &ModelSpec) {
        if let Some(served) = self.0.models.add(model) {
            self.0.instruments.begin_at_zero(&served);
        }
    }

    fn unloaded(&self, model: &ModelId) {
        self.0.models.unload(model);
    }

    fn instances(&self, model: &ModelId, instances: Instances) {
        let served = self.0.models.get(model);
        served.instances.store(instances.wanted, Relaxed);
        served.instances_ready.store(instances.ready, Relaxed);
    }

    fn shadowed(&self, shadow: &ModelId, comparison: &Comparison) {
        let served = self.0.models.get(shadow);
        let instruments = &self.0.instruments;
        let outcome = match *comparison {
            Comparison::Seen {
                same_decision,
                mu_difference,
                mask_dice,
            } => {
                instruments
                    .shadow_mu
                    .record(mu_difference.abs(), &served.labels.model);
                instruments.shadow_dice.record(mask_dice, &served.labels.model);
                if same_decision { "agree" } else { "disagree" }
            }
            Comparison::Skipped => "skipped",
            Comparison::Failed => "failed",
        };
        instruments.shadow_images.add(1, &served.labels.outcome(outcome));
    }

    fn queue(&self, model: &ModelId, entries: usize, bytes: u64) {
        let served = self.0.models.get(model);
        served.queue_entries.store(entries as u64, Relaxed);
        served.queue_bytes.store(bytes, Relaxed);
    }

    fn batch_begins(&self, model: &ModelId, images: usize) {
        let served = self.0.models.get(model);
        served.counters.batch();
        let instrument = &self.0.instruments.batch_images;
        instrument.record(images as u64, &served.labels.model);
    }

    fn batch_ended(&self, model: &ModelId, forward: Duration, qc: Duration) {
        let served = self.0.models.get(model);
        served.forward.add(forward);
        served.qc.add(qc);
        served.window().batch(self.0.models.now(), forward, qc);
    }

    fn sams(&self, model: &ModelId, took: Duration) {
        self.0.models.get(model).sam.add(took);
    }

    fn ready(&self, model: &ModelId, ready: bool) {
        self.0.models.get(model).ready.store(ready, Relaxed);
    }

    fn panicked(&self, model: &ModelId) {
        self.0.models.get(model).restarts.fetch_add(1, Relaxed);
    }
}
