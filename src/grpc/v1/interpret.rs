//! One image, looked into: the decision first, then each part as it is ready.

use std::sync::Arc;
use std::time::Instant;

use sagate_core::executor::PreparedImage;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use super::segment::{Outcome, answered, segment_bytes};
use crate::engine::{InterpretationEvent, InterpretationPlan, ModelHandle};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::in_time;
use crate::grpc::pipeline::admit::{Arrived, arrive, encoded, enter};
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::image_input::Sent;
use crate::grpc::pipeline::messages;
use crate::grpc::pipeline::validate;
use crate::grpc::pipeline::validate::Order;
use crate::grpc::transport::outgoing::{Outbound, Permit};
use crate::proto::v1;
use crate::telemetry::{Call, ImageCall, Phases};

/// Messages that wait to be sent.
pub(crate) const WAITING: usize = 4;

pub(crate) type Part = Outbound<v1::InterpretResponse>;

type Sender = mpsc::Sender<Result<Part, Status>>;

/// The answers of `Interpret`, from the first on. A caller that stops listening stops the work.
///
/// # Errors
/// What comes in place of a first answer: as no stream, so that a proxy reads the code in the headers and may ask another replica.
pub(crate) async fn answers(
    context: Arc<Context>,
    request: v1::InterpretRequest,
    caller: Caller,
    call: Call,
    begun: Instant,
) -> Result<impl Stream<Item = Result<Part, Status>> + Send + 'static, Status> {
    // A few messages wait to be sent, so that nobody waits for each of them to be taken; they were counted when the image was admitted.
    let (sender, mut receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let work = interpret(&context, request, &caller, call.image(), &sender, begun);
        tokio::select! {
            // Dropping the work takes the image out of the queue, or stops the model's thread after the part it is at.
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

/// `Interpret`: hands each part to `sender`.
///
/// # Errors
/// Whatever is wrong with the request, or went wrong on its way.
pub(crate) async fn interpret(
    context: &Context,
    request: v1::InterpretRequest,
    caller: &Caller,
    mut call: ImageCall,
    sender: &Sender,
    begun: Instant,
) -> Result<(), ServiceError> {
    let asked = Asked {
        image: request.image,
        layers: request.layers,
        units: request.units,
    };
    match enter(context, request.request_id, request.options, caller, &mut call) {
        Ok(order) => interpret_as(context, order, asked, call, sender, begun).await,
        Err(error) => {
            call.failed(error.code(), error.reason(), Phases::begin());
            Err(error)
        }
    }
}

/// An image, and what of it is shown.
pub(crate) struct Asked {
    pub image: Option<v1::Image>,
    pub layers: Option<v1::LayerOptions>,
    pub units: Vec<v1::UnitOptions>,
}

/// One image of a request that was checked.
///
/// # Errors
/// Whatever is wrong with the image or what is to be shown, or went wrong on its way.
pub(crate) async fn interpret_as(
    context: &Context,
    order: Order,
    asked: Asked,
    mut call: ImageCall,
    sender: &Sender,
    begun: Instant,
) -> Result<(), ServiceError> {
    let mut phases = Phases::begin();
    call.request_id(&order.request_id);
    call.model(order.hosted.contract().id());
    let deadline = order.request_context.deadline;
    let work = run(context, order, asked, &mut call, &mut phases, sender, begun);
    match in_time(deadline, work).await {
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
    mut order: Order,
    asked: Asked,
    call: &mut ImageCall,
    phases: &mut Phases,
    sender: &Sender,
    begun: Instant,
) -> Result<Outcome, ServiceError> {
    // A shadow compares decisions, which a segmentation has as well.
    order.shadow = None;
    let manifest = order.hosted.contract().manifest();
    let (plan, layer_form) = validate::plan(asked.layers, asked.units, manifest)?;
    let sent = Sent::new(asked.image)?;
    let (form, planned) = (order.form, plan.clone());
    let kept = move |ready: &PreparedImage, classes| {
        segment_bytes(ready, classes, form) + plan_bytes(ready, classes, &planned)
    };
    let request_context = order.request_context.clone();
    let queue =
        move |hosted: &ModelHandle, ready, place| hosted.interpret(ready, plan, place, &request_context);
    let arrived = arrive(context, &order, sent, phases, call, kept, queue).await?;
    // Every part holds its place until it is written.
    let Arrived {
        pending: mut events,
        place,
        shadow_run: _,
        hash,
        grid,
    } = arrived;
    let mut outcome = None;
    let mut layers = 0;
    while let Some(event) = events.next().await? {
        let part = match event {
            InterpretationEvent::Scored(scored) => {
                let (segmentation, seen) = answered(*scored, &order, hash.clone(), &grid, phases).await?;
                outcome = Some(seen);
                v1::interpret_response::Part::Segmentation(segmentation)
            }
            InterpretationEvent::Layer(view) => {
                layers += 1;
                let values = view.probability.len() + view.sam.len();
                let layer = encoded(values, move || messages::layer(&view, layer_form)).await?;
                v1::interpret_response::Part::Layer(layer)
            }
            InterpretationEvent::Units(plan, view) => {
                let sams = view.sams.iter().map(|(_, sam)| sam.len()).sum::<usize>();
                let values = sams + view.average.as_ref().map_or(0, |average| average.len());
                let units = encoded(values, move || messages::units(plan, &view)).await?;
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
            places: vec![place.clone()],
            window: None,
        };
        if sender.send(Ok(Outbound { message, permit })).await.is_err() {
            return Err(ServiceError::Cancelled);
        }
    }
    outcome.ok_or(ServiceError::Internal)
}

/// Bytes that SAMs and units take until they are sent: each probability and label on the model's grid.
fn plan_bytes(ready: &PreparedImage, classes: u64, plan: &InterpretationPlan) -> u64 {
    let pixels: u64 = ready.size().iter().map(|&side| side as u64).product();
    let layers = plan.layers.len() as u64 * (4 * classes + 1);
    let units: u64 = plan.units.iter().map(|it| it.count as u64 + 4).sum();
    pixels.saturating_mul(layers + units)
}
