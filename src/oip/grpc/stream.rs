//! `ModelStreamInfer`: responses in the order of requests.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::engine::EngineError;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::with_deadline;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::transport::outgoing::{Outbound, Permit};
use crate::grpc::v1::stream::{conclude, stream_error};
use crate::oip::infer::infer;
use crate::proto::inference::infer_parameter::ParameterChoice;
use crate::proto::inference::{
    InferParameter, ModelInferRequest, ModelInferResponse, ModelStreamInferResponse,
};
use crate::security::Refusal;
use crate::telemetry::{Call, Phases, code_name};

/// A pending response, and its slot of the window.
type Promised = (oneshot::Receiver<Answer>, OwnedSemaphorePermit);

/// A response with its permit.
type Answer = Outbound<ModelStreamInferResponse>;

/// The responses of `ModelStreamInfer`, in the order of requests, since requests need no id. Flow control is as in `SegmentStream`.
pub(crate) fn answers(
    context: Arc<Context>,
    requests: Streaming<ModelInferRequest>,
    caller: Caller,
    call: Call,
) -> ReceiverStream<Result<Answer, Status>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let call = Arc::new(call);
        let mut work = JoinSet::new();
        let (line, mut promised) = mpsc::unbounded_channel::<Promised>();
        let write = async {
            while let Some((answer, part)) = promised.recv().await {
                let answer = answer.await;
                let mut answer =
                    answer.unwrap_or_else(|_| refused(&ServiceError::Internal, Default::default()));
                answer.permit.window = Some(part);
                // Fails only if the caller is gone; then the whole stream is cancelled.
                let _ = sender.send(Ok(answer)).await;
            }
        };
        let both = async {
            let read = read(&context, requests, &caller, &call, line, &mut work);
            tokio::join!(read, write).0
        };
        let ended = tokio::select! {
            // Dropping the work cancels every request of the stream.
            () = sender.closed() => Err(ServiceError::Cancelled),
            ended = with_deadline(caller.request_context.deadline, both) => ended,
        };
        work.shutdown().await;
        conclude(call, ended, &sender).await;
    });
    ReceiverStream::new(receiver)
}

/// Reads requests until the caller closes the stream, and queues a pending response for each.
///
/// # Errors
/// A message that cannot be read, or shutdown; requests read before are answered first.
async fn read(
    context: &Arc<Context>,
    mut requests: Streaming<ModelInferRequest>,
    caller: &Caller,
    call: &Arc<Call>,
    line: mpsc::UnboundedSender<Promised>,
    work: &mut JoinSet<()>,
) -> Result<(), ServiceError> {
    let window = Arc::new(Semaphore::new(context.settings.stream_window));
    let mut draining = context.draining.clone();
    loop {
        let part = window
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ServiceError::Internal)?;
        while work.try_join_next().is_some() {}
        let next = tokio::select! {
            next = requests.message() => next,
            _ = draining.wait_for(|&draining| draining) => return Err(EngineError::Stopping.into()),
        };
        let request = match next {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(status) => return Err(stream_error(&status, context.settings.max_message_bytes)),
        };
        let (promise, answer) = oneshot::channel();
        let (context, call, caller) = (context.clone(), call.clone(), caller.clone());
        let in_pace = caller.count_message(&context.security);
        work.spawn(async move {
            // Fails only if the caller is gone.
            let _ = promise.send(one(&context, request, &caller, &call, in_pace).await);
        });
        if line.send((answer, part)).is_err() {
            return Err(ServiceError::Cancelled);
        }
    }
}

/// Runs one request of the stream; an error ends only this request.
async fn one(
    context: &Arc<Context>,
    request: ModelInferRequest,
    caller: &Caller,
    call: &Call,
    in_pace: Result<(), Refusal>,
) -> Answer {
    let asked = ModelInferResponse {
        model_name: request.model_name.clone(),
        model_version: request.model_version.clone(),
        id: request.id.clone(),
        ..Default::default()
    };
    if let Err(refusal) = in_pace {
        let error = ServiceError::from(refusal);
        call.image().failed(error.code(), error.reason(), Phases::begin());
        return refused(&error, asked);
    }
    match infer(context, request, caller, call).await {
        Ok((answer, permit)) => Outbound {
            message: ModelStreamInferResponse {
                error_message: String::new(),
                infer_response: Some(last(answer)),
            },
            permit,
        },
        Err(error) => refused(&error, asked),
    }
}

/// An error response, without a permit.
fn refused(error: &ServiceError, asked: ModelInferResponse) -> Answer {
    Outbound {
        message: failed(error, asked),
        permit: Permit::default(),
    }
}

fn failed(error: &ServiceError, asked: ModelInferResponse) -> ModelStreamInferResponse {
    let mut answer = last(asked);
    let mut say = |name: &str, text: String| {
        let value = Some(ParameterChoice::StringParam(text));
        let parameter = InferParameter {
            parameter_choice: value,
        };
        answer.parameters.insert(name.into(), parameter);
    };
    let failure = error.failure();
    say("code", code_name(error.code()).into());
    say("reason", failure.reason);
    ModelStreamInferResponse {
        error_message: failure.message,
        infer_response: Some(answer),
    }
}

/// Marks a response as the final one of its request, as Triton's clients expect.
fn last(mut answer: ModelInferResponse) -> ModelInferResponse {
    let value = Some(ParameterChoice::BoolParam(true));
    let parameter = InferParameter {
        parameter_choice: value,
    };
    answer
        .parameters
        .insert("triton_final_response".into(), parameter);
    answer
}
