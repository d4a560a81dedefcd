//! One image, one answer.

use std::time::Instant;

use prost::Message;
use sagate_core::executor::{ModelSpec, PreparedImage};
use sagate_core::gate::{Confidence, Decision, Policy};

use super::models;
use crate::engine::{ModelHandle, QueuePermit, TimedSegmentation, Timing};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::in_time;
use crate::grpc::pipeline::admit::{Arrived, arrive, encoded, enter};
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::grid::Grid;
use crate::grpc::pipeline::image_input::Sent;
use crate::grpc::pipeline::messages;
use crate::grpc::pipeline::validate::{Form, Order};
use crate::proto::v1;
use crate::telemetry::{Decided, ImageCall, Phase, Phases};

/// Bytes that an answer takes beside those of its message.
const OVERHEAD: u64 = 4 << 10;

/// `Segment`: the answer, and the place that it holds until it is written.
///
/// # Errors
/// Whatever is wrong with the request, or went wrong on its way.
pub(crate) async fn segment(
    context: &Context,
    request: v1::SegmentRequest,
    caller: &Caller,
    mut call: ImageCall,
) -> Result<(v1::SegmentResponse, QueuePermit), ServiceError> {
    match enter(context, request.request_id, request.options, caller, &mut call) {
        Ok(order) => segment_as(context, &order, request.image, call).await,
        Err(error) => {
            call.failed(error.code(), error.reason(), Phases::begin());
            Err(error)
        }
    }
}

/// One image of a request that was checked.
///
/// # Errors
/// Whatever is wrong with the image, or went wrong on its way.
pub(crate) async fn segment_as(
    context: &Context,
    order: &Order,
    image: Option<v1::Image>,
    mut call: ImageCall,
) -> Result<(v1::SegmentResponse, QueuePermit), ServiceError> {
    let mut phases = Phases::begin();
    call.request_id(&order.request_id);
    call.model(order.hosted.contract().id());
    let work = run(context, order, image, &mut call, &mut phases);
    match in_time(order.request_context.deadline, work).await {
        Ok((answer, outcome, place)) => {
            call.decided(outcome.record(phases));
            Ok((answer, place))
        }
        Err(error) => {
            call.failed(error.code(), error.reason(), phases);
            Err(error)
        }
    }
}

async fn run(
    context: &Context,
    order: &Order,
    image: Option<v1::Image>,
    call: &mut ImageCall,
    phases: &mut Phases,
) -> Result<(v1::SegmentResponse, Outcome, QueuePermit), ServiceError> {
    let sent = Sent::new(image)?;
    let form = order.form;
    let kept = move |ready: &PreparedImage, classes| segment_bytes(ready, classes, form);
    let request_context = order.request_context.clone();
    let queue = move |hosted: &ModelHandle, ready, place| hosted.segment(ready, place, &request_context);
    let Arrived {
        pending,
        place,
        shadow_run,
        hash,
        grid,
    } = arrive(context, order, sent, phases, call, kept, queue).await?;
    let scored = pending.wait().await?;
    let seen = scored.segmentation.clone();
    let (segmentation, outcome) = answered(scored, order, hash, &grid, phases).await?;
    if let Some(shadow_run) = shadow_run {
        let permits = context.decode_permits.clone();
        tokio::spawn(shadow_run.compare(permits, seen, outcome.decision.accept, order.policy));
    }
    let answer = v1::SegmentResponse {
        request_id: order.request_id.clone(),
        segmentation: Some(segmentation),
    };
    place.answered(answer.encoded_len() as u64 + OVERHEAD);
    Ok((answer, outcome, place))
}

/// Decides on what the model says, and puts it into the form that was asked for, with the time that every phase took.
///
/// # Errors
/// A mask that does not fit into its form.
pub(crate) async fn answered(
    scored: TimedSegmentation,
    order: &Order,
    hash: String,
    grid: &Grid,
    phases: &mut Phases,
) -> Result<(v1::Segmentation, Outcome), ServiceError> {
    let begun = Instant::now();
    let (contract, policy, form) = (order.hosted.contract().clone(), order.policy, order.form);
    let values = form.values(&scored.segmentation);
    let grid = grid.clone();
    let encode = move || encode(&scored, &contract, &policy, form, &grid);
    let (segmentation, outcome) = encoded(values, encode).await?;
    outcome.add_phases(phases, begun);
    let segmentation = v1::Segmentation {
        image_hash: hash,
        timing: Some(timing(phases, outcome.timing.images)),
        ..segmentation?
    };
    Ok((segmentation, outcome))
}

fn encode(
    scored: &TimedSegmentation,
    contract: &ModelSpec,
    policy: &Policy,
    form: Form,
    grid: &Grid,
) -> (Result<v1::Segmentation, ServiceError>, Outcome) {
    let result = &scored.segmentation;
    let decision = contract.decide(result, policy);
    let answer = messages::segmentation(result, &decision, form, grid).map(|answer| v1::Segmentation {
        model: Some(models::version(contract)),
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

/// What telemetry is told of an answer.
pub(crate) struct Outcome {
    decision: Decision,
    confidence: Confidence,
    score: Option<f64>,
    pixels: u64,
    timing: Timing,
}

impl Outcome {
    /// Adds the phases from the queue on; encoding began at `encoding` and ends now.
    fn add_phases(&self, phases: &mut Phases, encoding: Instant) {
        let timing = &self.timing;
        phases.add(Phase::Queue, timing.queued, timing.begun);
        phases.add(Phase::Forward, timing.begun, timing.forwarded);
        phases.add(Phase::Qc, timing.forwarded, timing.scored);
        phases.add(Phase::Encode, encoding, Instant::now());
    }

    /// The record of it.
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

/// Where the time went, as the protocol has it.
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

/// Bytes that the answer takes until it is sent: probabilities and labels of the result, and what of it is asked for.
pub(crate) fn segment_bytes(ready: &PreparedImage, classes: u64, form: Form) -> u64 {
    let pixels: u64 = ready.original_size().iter().map(|&side| side as u64).product();
    let probabilities = 4 * classes * if form.probabilities { 2 } else { 1 };
    pixels * (probabilities + 2)
}
