//! The last step of a call: its answer as a response, whose bytes hold the permits until they are written.

use std::pin::Pin;

use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Response, Status};

use crate::grpc::error::ServiceError;
use crate::grpc::transport::outgoing::{Outbound, Outgoing, Permit};
use crate::telemetry::Call;

/// A stream of answers.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// An answer whose bytes hold a permit.
pub(crate) fn holding<T>(mut answer: Response<T>, permit: Permit) -> Response<T> {
    let outgoing = Outgoing::default();
    outgoing.hold(permit);
    answer.extensions_mut().insert(outgoing);
    answer
}

/// A stream of answers, the bytes of each of which hold its permit.
pub(crate) fn streaming<T: 'static>(
    answers: impl Stream<Item = Result<Outbound<T>, Status>> + Send + 'static,
) -> Response<Answers<T>> {
    let outgoing = Outgoing::default();
    let holding = outgoing.clone();
    let answers = answers.map(move |answer| {
        let Outbound { message, permit } = answer?;
        holding.hold(permit);
        Ok(message)
    });
    let answers: Answers<T> = Box::pin(answers);
    let mut response = Response::new(answers);
    response.extensions_mut().insert(outgoing);
    response
}

/// Ends a call that has its answer, or will have none.
pub(crate) fn concluded<T>(call: Call, answer: Result<T, ServiceError>) -> Result<Response<T>, Status> {
    call.finish(answer.as_ref().err().map_or(Code::Ok, ServiceError::code));
    answer.map(Response::new).map_err(|error| error.status())
}
