//! The caller of a request: its identity and roles, its share of the queues, its rate limit and its deadline.

use std::time::Instant;

use tonic::Request;

use crate::engine;
use crate::engine::RequestContext;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::deadline;
use crate::security::{ClientIdentity, ClientKey, ClientLimit, Refusal, Security};

/// The caller of a request.
#[derive(Clone)]
pub(crate) struct Caller {
    /// The authenticated client with its roles.
    pub client: ClientIdentity,
    /// Context for the engine; the priority comes from the request's options.
    pub request_context: RequestContext,
    /// The client's rate limit, if there is one.
    rate_limit: Option<ClientLimit>,
}

impl Caller {
    /// A caller that is an authenticated client.
    pub fn new(client: ClientIdentity, rate_limit: Option<ClientLimit>, deadline: Option<Instant>) -> Caller {
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
            rate_limit,
        }
    }

    /// The caller of a gRPC call, from its extensions and its `grpc-timeout`.
    ///
    /// # Errors
    /// An invalid `grpc-timeout`, or a call that did not pass authentication.
    pub fn from_request<T>(request: &Request<T>) -> Result<Caller, ServiceError> {
        let client = request.extensions().get().cloned();
        let rate_limit = request.extensions().get().cloned();
        Ok(Caller::new(
            client.ok_or(ServiceError::Internal)?,
            rate_limit,
            deadline(request)?,
        ))
    }

    /// Takes one request of the rate limit, for a message of a stream. A refusal is counted.
    ///
    /// # Errors
    /// The rate limit is exceeded.
    pub fn count_message(&self, security: &Security) -> Result<(), Refusal> {
        self.count_refusal(
            security,
            self.rate_limit.as_ref().map_or(Ok(()), ClientLimit::take),
        )
    }

    /// Takes the images of a request that already took one from the rate limit. A refusal is counted.
    ///
    /// # Errors
    /// The rate limit is exceeded.
    pub fn count_images(&self, security: &Security, images: usize) -> Result<(), Refusal> {
        let rate_limit = self.rate_limit.as_ref();
        self.count_refusal(
            security,
            rate_limit.map_or(Ok(()), |rate_limit| rate_limit.take_images(images)),
        )
    }

    fn count_refusal(
        &self,
        security: &Security,
        taken: Result<(), std::time::Duration>,
    ) -> Result<(), Refusal> {
        taken.map_err(|wait| {
            let refusal = Refusal::TooOften { wait };
            security.counts.refuse(refusal.reason());
            refusal
        })
    }
}
