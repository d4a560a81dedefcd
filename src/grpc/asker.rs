//! Who asks: whose image it is, how urgent, and until when the answer is waited for.

use tonic::Request;

use super::deadline::deadline;
use super::error::ServiceError;
use super::order::known;
use super::v1;
use crate::engine::{Asker, Client, Priority};
use crate::trust::{self, ClientKey};

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

/// Whose part of the queues it counts against: that of its proven name, or of the address that it came from.
fn client<T>(request: &Request<T>) -> Client {
    let caller = request.extensions().get::<trust::Client>();
    Client::new(caller.map_or_else(|| "unknown".into(), name))
}

/// The name of a caller's part of the queues.
pub(super) fn name(caller: &trust::Client) -> String {
    match caller.key() {
        ClientKey::Named(name) => format!("name {name}"),
        ClientKey::At(Some(address)) => address.to_string(),
        ClientKey::At(None) => "unknown".into(),
    }
}

/// How urgent an image is, as its options say.
///
/// # Errors
/// A value that this version of the protocol does not know.
pub(super) fn priority(options: &v1::SegmentationOptions) -> Result<Priority, ServiceError> {
    Ok(match known("options.priority", options.priority)? {
        v1::Priority::Urgent => Priority::Urgent,
        v1::Priority::Unspecified | v1::Priority::Routine => Priority::Routine,
        v1::Priority::Batch => Priority::Batch,
    })
}
