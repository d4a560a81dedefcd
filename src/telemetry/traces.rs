//! Spans: one per call (a child of the caller's span if given), one per image, one per phase of the image. `docs/reference/metrics.md` lists
//! the attributes: no file names, headers, error texts or patient data.

use std::time::SystemTime;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use sagate_core::executor::ModelId;
use sagate_core::gate::Confidence;
use tonic::Code;

use super::call::Decided;
use super::phases::Phases;
use super::request_id::is_request_id;
use super::status_code::is_server_error;
use crate::proto::Rpc;

const STATUS_CODE: &str = "rpc.grpc.status_code";

/// Creates spans.
pub(super) struct Traces {
    pub(super) provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

/// Attributes of an image that do not depend on its outcome.
#[derive(Debug, Default)]
pub(super) struct ImageFacts {
    pub(super) model: Option<ModelId>,
    pub(super) request_id: Option<String>,
    pub(super) image_hash: Option<String>,
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        // The propagator reads headers by name.
        Vec::new()
    }
}

impl Traces {
    pub(super) fn new(provider: SdkTracerProvider) -> Traces {
        Traces {
            tracer: provider.tracer("sagate"),
            propagator: TraceContextPropagator::new(),
            provider,
        }
    }

    /// Starts the span of a call.
    pub(super) fn call(&self, rpc: Rpc, headers: &http::HeaderMap) -> Span {
        // Start from an empty context: the current span of this thread is unrelated.
        let parent = self
            .propagator
            .extract_with_context(&Context::new(), &Headers(headers));
        let builder = SpanBuilder::from_name(format!("{}/{}", rpc.service(), rpc.name()))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("rpc.system", "grpc"),
                KeyValue::new("rpc.service", rpc.service()),
                KeyValue::new("rpc.method", rpc.name()),
            ]);
        self.tracer.build_with_context(builder, &parent)
    }

    /// Ends a call's span.
    pub(super) fn end_call(span: &mut Span, code: Code) {
        span.set_attribute(KeyValue::new(STATUS_CODE, code as i64));
        set_status(span, code);
        span.end();
    }

    /// Parent context for the spans of a call's images; `None` if the call is not sampled.
    pub(super) fn child_context(span: &Span) -> Option<Context> {
        let context = span.span_context();
        let sampled = context.is_valid() && context.is_sampled();
        sampled.then(|| Context::new().with_remote_span_context(context.clone()))
    }

    /// Span of an image with a decision.
    pub(super) fn decided(
        &self,
        parent: &Context,
        span: [SystemTime; 2],
        facts: &ImageFacts,
        decided: &Decided,
    ) {
        let mut attributes = facts.attributes();
        let decision = if decided.accept { "ACCEPT" } else { "REJECT" };
        attributes.push(KeyValue::new("sagate.decision", decision));
        if decided.mu.is_finite() {
            attributes.push(KeyValue::new("sagate.mu", decided.mu));
        }
        let Confidence { soft_dice, object } = decided.confidence;
        for (name, confidence) in [
            ("sagate.soft_dice_confidence", soft_dice),
            ("sagate.object_confidence", object),
            ("sagate.score", decided.score.unwrap_or(f64::NAN)),
        ] {
            if confidence.is_finite() {
                attributes.push(KeyValue::new(name, confidence));
            }
        }
        if !decided.reasons.is_empty() {
            let reasons = decided.reasons.iter().map(|it| StringValue::from(it.to_string()));
            let reasons = Value::Array(Array::String(reasons.collect()));
            attributes.push(KeyValue::new("sagate.reasons", reasons));
        }
        attributes.push(KeyValue::new("sagate.batch_images", decided.batch as i64));
        self.image(parent, span, attributes, Some(&decided.phases), Code::Ok);
    }

    /// Span of an image without a decision.
    pub(super) fn failed(
        &self,
        parent: &Context,
        span: [SystemTime; 2],
        facts: &ImageFacts,
        code: Code,
        reason: Option<&'static str>,
        phases: Option<&Phases>,
    ) {
        let mut attributes = facts.attributes();
        attributes.push(KeyValue::new(STATUS_CODE, code as i64));
        attributes.extend(reason.map(|reason| KeyValue::new("sagate.failure", reason)));
        self.image(parent, span, attributes, phases, code);
    }

    fn image(
        &self,
        parent: &Context,
        [from, to]: [SystemTime; 2],
        attributes: Vec<KeyValue>,
        phases: Option<&Phases>,
        code: Code,
    ) {
        let builder = SpanBuilder::from_name("image")
            .with_start_time(from)
            .with_attributes(attributes);
        let mut image = self.tracer.build_with_context(builder, parent);
        let under = Context::new().with_remote_span_context(image.span_context().clone());
        for (phase, from, to) in phases.into_iter().flat_map(Phases::on_the_clock) {
            let builder = SpanBuilder::from_name(phase.name()).with_start_time(from);
            self.tracer
                .build_with_context(builder, &under)
                .end_with_timestamp(to);
        }
        set_status(&mut image, code);
        image.end_with_timestamp(to);
    }
}

/// Sets the error status for server errors only. It has no text, which could repeat request data.
fn set_status(span: &mut Span, code: Code) {
    if is_server_error(code) {
        span.set_status(Status::error(""));
    }
}

impl ImageFacts {
    /// Sets the request id if it is valid.
    pub(super) fn set_request_id(&mut self, id: &str) {
        if is_request_id(id) {
            self.request_id = Some(id.into());
        }
    }

    /// Sets the image hash if it is valid.
    pub(super) fn set_image_hash(&mut self, hash: &str) {
        if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.image_hash = Some(hash.into());
        }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(8);
        if let Some(model) = &self.model {
            attributes.push(KeyValue::new("sagate.model", model.name.clone()));
            attributes.push(KeyValue::new("sagate.version", i64::from(model.version)));
        }
        let id = self
            .request_id
            .clone()
            .map(|id| KeyValue::new("sagate.request_id", id));
        let hash = self
            .image_hash
            .clone()
            .map(|hash| KeyValue::new("sagate.image_hash", hash));
        attributes.extend(id.into_iter().chain(hash));
        attributes
    }
}
