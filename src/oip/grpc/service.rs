//! `inference.GRPCInferenceService`: each call from its request to its answer, also for HTTP/JSON.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};

use super::stream;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::deadline::Deadlines;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::respond::{Answers, concluded, holding, streaming};
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

    /// Begins a call that comes over HTTP/JSON.
    pub fn call(&self, rpc: Rpc, headers: &http::HeaderMap) -> Call {
        self.0.telemetry.call_with(rpc, headers)
    }

    /// How long an answer may wait for its reader to take any of it.
    pub fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.0.settings.connections.send_timeout_seconds)
    }

    /// How long a request over HTTP may take, which says nothing of it in its headers.
    pub fn time(&self) -> Option<Duration> {
        Deadlines::new(&self.0.settings.connections).of_request(None)
    }

    /// Whom the service trusts.
    pub fn trust(&self) -> &Security {
        &self.0.trust
    }

    pub fn is_server_ready(&self) -> bool {
        self.0.engine.is_ready() && self.0.open().is_ok()
    }

    pub fn is_model_ready(&self, name: &str, version: &str) -> Result<bool, ServiceError> {
        let hosted = model::find(name, version, &self.0)?;
        Ok(model::is_ready(&hosted, &self.0))
    }

    pub fn server() -> ServerMetadataResponse {
        model::server()
    }

    pub fn max_message_bytes(&self) -> usize {
        self.0.settings.max_message_bytes
    }

    /// What a client's request takes while it is received, nothing yet.
    pub fn receiving(&self, caller: &Caller) -> Charge {
        self.0.receiving.charge(caller.client.key())
    }

    /// One inference, and what its answer holds until it is written.
    pub async fn infer(
        &self,
        request: ModelInferRequest,
        caller: &Caller,
        call: &Call,
    ) -> Result<(ModelInferResponse, Permit), ServiceError> {
        infer(&self.0, request, caller, call).await
    }

    pub fn metadata(&self, name: &str, version: &str) -> Result<ModelMetadataResponse, ServiceError> {
        let hosted = model::find(name, version, &self.0)?;
        Ok(model::metadata(&hosted, &self.0))
    }

    pub fn config(&self, name: &str, version: &str) -> Result<ModelConfigResponse, ServiceError> {
        let hosted = model::find(name, version, &self.0)?;
        Ok(ModelConfigResponse {
            config: Some(model::config(&hosted, &self.0)),
        })
    }

    pub fn statistics(&self, name: &str, version: &str) -> Result<ModelStatisticsResponse, ServiceError> {
        statistics::statistics(name, version, &self.0)
    }

    /// Loads a model, or takes it away.
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
        concluded(call, Ok(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        request: Request<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        let call = self.0.call(Rpc::ServerReady, &request);
        let ready = self.is_server_ready();
        concluded(call, Ok(ServerReadyResponse { ready }))
    }

    async fn model_ready(
        &self,
        request: Request<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let call = self.0.call(Rpc::ModelReady, &request);
        let asked = request.get_ref();
        let ready = self.is_model_ready(&asked.name, &asked.version);
        concluded(call, ready.map(|ready| ModelReadyResponse { ready }))
    }

    async fn server_metadata(
        &self,
        request: Request<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        let call = self.0.call(Rpc::ServerMetadata, &request);
        concluded(call, Ok(Inference::server()))
    }

    async fn model_metadata(
        &self,
        request: Request<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let call = self.0.call(Rpc::ModelMetadata, &request);
        let asked = request.get_ref();
        concluded(call, self.metadata(&asked.name, &asked.version))
    }

    async fn model_infer(
        &self,
        request: Request<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let call = self.0.call(Rpc::ModelInfer, &request);
        let answer = match Caller::of(&request) {
            Ok(caller) => self.infer(request.into_inner(), &caller, &call).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok((answer, permit)) => Ok(holding(concluded(call, Ok(answer))?, permit)),
            Err(error) => concluded(call, Err(error)),
        }
    }

    type ModelStreamInferStream = Answers<ModelStreamInferResponse>;

    async fn model_stream_infer(
        &self,
        request: Request<Streaming<ModelInferRequest>>,
    ) -> Result<Response<Self::ModelStreamInferStream>, Status> {
        let call = self.0.call(Rpc::ModelStreamInfer, &request);
        let opened = self.0.open().and_then(|()| Caller::of(&request));
        match opened {
            Ok(caller) => {
                let answers = stream::answers(self.0.clone(), request.into_inner(), caller, call);
                Ok(streaming(answers))
            }
            Err(error) => concluded(call, Err(error)),
        }
    }

    async fn model_config(
        &self,
        request: Request<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        let call = self.0.call(Rpc::ModelConfig, &request);
        let asked = request.get_ref();
        concluded(call, self.config(&asked.name, &asked.version))
    }

    async fn model_statistics(
        &self,
        request: Request<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        let call = self.0.call(Rpc::ModelStatistics, &request);
        let asked = request.get_ref();
        concluded(call, self.statistics(&asked.name, &asked.version))
    }

    async fn repository_index(
        &self,
        request: Request<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let call = self.0.call(Rpc::RepositoryIndex, &request);
        concluded(call, self.index(request.get_ref()))
    }

    async fn repository_model_load(
        &self,
        request: Request<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let call = self.0.call(Rpc::RepositoryModelLoad, &request);
        let asked = request.get_ref();
        let loaded = self
            .change(Change::Load, &asked.repository_name, &asked.model_name)
            .await;
        concluded(call, loaded.map(|()| RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let call = self.0.call(Rpc::RepositoryModelUnload, &request);
        let asked = request.get_ref();
        let unloaded = self
            .change(Change::Unload, &asked.repository_name, &asked.model_name)
            .await;
        concluded(call, unloaded.map(|()| RepositoryModelUnloadResponse {}))
    }
}
