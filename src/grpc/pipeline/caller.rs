//! Who sends a request: what it may do, whose part of the queues its images count against, and until when it waits.

use std::time::Instant;

use tonic::Request;

use crate::engine;
use crate::engine::RequestContext;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::deadline;
use crate::security::{ClientIdentity, ClientKey, ClientLimit, Refusal, Security};

/// Who sends a request.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Who was let in, with its roles.
    pub client: ClientIdentity,
    /// What the engine is told of it; how urgent an image is, the image's own options say.
    pub request_context: RequestContext,
    /// The rate limit that its images count against, where there is one.
    pace: Option<ClientLimit>,
}

impl Caller {
    /// A client that was let in.
    pub fn new(client: ClientIdentity, pace: Option<ClientLimit>, deadline: Option<Instant>) -> Caller {
        let name = match client.key() {
            ClientKey::Named(name) => format!("name {name}"),
            ClientKey::At(Some(address)) => address.to_string(),
            ClientKey::At(None) => "unknown".into(),
        };
        Caller {
            request_context: RequestContext {
                client: engine::ClientId::new(name),
                deadline,
                ..RequestContext::default()
            },
            client,
            pace,
        }
    }

    /// What a gRPC call says of it.
    ///
    /// # Errors
    /// A `grpc-timeout` that is none, or nothing that let the call in.
    pub fn of<T>(request: &Request<T>) -> Result<Caller, ServiceError> {
        let client = request.extensions().get().cloned();
        let pace = request.extensions().get().cloned();
        Ok(Caller::new(
            client.ok_or(ServiceError::Internal)?,
            pace,
            deadline(request)?,
        ))
    }

    /// Counts a message of a stream as one request. A refusal is counted.
    ///
    /// # Errors
    /// The caller sends too often.
    pub fn count_message(&self, trust: &Security) -> Result<(), Refusal> {
        self.refused(trust, self.pace.as_ref().map_or(Ok(()), ClientLimit::take))
    }

    /// Counts the images of a request that was counted as one already. A refusal is counted.
    ///
    /// # Errors
    /// They are more than the caller may send now.
    pub fn count_images(&self, trust: &Security, images: usize) -> Result<(), Refusal> {
        let pace = self.pace.as_ref();
        self.refused(trust, pace.map_or(Ok(()), |pace| pace.take_images(images)))
    }

    fn refused(&self, trust: &Security, taken: Result<(), std::time::Duration>) -> Result<(), Refusal> {
        taken.map_err(|wait| {
            let refusal = Refusal::TooOften { wait };
            trust.counts.refuse(refusal.reason());
            refusal
        })
    }
}
