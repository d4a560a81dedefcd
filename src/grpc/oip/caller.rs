//! Who asks for an inference.

use tonic::Request;

use crate::engine::Asker;
use crate::grpc::asker::asker;
use crate::grpc::error::ServiceError;
use crate::trust::Client;

/// Who asks for an inference.
#[derive(Clone)]
pub(in crate::grpc) struct Caller {
    /// Who was let in; what of an answer it may see, its roles say.
    pub client: Client,
    pub asker: Asker,
}

impl Caller {
    /// What a gRPC call says of it.
    ///
    /// # Errors
    /// A `grpc-timeout` that is none, or nothing that let the call in.
    pub fn of<T>(request: &Request<T>) -> Result<Caller, ServiceError> {
        let client = request.extensions().get().cloned();
        Ok(Caller {
            client: client.ok_or(ServiceError::Internal)?,
            asker: asker(request)?,
        })
    }
}
