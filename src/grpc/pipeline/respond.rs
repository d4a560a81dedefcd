//! The last step of a call: its response, whose bytes hold the permits until they are written.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Response, Status};

use crate::grpc::error::ServiceError;
use crate::grpc::transport::outgoing::{Outbound, Outgoing, Permit};
use crate::telemetry::Call;

/// A stream of responses.
pub(crate) type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A response whose bytes hold a permit until they are written.
pub(crate) fn with_permit<T>(mut answer: Response<T>, permit: Permit) -> Response<T> {
    let outgoing = Outgoing::default();
    outgoing.hold(permit);
    answer.extensions_mut().insert(outgoing);
    answer
}

/// A stream of responses, each of whose bytes hold its permit until they are written.
pub(crate) fn stream_with_permits<T: 'static>(
    answers: impl Stream<Item = Result<Outbound<T>, Status>> + Send + 'static,
) -> Response<ResponseStream<T>> {
    let outgoing = Outgoing::default();
    let with_permit = outgoing.clone();
    let answers = answers.map(move |answer| {
        let Outbound { message, permit } = answer?;
        with_permit.hold(permit);
        Ok(message)
    });
    let answers: ResponseStream<T> = Box::pin(answers);
    let mut response = Response::new(answers);
    response.extensions_mut().insert(outgoing);
    response
}

/// Finishes a call with its response or its error.
pub(crate) fn finish_call<T>(call: Call, answer: Result<T, ServiceError>) -> Result<Response<T>, Status> {
    call.finish(answer.as_ref().err().map_or(Code::Ok, ServiceError::code));
    answer.map(Response::new).map_err(|error| error.status())
}
