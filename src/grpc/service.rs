//! `sagate.v1.QualityControl`: each call from its request to its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use sagate_core::gate::Policy;
use sagate_core::imaging::Limits;
use sagate_core::model::Repository;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::begun::Begun;
use super::caller::Caller;
use super::error::ServiceError;
use super::outgoing::{Outbound, Outgoing, Permit};
use super::receive::ReceiveBudget;
use super::server::Parts;
use super::v1::quality_control_server::QualityControl;
use super::{interpret, models, order, segment, status, stream, v1};
use crate::config::{Imaging, ModelControl, Server, Settings};
use crate::engine::{DecodePermits, Engine, EngineError};
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
    /// How an image is read.
    pub imaging: Imaging,
    pub settings: Server,
    /// How models come and go.
    pub control: ModelControl,
    /// What requests may take before they are admitted.
    pub receiving: Arc<ReceiveBudget>,
    /// Who may decode an image: no more at once than there are cores.
    pub decode_permits: DecodePermits,
    /// Becomes true when the server takes nothing more.
    pub draining: watch::Receiver<bool>,
}

/// The service.
#[derive(Clone)]
pub(super) struct Service(pub Arc<Context>);

impl Context {
    pub fn new(
        parts: Parts,
        settings: &Settings,
        receiving: Arc<ReceiveBudget>,
        draining: watch::Receiver<bool>,
    ) -> Arc<Context> {
        let Parts {
            engine,
            repository,
            telemetry,
            trust,
        } = parts;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Context {
            decode_permits: DecodePermits::new(cores, engine.config().aging),
            engine,
            repository,
            telemetry,
            trust,
            policy: settings.gate.policy(),
            limits: Limits {
                max_pixels: settings.limits.max_pixels,
                max_bytes: settings.limits.max_bytes,
            },
            imaging: settings.imaging,
            settings: settings.server.clone(),
            control: settings.model_control(),
            receiving,
            draining,
        })
    }

    /// The call of a request, which began with its headers: it is counted, traced and audited.
    pub(super) fn call<T>(&self, rpc: Rpc, request: &Request<T>) -> Call {
        Begun::take(request.extensions()).unwrap_or_else(|| {
            let call = self.telemetry.call(rpc, request.metadata());
            call.audited(request.extensions())
        })
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
        let answer = match Caller::of(&request) {
            Ok(caller) => segment::segment(&self.0, request.into_inner(), &caller, call.image()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok((answer, place)) => {
                let permit = Permit {
                    places: vec![place],
                    window: None,
                };
                let answer = concluded(call, Ok(answer))?;
                Ok(holding(answer, permit))
            }
            Err(error) => concluded(call, Err(error)),
        }
    }

    type SegmentStreamStream = Answers<v1::SegmentStreamResponse>;

    async fn segment_stream(
        &self,
        request: Request<Streaming<v1::SegmentStreamRequest>>,
    ) -> Result<Response<Self::SegmentStreamStream>, Status> {
        let call = self.0.call(Rpc::SegmentStream, &request);
        let opened = self.0.open().and_then(|()| Caller::of(&request));
        match opened {
            Ok(caller) => {
                let answers = stream::answers(self.0.clone(), request.into_inner(), caller, call);
                Ok(streaming(answers))
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
        match Caller::of(&request) {
            Ok(caller) => {
                let answers = interpret::answers(self.0.clone(), request.into_inner(), caller, call, begun);
                Ok(streaming(answers.await?))
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

/// An answer whose bytes hold a permit.
pub(super) fn holding<T>(mut answer: Response<T>, permit: Permit) -> Response<T> {
    let outgoing = Outgoing::default();
    outgoing.hold(permit);
    answer.extensions_mut().insert(outgoing);
    answer
}

/// A stream of answers, the bytes of each of which hold its permit.
pub(super) fn streaming<T: 'static>(
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
pub(super) fn concluded<T>(call: Call, answer: Result<T, ServiceError>) -> Result<Response<T>, Status> {
    call.finish(answer.as_ref().err().map_or(Code::Ok, ServiceError::code));
    answer.map(Response::new).map_err(|error| error.status())
}
