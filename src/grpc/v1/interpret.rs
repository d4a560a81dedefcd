//! `Interpret`: the decision first, then each part when it is ready.

use std::sync::Arc;
use std::time::Instant;

use sagate_core::executor::PreparedImage;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use super::segment::{Outcome, build_response, segment_bytes};
use crate::engine::{InterpretationEvent, InterpretationPlan, ModelHandle};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::with_deadline;
use crate::grpc::pipeline::admit::{AdmittedImage, admit_and_decode, encode, validate_request};
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::image_input::ImagePayload;
use crate::grpc::pipeline::messages;
use crate::grpc::pipeline::validate;
use crate::grpc::pipeline::validate::RequestSpec;
use crate::grpc::transport::outgoing::{Outbound, Permit};
use crate::proto::v1;
use crate::telemetry::{Call, ImageCall, Phases};

/// Capacity of the channel of messages to send.
pub(crate) const WAITING: usize = 4;

pub(crate) type Part = Outbound<v1::InterpretResponse>;

type Sender = mpsc::Sender<Result<Part, Status>>;

/// The responses of `Interpret`. The work stops if the caller disconnects.
///
/// # Errors
/// A failure before the first response: returned without a stream, so that a proxy sees the status in the headers and can retry on
/// another replica.
pub(crate) async fn answers(
    context: Arc<Context>,
    request: v1::InterpretRequest,
    caller: Caller,
    call: Call,
    begun: Instant,
) -> Result<impl Stream<Item = Result<Part, Status>> + Send + 'static, Status> {
    // A few messages are buffered so that the model does not wait for each send; admission has accounted for their bytes.
    let (sender, mut receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let work = interpret(&context, request, &caller, call.image(), &sender, begun);
        tokio::select! {
            // Dropping the work removes the image from the queue, or stops the model's thread after its current part.
            () = sender.closed() => {}
            result = work => match result {
                Ok(()) => call.finish(Code::Ok),
                Err(error) => {
                    call.finish(error.code());
                    let _ = sender.send(Err(error.status())).await;
                }
            },
        }
    });
    let first = receiver.recv().await.transpose()?;
    Ok(tokio_stream::iter(first.map(Ok)).chain(ReceiverStream::new(receiver)))
}

/// `Interpret`: sends each part to `sender`.
///
/// # Errors
/// An invalid request, or a failure of a later step.
pub(crate) async fn interpret(
    context: &Context,
    request: v1::InterpretRequest,
    caller: &Caller,
    mut call: ImageCall,
    sender: &Sender,
    begun: Instant,
) -> Result<(), ServiceError> {
    let input = InterpretInput {
        image: request.image,
        layers: request.layers,
        units: request.units,
    };
    match validate_request(context, request.request_id, request.options, caller, &mut call) {
        Ok(spec) => interpret_as(context, spec, input, call, sender, begun).await,
        Err(error) => {
            call.failed(error.code(), error.reason(), Phases::begin());
            Err(error)
        }
    }
}

/// An image, and the layers and units to return.
pub(crate) struct InterpretInput {
    pub image: Option<v1::Image>,
    pub layers: Option<v1::LayerOptions>,
    pub units: Vec<v1::UnitOptions>,
}

/// Interprets one image of a validated request.
///
/// # Errors
/// An invalid image or selection, or a failure of a later step.
pub(crate) async fn interpret_as(
    context: &Context,
    spec: RequestSpec,
    input: InterpretInput,
    mut call: ImageCall,
    sender: &Sender,
    begun: Instant,
) -> Result<(), ServiceError> {
    let mut phases = Phases::begin();
    call.request_id(&spec.request_id);
    call.model(spec.model.contract().id());
    let deadline = spec.request_context.deadline;
    let work = run(context, spec, input, &mut call, &mut phases, sender, begun);
    match with_deadline(deadline, work).await {
        Ok(outcome) => {
            call.decided(outcome.record(phases));
            Ok(())
        }
        Err(error) => {
            call.failed(error.code(), error.reason(), phases);
            Err(error)
        }
    }
}

async fn run(
    context: &Context,
    mut spec: RequestSpec,
    input: InterpretInput,
    call: &mut ImageCall,
    phases: &mut Phases,
    sender: &Sender,
    begun: Instant,
) -> Result<Outcome, ServiceError> {
    // Shadows compare decisions; they run on `Segment` only.
    spec.shadow = None;
    let manifest = spec.model.contract().manifest();
    let (plan, layer_format) = validate::plan(input.layers, input.units, manifest)?;
    let payload = ImagePayload::new(input.image)?;
    let (format, planned) = (spec.format, plan.clone());
    let response_bytes = move |ready: &PreparedImage, classes| {
        segment_bytes(ready, classes, format) + plan_bytes(ready, classes, &planned)
    };
    let request_context = spec.request_context.clone();
    let queue = move |model: &ModelHandle, ready, queue_permit| {
        model.interpret(ready, plan, queue_permit, &request_context)
    };
    let admitted = admit_and_decode(context, &spec, payload, phases, call, response_bytes, queue).await?;
    // Every part holds the queue permit until it is written.
    let AdmittedImage {
        pending: mut events,
        queue_permit,
        shadow_run: _,
        hash,
        grid,
    } = admitted;
    let mut outcome = None;
    let mut layers = 0;
    while let Some(event) = events.next().await? {
        let part = match event {
            InterpretationEvent::Scored(scored) => {
                let (segmentation, image_outcome) =
                    build_response(*scored, &spec, hash.clone(), &grid, phases).await?;
                outcome = Some(image_outcome);
                v1::interpret_response::Part::Segmentation(segmentation)
            }
            InterpretationEvent::Layer(view) => {
                layers += 1;
                let values = view.probability.len() + view.sam.len();
                let layer = encode(values, move || messages::layer(&view, layer_format)).await?;
                v1::interpret_response::Part::Layer(layer)
            }
            InterpretationEvent::Units(plan, view) => {
                let sams = view.sams.iter().map(|(_, sam)| sam.len()).sum::<usize>();
                let values = sams + view.average.as_ref().map_or(0, |average| average.len());
                let units = encode(values, move || messages::units(plan, &view)).await?;
                v1::interpret_response::Part::Units(units)
            }
            InterpretationEvent::Done(took) => {
                v1::interpret_response::Part::Summary(v1::InterpretationSummary {
                    layers,
                    total_seconds: begun.elapsed().as_secs_f64(),
                    sam_seconds: took.as_secs_f64(),
                })
            }
        };
        let message = v1::InterpretResponse { part: Some(part) };
        let permit = Permit {
            queue_permits: vec![queue_permit.clone()],
            window: None,
        };
        if sender.send(Ok(Outbound { message, permit })).await.is_err() {
            return Err(ServiceError::Cancelled);
        }
    }
    outcome.ok_or(ServiceError::Internal)
}

/// Bytes of SAMs and units until they are sent: each probability and label on the model's grid.
fn plan_bytes(ready: &PreparedImage, classes: u64, plan: &InterpretationPlan) -> u64 {
    let pixels: u64 = ready.size().iter().map(|&side| side as u64).product();
    let layers = plan.layers.len() as u64 * (4 * classes + 1);
    let units: u64 = plan.units.iter().map(|it| it.count as u64 + 4).sum();
    pixels.saturating_mul(layers + units)
}
