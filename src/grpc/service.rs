//! `sagate.v1.QualityControl`: each call from its request to its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, watch};
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::asker::asker;
use super::error::ServiceError;
use super::server::Parts;
use super::v1::quality_control_server::QualityControl;
use super::{interpret, models, order, segment, status, stream, v1};
use crate::config::{ModelControl, Server, Settings};
use crate::engine::{Engine, EngineError};
use crate::gate::Policy;
use crate::imaging::Limits;
use crate::model::Repository;
use crate::telemetry::{Call, Rpc, Telemetry};
use crate::trust::Trust;

/// A stream of answers.
pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What every call works with.
pub(super) struct Context {
    pub engine: Arc<Engine>,
    /// The folder that models are loaded from.
    pub repository: Repository,
    pub telemetry: Telemetry,
    /// Whom the service trusts.
    pub trust: Trust,
    /// What the settings ask of the gate.
    pub policy: Policy,
    pub limits: Limits,
    pub settings: Server,
    /// How models come and go.
    pub control: ModelControl,
    /// How many images are decoded at once: no more than there are cores, whatever waits.
    pub decoders: Arc<Semaphore>,
    /// Becomes true when the server takes nothing more.
    pub draining: watch::Receiver<bool>,
}

/// The service.
#[derive(Clone)]
pub(super) struct Service(pub Arc<Context>);

impl Context {
    pub fn new(parts: Parts, settings: &Settings, draining: watch::Receiver<bool>) -> Arc<Context> {
        let Parts {
            engine,
            repository,
            telemetry,
            trust,
        } = parts;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Context {
            engine,
            repository,
            telemetry,
            trust,
            policy: settings.gate.policy(),
            limits: Limits {
                max_pixels: settings.limits.max_pixels,
                max_bytes: settings.limits.max_bytes,
            },
            settings: settings.server.clone(),
            control: settings.model_control(),
            decoders: Arc::new(Semaphore::new(cores)),
            draining,
        })
    }

    /// A call begins: it is counted, traced and audited.
    pub(super) fn call<T>(&self, rpc: Rpc, request: &Request<T>) -> Call {
        let call = self.telemetry.call(rpc, request.metadata());
        call.audited(request.extensions())
    }

    /// Whether a new request is still taken.
    ///
    /// # Errors
    /// The server is shutting down.
    pub fn open(&self) -> Result<(), ServiceError> {
        if *self.draining.borrow() {
            return Err(EngineError::Stopping.into());
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl QualityControl for Service {
    async fn segment(
        &self,
        request: Request<v1::SegmentRequest>,
    ) -> Result<Response<v1::SegmentResponse>, Status> {
        let call = self.0.call(Rpc::Segment, &request);
        let answer = match asker(&request) {
            Ok(asker) => segment::segment(&self.0, request.into_inner(), &asker, call.image()).await,
            Err(error) => Err(error),
        };
        concluded(call, answer)
    }

    type SegmentStreamStream = Answers<v1::SegmentStreamResponse>;

    async fn segment_stream(
        &self,
        request: Request<Streaming<v1::SegmentStreamRequest>>,
    ) -> Result<Response<Self::SegmentStreamStream>, Status> {
        let call = self.0.call(Rpc::SegmentStream, &request);
        let opened = self.0.open().and_then(|()| asker(&request));
        match opened {
            Ok(asker) => {
                let pace = request.extensions().get().cloned();
                let answers = stream::answers(self.0.clone(), request.into_inner(), asker, call, pace);
                Ok(Response::new(answers))
            }
            Err(error) => concluded(call, Err(error)),
        }
    }

    type InterpretStream = Answers<v1::InterpretResponse>;

    async fn interpret(
        &self,
        request: Request<v1::InterpretRequest>,
    ) -> Result<Response<Self::InterpretStream>, Status> {
        let begun = Instant::now();
        let call = self.0.call(Rpc::Interpret, &request);
        match asker(&request) {
            Ok(asker) => {
                let answers = interpret::answers(self.0.clone(), request.into_inner(), asker, call, begun);
                Ok(Response::new(answers.await?))
            }
            Err(error) => concluded(call, Err(error)),
        }
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        let call = self.0.call(Rpc::ListModels, &request);
        let engine = &self.0.engine;
        let hosted = engine.models();
        let models = hosted
            .iter()
            .map(|hosted| models::summary(hosted, engine))
            .collect();
        concluded(call, Ok(v1::ListModelsResponse { models }))
    }

    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        let call = self.0.call(Rpc::GetModel, &request);
        let engine = &self.0.engine;
        let hosted = order::model(request.get_ref().model.as_ref(), engine);
        concluded(
            call,
            hosted.map(|hosted| models::whole(&hosted, engine, &self.0.policy)),
        )
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let call = self.0.call(Rpc::GetStatus, &request);
        let status = status::status(&self.0);
        concluded(call, Ok(status))
    }
}

/// Ends a call that has its answer, or will have none.
pub(super) fn concluded<T>(call: Call, answer: Result<T, ServiceError>) -> Result<Response<T>, Status> {
    call.finish(answer.as_ref().err().map_or(Code::Ok, ServiceError::code));
    answer.map(Response::new).map_err(|error| error.status())
}
