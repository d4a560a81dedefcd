//! `sagate.v1.QualityControl`: the methods of the service.

use std::sync::Arc;
use std::time::Instant;

use tonic::{Request, Response, Status, Streaming};

use super::{interpret, models, segment, status, stream};
use crate::grpc::context::Context;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::pipeline::respond::{ResponseStream, finish_call, stream_with_permits, with_permit};
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
        let answer = match Caller::from_request(&request) {
            Ok(caller) => segment::segment(&self.0, request.into_inner(), &caller, call.image()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok((answer, queue_permit)) => {
                let permit = Permit {
                    queue_permits: vec![queue_permit],
                    window: None,
                };
                let answer = finish_call(call, Ok(answer))?;
                Ok(with_permit(answer, permit))
            }
            Err(error) => finish_call(call, Err(error)),
        }
    }

    type SegmentStreamStream = ResponseStream<v1::SegmentStreamResponse>;

    async fn segment_stream(
        &self,
        request: Request<Streaming<v1::SegmentStreamRequest>>,
    ) -> Result<Response<Self::SegmentStreamStream>, Status> {
        let call = self.0.call(Rpc::SegmentStream, &request);
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

    type InterpretStream = ResponseStream<v1::InterpretResponse>;

    async fn interpret(
        &self,
        request: Request<v1::InterpretRequest>,
    ) -> Result<Response<Self::InterpretStream>, Status> {
        let begun = Instant::now();
        let call = self.0.call(Rpc::Interpret, &request);
        match Caller::from_request(&request) {
            Ok(caller) => {
                let answers = interpret::answers(self.0.clone(), request.into_inner(), caller, call, begun);
                Ok(stream_with_permits(answers.await?))
            }
            Err(error) => finish_call(call, Err(error)),
        }
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        let call = self.0.call(Rpc::ListModels, &request);
        let engine = &self.0.engine;
        let served = engine.models();
        let models = served
            .iter()
            .map(|model| models::summary(model, engine))
            .collect();
        finish_call(call, Ok(v1::ListModelsResponse { models }))
    }

    async fn get_model(
        &self,
        request: Request<v1::GetModelRequest>,
    ) -> Result<Response<v1::GetModelResponse>, Status> {
        let call = self.0.call(Rpc::GetModel, &request);
        let engine = &self.0.engine;
        let model = validate::model(request.get_ref().model.as_ref(), engine);
        finish_call(
            call,
            model.map(|model| models::details(&model, engine, &self.0.policy)),
        )
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let call = self.0.call(Rpc::GetStatus, &request);
        let status = status::status(&self.0);
        finish_call(call, Ok(status))
    }
}
