//! Who asks: whose image it is, how urgent, and until when the answer is waited for.

use tonic::Request;

use super::deadline::deadline;
use super::error::ServiceError;
use super::order::known;
use super::v1;
use crate::engine::{Asker, Client, Priority};

/// What a call says of who asks; how urgent each of its images is, its options say.
///
/// # Errors
/// A `grpc-timeout` that is none.
pub(super) fn asker<T>(request: &Request<T>) -> Result<Asker, ServiceError> {
    Ok(Asker {
        client: client(request),
        priority: Priority::default(),
        deadline: deadline(request)?,
    })
}

/// The address that the call came from: all calls of one machine share its part of the queues.
fn client<T>(request: &Request<T>) -> Client {
    let address = request.remote_addr();
    Client::new(address.map_or_else(|| "unknown".into(), |address| address.ip().to_string()))
}

/// How urgent an image is, as its options say.
///
/// # Errors
/// A value that this version of the protocol does not know.
pub(super) fn priority(options: Option<&v1::SegmentationOptions>) -> Result<Priority, ServiceError> {
    let asked = options.map_or(0, |options| options.priority);
    Ok(match known("options.priority", asked)? {
        v1::Priority::Urgent => Priority::Urgent,
        v1::Priority::Unspecified | v1::Priority::Routine => Priority::Routine,
        v1::Priority::Batch => Priority::Batch,
    })
}
