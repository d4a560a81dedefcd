//! Calls and images in flight. Each ends exactly once: explicitly, or as cancelled when dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime};

use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::Span;
use sagate_core::executor::ModelId;
use sagate_core::gate::{Confidence, Reason};
use tonic::Code;

use super::models::Served;
use super::phases::{Phase, Phases};
use super::status_code::names;
use super::traces::{ImageFacts, Traces};
use super::window::DecisionRecord;
use super::{Inner, Telemetry};
use crate::proto::Rpc;
use crate::security::{AccessRecord, AuditRecord, Image};

/// Calls in flight, by method.
#[derive(Default)]
pub(super) struct InFlight([AtomicU64; Rpc::ALL.len()]);

impl InFlight {
    pub(super) fn count(&self, rpc: Rpc) -> u64 {
        self.0[rpc as usize].load(Relaxed)
    }

    pub(super) fn total(&self) -> u64 {
        Rpc::ALL.iter().map(|&rpc| self.count(rpc)).sum()
    }
}

/// One call in flight: metrics, and a span if tracing is enabled. Dropping it without [`Call::finish`] records a cancellation.
pub struct Call {
    telemetry: Arc<Inner>,
    rpc: Rpc,
    begun: Instant,
    span: Option<Span>,
    audit_record: Option<Arc<AuditRecord>>,
    access_record: Option<Arc<AccessRecord>>,
    code: Code,
}

impl Call {
    pub(super) fn begin(telemetry: &Telemetry, rpc: Rpc, headers: &http::HeaderMap) -> Call {
        let inner = Arc::clone(&telemetry.0);
        inner.in_flight.0[rpc as usize].fetch_add(1, Relaxed);
        Call {
            span: inner.traces.as_ref().map(|traces| traces.call(rpc, headers)),
            telemetry: inner,
            rpc,
            begun: Instant::now(),
            audit_record: None,
            access_record: None,
            code: Code::Cancelled,
        }
    }

    /// Attaches the audit record and the access record from the request extensions, if present.
    pub fn audited(mut self, extensions: &http::Extensions) -> Call {
        self.audit_record = extensions.get().cloned();
        self.access_record = extensions.get().cloned();
        self
    }

    /// Ends the call.
    pub fn finish(mut self, code: Code) {
        self.code = code;
    }

    /// Begins an image of the call. It may outlive the call.
    pub fn image(&self) -> ImageCall {
        if let Some(access_record) = &self.access_record {
            access_record.image();
        }
        ImageCall {
            parent: self.span.as_ref().and_then(Traces::child_context),
            served: Arc::clone(self.telemetry.models.unknown()),
            telemetry: Arc::clone(&self.telemetry),
            begun: Instant::now(),
            begun_at: SystemTime::now(),
            facts: ImageFacts::default(),
            audit_record: self.audit_record.clone(),
            access_record: self.access_record.clone(),
            ended: false,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let inner = &self.telemetry;
        inner.in_flight.0[self.rpc as usize].fetch_sub(1, Relaxed);
        let labels = [
            KeyValue::new("method", self.rpc.name()),
            KeyValue::new("code", names(self.code).0),
        ];
        let seconds = self.begun.elapsed().as_secs_f64();
        inner.instruments.request_seconds.record(seconds, &labels);
        inner.instruments.requests.add(1, &labels);
        if let Some(audit_record) = &self.audit_record {
            audit_record.ended(names(self.code).0);
        }
        if let Some(access_record) = &self.access_record {
            access_record.ended(names(self.code).0);
        }
        if let Some(span) = &mut self.span {
            Traces::end_call(span, self.code);
        }
    }
}

/// Decision on an image, with its scores and timing.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Whether the image was accepted.
    pub accept: bool,
    /// Mean SA score.
    pub mu: f64,
    /// Confidence of the probabilities in the mask.
    pub confidence: Confidence,
    /// The quality score, where the model has one.
    pub score: Option<f64>,
    /// Requested coverage; `None` if the request gave a threshold.
    pub coverage: Option<f64>,
    /// Its height times its width.
    pub pixels: u64,
    /// All reasons for a rejection.
    pub reasons: Vec<Reason>,
    /// Times of each phase.
    pub phases: Phases,
    /// Images in the batch, this one included.
    pub batch: usize,
}

/// One image in flight: metrics, and a span with child spans for its phases if tracing is enabled. Dropping it without an end records a
/// cancellation.
pub struct ImageCall {
    telemetry: Arc<Inner>,
    parent: Option<Context>,
    served: Arc<Served>,
    begun: Instant,
    begun_at: SystemTime,
    facts: ImageFacts,
    audit_record: Option<Arc<AuditRecord>>,
    access_record: Option<Arc<AccessRecord>>,
    ended: bool,
}

impl ImageCall {
    /// Sets the requested model. A model that is not served is counted as `unknown`.
    pub fn model(&mut self, model: &ModelId) {
        self.served = self.telemetry.models.get(model);
        self.facts.model = self.served.id.clone();
    }

    /// Sets the request id of the image. Invalid ids are ignored.
    pub fn request_id(&mut self, id: &str) {
        if self.parent.is_some() || self.audit_record.is_some() || self.access_record.is_some() {
            self.facts.set_request_id(id);
        }
        if let (Some(access_record), Some(id)) = (&self.access_record, &self.facts.request_id) {
            access_record.request_id(id);
        }
    }

    /// Sets the SHA-256 of the image, 64 hexadecimal digits; anything else is ignored.
    pub fn image_hash(&mut self, hash: &str) {
        if self.parent.is_some() || self.audit_record.is_some() {
            self.facts.set_image_hash(hash);
        }
    }

    /// Ends the image with a decision.
    pub fn decided(mut self, decided: Decided) {
        self.ended = true;
        let (inner, served) = (&self.telemetry, &self.served);
        let (count, outcome) = if decided.accept {
            (&served.accepted, &served.labels.accept)
        } else {
            (&served.rejected, &served.labels.reject)
        };
        count.fetch_add(1, Relaxed);
        let record = DecisionRecord {
            accept: decided.accept,
            mu: decided.mu,
            coverage: decided.coverage,
            pixels: decided.pixels,
            took: decided.phases.begun().elapsed(),
        };
        served.window().record(inner.models.now(), &record);
        let instruments = &inner.instruments;
        instruments.images.add(1, outcome);
        instruments.pixels.add(decided.pixels, &served.labels.model);
        if decided.mu.is_finite() {
            instruments.mu.record(decided.mu, &served.labels.model);
        }
        let Confidence { soft_dice, object } = decided.confidence;
        for (confidence, labels) in [
            (soft_dice, &served.labels.soft_dice),
            (object, &served.labels.object),
            (decided.score.unwrap_or(f64::NAN), &served.labels.quality),
        ] {
            if confidence.is_finite() {
                instruments.confidence.record(confidence, labels);
            }
        }
        for &reason in &decided.reasons {
            instruments.rejected_images.add(1, served.labels.reason(reason));
        }
        self.record_phases(&decided.phases);
        served.counters.answered(&decided.phases);
        self.audit(Code::Ok, Some(decided.accept));
        if let (Some(traces), Some(parent)) = (&inner.traces, &self.parent) {
            traces.decided(parent, self.span(Some(&decided.phases)), &self.facts, &decided);
        }
    }

    /// Ends the image without a decision. `reason` is a constant of the protocol, like `QUEUE_FULL`.
    pub fn failed(mut self, code: Code, reason: &'static str, phases: Phases) {
        self.fail(code, Some(reason), Some(&phases));
    }

    fn fail(&mut self, code: Code, reason: Option<&'static str>, phases: Option<&Phases>) {
        self.ended = true;
        let (inner, served) = (&self.telemetry, &self.served);
        served.failed.fetch_add(1, Relaxed);
        served.counters.failed(self.begun.elapsed());
        inner
            .instruments
            .images
            .add(1, &served.labels.outcome(names(code).1));
        if let Some(phases) = phases {
            self.record_phases(phases);
        }
        self.audit(code, None);
        if let (Some(traces), Some(parent)) = (&inner.traces, &self.parent) {
            traces.failed(parent, self.span(phases), &self.facts, code, reason, phases);
        }
    }

    fn audit(&self, code: Code, accepted: Option<bool>) {
        if let Some(audit_record) = &self.audit_record {
            let model = self.facts.model.as_ref().map(ToString::to_string);
            let image = Image {
                model: model.as_deref(),
                request_id: self.facts.request_id.as_deref(),
                hash: self.facts.image_hash.as_deref(),
                accepted,
            };
            audit_record.image(image, names(code).0);
        }
    }

    fn record_phases(&self, phases: &Phases) {
        for phase in Phase::ALL {
            let took = phases.duration(phase);
            if !took.is_zero() {
                let instrument = &self.telemetry.instruments.phase_seconds;
                instrument.record(took.as_secs_f64(), self.served.labels.phase(phase));
            }
        }
    }

    /// Begin and end, enclosing all phases even if the clock was set in between.
    fn span(&self, phases: Option<&Phases>) -> [SystemTime; 2] {
        let mut span = [self.begun_at, self.begun_at + self.begun.elapsed()];
        for (_, from, to) in phases.into_iter().flat_map(Phases::on_the_clock) {
            span = [span[0].min(from), span[1].max(to)];
        }
        span
    }
}

impl Drop for ImageCall {
    fn drop(&mut self) {
        if !self.ended {
            self.fail(Code::Cancelled, None, None);
        }
    }
}
