//! Images as they come, answers as each is done.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::segment::segment;
use crate::engine::{EngineError, QueuePermit};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::in_time;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::transport::decode_errors;
use crate::grpc::transport::outgoing::{Outbound, Permit};
use crate::proto::v1;
use crate::security::Refusal;
use crate::telemetry::Call;

/// How long images that are out of time are given to say so.
const HEALTH_DRAIN_NOTICE: Duration = Duration::from_millis(100);

type Sender = mpsc::Sender<Result<Outbound<v1::SegmentStreamResponse>, Status>>;

/// The answers of `SegmentStream`. A caller that does not read them is not read from either: an image is taken off the wire only when
/// one of the window's places is free, and a place is free again only when its answer has been written.
pub(crate) fn answers(
    context: Arc<Context>,
    images: Streaming<v1::SegmentStreamRequest>,
    caller: Caller,
    call: Call,
) -> ReceiverStream<Result<Outbound<v1::SegmentStreamResponse>, Status>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let call = Arc::new(call);
        let mut work = JoinSet::new();
        let ended = tokio::select! {
            // Dropping the work gives up every image of the stream.
            () = sender.closed() => Err(ServiceError::Cancelled),
            ended = in_time(caller.request_context.deadline, read(&context, images, &caller, &call, &sender, &mut work)) => ended,
        };
        if let Err(ServiceError::Engine(EngineError::DeadlineExceeded)) = ended {
            // Its images are out of time as well, and say so each where the caller still listens.
            let answered = async { while work.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(HEALTH_DRAIN_NOTICE, answered).await;
        }
        work.shutdown().await;
        conclude(call, ended, &sender).await;
    });
    ReceiverStream::new(receiver)
}

/// Ends the call of a stream whose work has ended, and tells its caller why where it ended early.
pub(crate) async fn conclude<T>(
    call: Arc<Call>,
    ended: Result<(), ServiceError>,
    sender: &mpsc::Sender<Result<T, Status>>,
) {
    let Some(call) = Arc::into_inner(call) else {
        return;
    };
    match ended {
        Ok(()) => call.finish(Code::Ok),
        Err(error) => {
            call.finish(error.code());
            let _ = sender.send(Err(error.status())).await;
        }
    }
}

/// Reads images until the caller has no more, and waits until each has its answer.
///
/// # Errors
/// What cannot be read off the wire, or the server shutting down; what was taken before is answered first.
async fn read(
    context: &Arc<Context>,
    mut images: Streaming<v1::SegmentStreamRequest>,
    caller: &Caller,
    call: &Arc<Call>,
    sender: &Sender,
    work: &mut JoinSet<()>,
) -> Result<(), ServiceError> {
    let window = Arc::new(Semaphore::new(context.settings.stream_window));
    let mut draining = context.draining.clone();
    let ended = loop {
        let part = window
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ServiceError::Internal)?;
        while work.try_join_next().is_some() {}
        let next = tokio::select! {
            next = images.message() => next,
            _ = draining.wait_for(|&draining| draining) => break Err(EngineError::Stopping.into()),
        };
        let message = match next {
            Ok(Some(message)) => message,
            Ok(None) => break Ok(()),
            Err(status) => break Err(broken(&status, context.settings.max_message_bytes)),
        };
        let (context, call, sender) = (context.clone(), call.clone(), sender.clone());
        let caller = caller.clone();
        let in_pace = caller.count_message(&context.trust);
        work.spawn(async move {
            let (message, place) = one(&context, message, &caller, &call, in_pace).await;
            let permit = Permit {
                places: place.into_iter().collect(),
                window: Some(part),
            };
            // Nobody may listen any more; then the whole stream is being given up.
            let _ = sender.send(Ok(Outbound { message, permit })).await;
            drop(call);
        });
    };
    while work.join_next().await.is_some() {}
    ended
}

/// One image of the stream; what is wrong with it ends only this image.
async fn one(
    context: &Context,
    message: v1::SegmentStreamRequest,
    caller: &Caller,
    call: &Call,
    in_pace: Result<(), Refusal>,
) -> (v1::SegmentStreamResponse, Option<QueuePermit>) {
    let request = message.request.unwrap_or_default();
    // Repeated as it came, so that the caller knows which request is refused.
    let request_id = request.request_id.clone();
    let refused = |error: ServiceError| {
        let phases = crate::telemetry::Phases::begin();
        call.image().failed(error.code(), error.reason(), phases);
        Err(error)
    };
    let answer = if let Err(refusal) = in_pace {
        refused(refusal.into())
    } else if request_id.is_empty() {
        let right = "an id, as answers come in any order";
        refused(ServiceError::field("request.request_id", "empty", right))
    } else {
        segment(context, request, caller, call.image()).await
    };
    let (outcome, place) = match answer {
        Ok((answer, place)) => {
            let segmentation = answer.segmentation;
            (
                segmentation.map(v1::segment_stream_response::Outcome::Segmentation),
                Some(place),
            )
        }
        Err(error) => {
            let failure = v1::segment_stream_response::Outcome::Failure(error.failure());
            (Some(failure), None)
        }
    };
    (v1::SegmentStreamResponse { request_id, outcome }, place)
}

/// Why the stream cannot be read on.
pub(crate) fn broken(status: &Status, max_message_bytes: usize) -> ServiceError {
    decode_errors::explain(status, max_message_bytes).unwrap_or_else(|| match status.code() {
        Code::Cancelled => ServiceError::Cancelled,
        code => ServiceError::Wire {
            code,
            reason: "STREAM_BROKEN",
            message: status.message().to_owned(),
        },
    })
}
