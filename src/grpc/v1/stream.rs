//! `SegmentStream`: responses in order of completion.

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
use crate::grpc::middleware::deadline::with_deadline;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::transport::decode_errors;
use crate::grpc::transport::outgoing::{Outbound, Permit};
use crate::proto::v1;
use crate::security::Refusal;
use crate::telemetry::Call;

/// Time for images past the deadline to send their failure.
const DEADLINE_NOTICE: Duration = Duration::from_millis(100);

type Sender = mpsc::Sender<Result<Outbound<v1::SegmentStreamResponse>, Status>>;

/// The responses of `SegmentStream`. Flow control: an image is read only when the window has a free slot, and a slot is free again
/// only when its response has been written.
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
            // Dropping the work cancels every image of the stream.
            () = sender.closed() => Err(ServiceError::Cancelled),
            ended = with_deadline(caller.request_context.deadline, read(&context, images, &caller, &call, &sender, &mut work)) => ended,
        };
        if let Err(ServiceError::Engine(EngineError::DeadlineExceeded)) = ended {
            // Its images are past the deadline too: each sends its failure if the caller still reads.
            let drained = async { while work.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(DEADLINE_NOTICE, drained).await;
        }
        work.shutdown().await;
        conclude(call, ended, &sender).await;
    });
    ReceiverStream::new(receiver)
}

/// Finishes the call of a stream, and sends its error if it failed.
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

/// Reads images until the caller closes the stream, and waits until each is answered.
///
/// # Errors
/// A message that cannot be read, or shutdown; images read before are answered first.
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
            Err(status) => break Err(stream_error(&status, context.settings.max_message_bytes)),
        };
        let (context, call, sender) = (context.clone(), call.clone(), sender.clone());
        let caller = caller.clone();
        let within_rate_limit = caller.count_message(&context.security);
        work.spawn(async move {
            let (message, queue_permit) =
                segment_one(&context, message, &caller, &call, within_rate_limit).await;
            let permit = Permit {
                queue_permits: queue_permit.into_iter().collect(),
                window: Some(part),
            };
            // Fails only if the caller is gone; then the whole stream is cancelled.
            let _ = sender.send(Ok(Outbound { message, permit })).await;
            drop(call);
        });
    };
    while work.join_next().await.is_some() {}
    ended
}

/// Segments one image of the stream; an error ends only this image.
async fn segment_one(
    context: &Context,
    message: v1::SegmentStreamRequest,
    caller: &Caller,
    call: &Call,
    within_rate_limit: Result<(), Refusal>,
) -> (v1::SegmentStreamResponse, Option<QueuePermit>) {
    let request = message.request.unwrap_or_default();
    // Returned unchanged so that the caller can match a refusal to its request.
    let request_id = request.request_id.clone();
    let refused = |error: ServiceError| {
        let phases = crate::telemetry::Phases::begin();
        call.image().failed(error.code(), error.reason(), phases);
        Err(error)
    };
    let answer = if let Err(refusal) = within_rate_limit {
        refused(refusal.into())
    } else if request_id.is_empty() {
        let right = "an id, as answers come in any order";
        refused(ServiceError::field("request.request_id", "empty", right))
    } else {
        segment(context, request, caller, call.image()).await
    };
    let (outcome, queue_permit) = match answer {
        Ok((answer, queue_permit)) => {
            let segmentation = answer.segmentation;
            (
                segmentation.map(v1::segment_stream_response::Outcome::Segmentation),
                Some(queue_permit),
            )
        }
        Err(error) => {
            let failure = v1::segment_stream_response::Outcome::Failure(error.failure());
            (Some(failure), None)
        }
    };
    (v1::SegmentStreamResponse { request_id, outcome }, queue_permit)
}

/// The error of a stream that cannot be read on.
pub(crate) fn stream_error(status: &Status, max_message_bytes: usize) -> ServiceError {
    decode_errors::explain(status, max_message_bytes).unwrap_or_else(|| match status.code() {
        Code::Cancelled => ServiceError::Cancelled,
        code => ServiceError::Wire {
            code,
            reason: "STREAM_BROKEN",
            message: status.message().to_owned(),
        },
    })
}
