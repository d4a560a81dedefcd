//! `inference.GRPCInferenceService`: the methods of the service, shared with HTTP/JSON.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};

use super::stream;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::Deadlines;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::respond::{ResponseStream, finish_call, stream_with_permits, with_permit};
use crate::grpc::transport::outgoing::Permit;
use crate::grpc::transport::receive::Charge;
use crate::oip::infer::infer;
use crate::oip::repository;
use crate::oip::repository::{Change, index};
use crate::oip::{model, statistics};
use crate::proto::Rpc;
use crate::proto::inference::grpc_inference_service_server::GrpcInferenceService;
use crate::proto::inference::{
    ModelConfigRequest, ModelConfigResponse, ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
    ModelMetadataResponse, ModelReadyRequest, ModelReadyResponse, ModelStatisticsRequest,
    ModelStatisticsResponse, ModelStreamInferResponse, RepositoryIndexRequest, RepositoryIndexResponse,
    RepositoryModelLoadRequest, RepositoryModelLoadResponse, RepositoryModelUnloadRequest,
    RepositoryModelUnloadResponse, ServerLiveRequest, ServerLiveResponse, ServerMetadataRequest,
    ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse,
};
use crate::security::Security;
use crate::telemetry::Call;

/// The service.
#[derive(Clone)]
pub(crate) struct Inference(pub(crate) Arc<Context>);

impl Inference {
    pub fn new(context: Arc<Context>) -> Inference {
        Inference(context)
    }

    /// Starts a call over HTTP/JSON.
    pub fn call(&self, rpc: Rpc, headers: &http::HeaderMap) -> Call {
        self.0.telemetry.call_with(rpc, headers)
    }

    /// Longest time without progress of a response's reader.
    pub fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.0.settings.connections.send_timeout_seconds)
    }

    /// Timeout of an HTTP request, which has no timeout header.
    pub fn time(&self) -> Option<Duration> {
        Deadlines::new(&self.0.settings.connections).of_request(None)
    }

    /// TLS, authentication, authorization, rate limits, audit.
    pub fn security(&self) -> &Security {
        &self.0.security
    }

    pub fn is_server_ready(&self) -> bool {
        self.0.engine.is_ready() && self.0.check_accepting().is_ok()
    }

    pub fn is_model_ready(&self, name: &str, version: &str) -> Result<bool, ServiceError> {
        let model = model::find(name, version, &self.0)?;
        Ok(model::is_ready(&model, &self.0))
    }

    pub fn server() -> ServerMetadataResponse {
        model::server()
    }

    pub fn max_message_bytes(&self) -> usize {
        self.0.settings.max_message_bytes
    }

    /// An empty charge to the receive budget for a client.
    pub fn receiving(&self, caller: &Caller) -> Charge {
        self.0.receiving.charge(caller.client.key())
    }

    /// One inference: the response, and the permit that it holds until it is written.
    pub async fn infer(
        &self,
        request: ModelInferRequest,
        caller: &Caller,
        call: &Call,
    ) -> Result<(ModelInferResponse, Permit), ServiceError> {
        infer(&self.0, request, caller, call).await
    }

    pub fn metadata(&self, name: &str, version: &str) -> Result<ModelMetadataResponse, ServiceError> {
        let model = model::find(name, version, &self.0)?;
        Ok(model::metadata(&model, &self.0))
    }

    pub fn config(&self, name: &str, version: &str) -> Result<ModelConfigResponse, ServiceError> {
        let model = model::find(name, version, &self.0)?;
        Ok(ModelConfigResponse {
            config: Some(model::config(&model, &self.0)),
        })
    }

    pub fn statistics(&self, name: &str, version: &str) -> Result<ModelStatisticsResponse, ServiceError> {
        statistics::statistics(name, version, &self.0)
    }

    /// Loads or unloads a model.
    pub async fn change(&self, change: Change, repository: &str, name: &str) -> Result<(), ServiceError> {
        repository::change(&self.0, change, repository, name).await
    }

    pub fn index(&self, request: &RepositoryIndexRequest) -> Result<RepositoryIndexResponse, ServiceError> {
        index(request, &self.0)
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for Inference {
    async fn server_live(
        &self,
        request: Request<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        let call = self.0.call(Rpc::ServerLive, &request);
        finish_call(call, Ok(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        request: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        let call = self.0.call(Rpc::ServerReady, &request);
        let ready = self.is_server_ready();
        finish_call(call, Ok(ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let call = self.0.call(Rpc::ModelReady, &request);
        let reference = request.get_ref();
        let ready = self.is_model_ready(&reference.name, &reference.version);
        finish_call(call, ready.map(|ready| ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        request: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        let call = self.0.call(Rpc::ServerMetadata, &request);
        finish_call(call, Ok(Inference::server()))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let call = self.0.call(Rpc::ModelMetadata, &request);
        let reference = request.get_ref();
        finish_call(call, self.metadata(&reference.name, &reference.version))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let call = self.0.call(Rpc::ModelInfer, &request);
        let answer = match Caller::from_request(&request) {
            Ok(caller) => self.infer(request.into_inner(), &caller, &call).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok((answer, permit)) => Ok(with_permit(finish_call(call, Ok(answer))?, permit)),
            Err(error) => finish_call(call, Err(error)),
        }
    }

    type ModelStreamInferStream = ResponseStream<ModelStreamInferResponse>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let call = self.0.call(Rpc::ModelStreamInfer, &request);
        let opened = self
            .0
            .check_accepting()
            .and_then(|()| Caller::from_request(&request));
        match opened {
            Ok(caller) => {
                let answers = stream::answers(self.0.clone(), request.into_inner(), caller, call);
                Ok(stream_with_permits(answers))
            }
            Err(error) => finish_call(call, Err(error)),
        }
    }

    async fn model_config(
        &self,
        request: Request<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        let call = self.0.call(Rpc::ModelConfig, &request);
        let reference = request.get_ref();
        finish_call(call, self.config(&reference.name, &reference.version))
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        let call = self.0.call(Rpc::ModelStatistics, &request);
        let reference = request.get_ref();
        finish_call(call, self.statistics(&reference.name, &reference.version))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let call = self.0.call(Rpc::RepositoryIndex, &request);
        finish_call(call, self.index(request.get_ref()))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let call = self.0.call(Rpc::RepositoryModelLoad, &request);
        let reference = request.get_ref();
        let loaded = self
            .change(Change::Load, &reference.repository_name, &reference.model_name)
            .await;
        finish_call(call, loaded.map(|()| RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let call = self.0.call(Rpc::RepositoryModelUnload, &request);
        let reference = request.get_ref();
        let unloaded = self
            .change(Change::Unload, &reference.repository_name, &reference.model_name)
            .await;
        finish_call(call, unloaded.map(|()| RepositoryModelUnloadResponse {}))
    }
}
