//! `Segment`: one image, one response.

use std::time::Instant;

use prost::Message;
use sagate_core::executor::{ModelSpec, PreparedImage};
use sagate_core::gate::{Confidence, Decision, Policy};

use super::models;
use crate::engine::{ModelHandle, QueuePermit, TimedSegmentation, Timing};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::with_deadline;
use crate::grpc::pipeline::admit::{AdmittedImage, admit_and_decode, encode, validate_request};
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::grid::Grid;
use crate::grpc::pipeline::image_input::ImagePayload;
use crate::grpc::pipeline::messages;
use crate::grpc::pipeline::validate::{RequestSpec, ResponseFormat};
use crate::proto::v1;
use crate::telemetry::{Decided, ImageCall, Phase, Phases};

/// Bytes of a response beside its message.
const OVERHEAD: u64 = 4 << 10;

/// `Segment`: the response, and the queue permit that it holds until it is written.
///
/// # Errors
/// An invalid request, or a failure of a later step.
pub(crate) async fn segment(
    context: &Context,
    request: v1::SegmentRequest,
    caller: &Caller,
    mut call: ImageCall,
) -> Result<(v1::SegmentResponse, QueuePermit), ServiceError> {
    match validate_request(context, request.request_id, request.options, caller, &mut call) {
        Ok(spec) => segment_as(context, &spec, request.image, call).await,
        Err(error) => {
            call.failed(error.code(), error.reason(), Phases::begin());
            Err(error)
        }
    }
}

/// Segments one image of a validated request.
///
/// # Errors
/// An invalid image, or a failure of a later step.
pub(crate) async fn segment_as(
    context: &Context,
    spec: &RequestSpec,
    image: Option<v1::Image>,
    mut call: ImageCall,
) -> Result<(v1::SegmentResponse, QueuePermit), ServiceError> {
    let mut phases = Phases::begin();
    call.request_id(&spec.request_id);
    call.model(spec.model.contract().id());
    let work = run(context, spec, image, &mut call, &mut phases);
    match with_deadline(spec.request_context.deadline, work).await {
        Ok((answer, outcome, queue_permit)) => {
            call.decided(outcome.record(phases));
            Ok((answer, queue_permit))
        }
        Err(error) => {
            call.failed(error.code(), error.reason(), phases);
            Err(error)
        }
    }
}

async fn run(
    context: &Context,
    spec: &RequestSpec,
    image: Option<v1::Image>,
    call: &mut ImageCall,
    phases: &mut Phases,
) -> Result<(v1::SegmentResponse, Outcome, QueuePermit), ServiceError> {
    let payload = ImagePayload::new(image)?;
    let format = spec.format;
    let response_bytes = move |ready: &PreparedImage, classes| segment_bytes(ready, classes, format);
    let request_context = spec.request_context.clone();
    let queue =
        move |model: &ModelHandle, ready, queue_permit| model.segment(ready, queue_permit, &request_context);
    let AdmittedImage {
        pending,
        queue_permit,
        shadow_run,
        hash,
        grid,
    } = admit_and_decode(context, spec, payload, phases, call, response_bytes, queue).await?;
    let scored = pending.wait().await?;
    let primary = scored.segmentation.clone();
    let (segmentation, outcome) = build_response(scored, spec, hash, &grid, phases).await?;
    if let Some(shadow_run) = shadow_run {
        let permits = context.decode_permits.clone();
        tokio::spawn(shadow_run.compare(permits, primary, outcome.decision.accept, spec.policy));
    }
    let answer = v1::SegmentResponse {
        request_id: spec.request_id.clone(),
        segmentation: Some(segmentation),
    };
    queue_permit.answered(answer.encoded_len() as u64 + OVERHEAD);
    Ok((answer, outcome, queue_permit))
}

/// Applies the gate to the model's result and encodes it in the requested format, with the time of every phase.
///
/// # Errors
/// A mask that cannot be encoded in its format.
pub(crate) async fn build_response(
    scored: TimedSegmentation,
    spec: &RequestSpec,
    hash: String,
    grid: &Grid,
    phases: &mut Phases,
) -> Result<(v1::Segmentation, Outcome), ServiceError> {
    let begun = Instant::now();
    let (model_spec, policy, format) = (spec.model.contract().clone(), spec.policy, spec.format);
    let values = format.values(&scored.segmentation);
    let grid = grid.clone();
    let encode_segmentation = move || encode_segmentation(&scored, &model_spec, &policy, format, &grid);
    let (segmentation, outcome) = encode(values, encode_segmentation).await?;
    outcome.add_phases(phases, begun);
    let segmentation = v1::Segmentation {
        image_hash: hash,
        timing: Some(timing(phases, outcome.timing.images)),
        ..segmentation?
    };
    Ok((segmentation, outcome))
}

fn encode_segmentation(
    scored: &TimedSegmentation,
    model_spec: &ModelSpec,
    policy: &Policy,
    format: ResponseFormat,
    grid: &Grid,
) -> (Result<v1::Segmentation, ServiceError>, Outcome) {
    let result = &scored.segmentation;
    let decision = model_spec.decide(result, policy);
    let answer = messages::segmentation(result, &decision, format, grid).map(|answer| v1::Segmentation {
        model: Some(models::version(model_spec)),
        ..answer
    });
    let outcome = Outcome {
        decision,
        confidence: result.confidence,
        score: result.score.map(|score| score.value),
        pixels: result.labels.len() as u64,
        timing: scored.timing,
    };
    (answer, outcome)
}

/// What telemetry records of a response.
pub(crate) struct Outcome {
    decision: Decision,
    confidence: Confidence,
    score: Option<f64>,
    pixels: u64,
    timing: Timing,
}

impl Outcome {
    /// Adds the phases from the queue on; encoding started at `encoding` and ends now.
    fn add_phases(&self, phases: &mut Phases, encoding: Instant) {
        let timing = &self.timing;
        phases.add(Phase::Queue, timing.queued, timing.begun);
        phases.add(Phase::Forward, timing.begun, timing.forwarded);
        phases.add(Phase::Qc, timing.forwarded, timing.scored);
        phases.add(Phase::Encode, encoding, Instant::now());
    }

    /// The telemetry record.
    pub fn record(self, phases: Phases) -> Decided {
        Decided {
            accept: self.decision.accept,
            mu: self.decision.mu,
            confidence: self.confidence,
            score: self.score,
            coverage: self.decision.coverage,
            pixels: self.pixels,
            reasons: self.decision.reasons,
            phases,
            batch: self.timing.images,
        }
    }
}

/// The time of each phase, as a protobuf message.
fn timing(phases: &Phases, images: usize) -> v1::Timing {
    let seconds = |phase| phases.duration(phase).as_secs_f64();
    v1::Timing {
        decode_seconds: seconds(Phase::Decode),
        preprocess_seconds: seconds(Phase::Preprocess),
        queue_seconds: seconds(Phase::Queue),
        forward_seconds: seconds(Phase::Forward),
        qc_seconds: seconds(Phase::Qc),
        encode_seconds: seconds(Phase::Encode),
        batch_images: images as u32,
    }
}

/// Bytes of the response until it is sent: probabilities and labels of the result, and their requested encodings.
pub(crate) fn segment_bytes(ready: &PreparedImage, classes: u64, format: ResponseFormat) -> u64 {
    let pixels: u64 = ready.original_size().iter().map(|&side| side as u64).product();
    let probabilities = 4 * classes * if format.probabilities { 2 } else { 1 };
    pixels * (probabilities + 2)
}
