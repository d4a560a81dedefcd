//! What sagate says about itself while it runs: logs, metrics and traces. No image content and no patient data ever goes in.
//!
//! - [`Telemetry`]: begins with the server, hears of every call, image and change in the engine, and answers what `/metrics` and
//!   `GetStatus` ask.
//! - [`Call`], [`ImageCall`]: one call and one image on their way.
//! - [`admin`]: the plain HTTP port.
//! - [`Window`]: what happened within the last minutes.
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
mod rpc;
mod security;
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
pub use rpc::{Rpc, code_name};
pub use window::{DecisionRecord, Window, WindowView};

use crate::config;
use crate::engine::{Comparison, Instances, Observer, QueueLimits};
use crate::security::{SecurityCounts, SecurityError};
use call::InFlight;
use instruments::Instruments;
use models::Models;
use sagate_core::executor::{ModelId, ModelSpec};
use traces::Traces;

/// The longest that the last exports may take.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Metrics and traces of one server. Clones are the same.
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

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A collector's URL that cannot be one.
    #[error(
        "telemetry.otlp is {url:?}: it must be the URL of an OTLP/gRPC collector, like \"http://127.0.0.1:4317\" or \
         \"https://collector.example:4317\" ({source})"
    )]
    Collector {
        /// The setting.
        url: String,
        /// What the exporter said.
        source: ExporterBuildError,
    },
    /// The authorities of a collector's certificate cannot be used.
    #[error(transparent)]
    Authorities(#[from] SecurityError),
    /// The thread that begins it runs no async runtime.
    #[error("telemetry must be started inside a tokio runtime: {0}")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// Metrics cannot be collected.
    #[error("cannot collect metrics: {0}")]
    Collect(#[from] OTelSdkError),
    /// Metrics cannot be written in Prometheus' form.
    #[error("cannot write metrics as text: {0}")]
    Text(#[from] prometheus::Error),
}

impl Telemetry {
    /// Begins to count, for these models; where the settings name a collector, also to send it metrics and traces. To be called
    /// inside a tokio runtime. Then [`Telemetry::shutdown`] must end it, or what was not yet sent is lost.
    ///
    /// # Errors
    /// No runtime, or a collector's URL that cannot be one. That a collector does not answer is no error: exports are tried again.
    pub fn start(
        settings: &config::Telemetry,
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

    /// What each model's queue may hold, for metrics to say beside what it does hold.
    pub fn bounds(&self, bounds: &QueueLimits) {
        let limits = &self.0.models.limits;
        limits.entries.store(bounds.entries as u64, Relaxed);
        limits.bytes.store(bounds.bytes, Relaxed);
    }

    /// Which models the server must have, and whether each answers.
    pub fn required(&self, models: BTreeMap<String, bool>) {
        self.0.models.set_required(models);
    }

    /// A call begins. Its span hangs under the one that the headers `traceparent` and `tracestate` name.
    pub fn call(&self, rpc: Rpc, metadata: &MetadataMap) -> Call {
        self.call_with(rpc, metadata.as_ref())
    }

    /// The same, by the headers of HTTP.
    pub fn call_with(&self, rpc: Rpc, headers: &http::HeaderMap) -> Call {
        Call::begin(self, rpc, headers)
    }

    /// What a model decided within the window.
    pub fn window(&self, model: &ModelId) -> WindowView {
        let models = &self.0.models;
        let now = models.now();
        models.get(model).window().view(now)
    }

    /// A model's images since the start, and whether it answers.
    pub fn counts(&self, model: &ModelId) -> Counts {
        self.0.models.get(model).counts()
    }

    /// What a model has done since the start.
    pub fn statistics(&self, model: &ModelId) -> Statistics {
        self.0.models.get(model).statistics()
    }

    /// What waits for a model or runs, as the engine said last.
    pub fn queue(&self, model: &ModelId) -> Queue {
        self.0.models.get(model).queue()
    }

    /// Since [`Telemetry::start`].
    pub fn uptime(&self) -> Duration {
        self.0.models.now()
    }

    /// Calls that are being worked on.
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.total()
    }

    /// Where handshakes, refusals and audit lines are counted.
    pub fn security_counts(&self) -> &Arc<SecurityCounts> {
        &self.0.security_counts
    }

    /// Every metric in Prometheus' text form.
    ///
    /// # Errors
    /// A metric that cannot be written.
    pub fn render(&self) -> Result<String, TelemetryError> {
        Ok(prometheus::TextEncoder::new().encode_to_string(&self.0.registry.gather())?)
    }

    /// Sends what is still to be sent and stops; gives up after a few seconds. Metrics cannot be read afterwards.
    pub async fn shutdown(&self) {
        let (ended, mut all_ended) = mpsc::channel::<()>(1);
        let meters = self.0.meters.clone();
        end_apart(&ended, move || meters.shutdown());
        if let Some(traces) = &self.0.traces {
            let provider = traces.provider.clone();
            end_apart(&ended, move || provider.shutdown_with_timeout(SHUTDOWN));
        }
        drop(ended);
        if tokio::time::timeout(SHUTDOWN, all_ended.recv()).await.is_err() {
            tracing::warn!("the OTLP collector did not take the last metrics and traces in time");
        }
    }
}

/// Ends a provider in a thread of its own: it blocks while it sends, and the runtime's end would wait for a blocking thread of its own.
fn end_apart(ended: &mpsc::Sender<()>, stop: impl FnOnce() -> Result<(), OTelSdkError> + Send + 'static) {
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
        self.0.models.take_away(model);
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
