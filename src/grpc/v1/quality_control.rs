//! `sagate.v1.QualityControl`: each call from its request to its answer.

use std::sync::Arc;
use std::time::Instant;

use tonic::{Request, Response, Status, Streaming};

use super::{interpret, models, segment, status, stream};
use crate::grpc::context::Context;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::respond::{Answers, concluded, holding, streaming};
use crate::grpc::pipeline::validate;
use crate::grpc::transport::outgoing::Permit;
use crate::proto::v1::quality_control_server::QualityControl;
use crate::proto::{Rpc, v1};

/// The service.
#[derive(Clone)]
pub(crate) struct Service(pub Arc<Context>);

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
        let hosted = validate::model(request.get_ref().model.as_ref(), engine);
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
