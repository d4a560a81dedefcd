//! The paths and their gRPC methods.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Code;

use super::guard::{AuthLayer, guard};
use super::{answer, body, failure, in_json, request};
use crate::grpc::error::ServiceError;
use crate::grpc::middleware::access::{AccessLayer, Frontend};
use crate::grpc::middleware::call_start::StartedCall;
use crate::grpc::pipeline::admit::encode;
use crate::grpc::pipeline::caller::Caller;
use crate::oip::Inference;
use crate::oip::repository::Change;
use crate::proto::Rpc;
use crate::proto::inference::RepositoryIndexRequest;

/// Most bytes of a body, except of an inference.
const SHORT_BODY: usize = 64 * 1024;

/// Values that are parsed or encoded on a blocking thread: JSON is slower than copying.
const VALUES_A_BYTE: usize = 8;

type Answer = Result<Response<Body>, ServiceError>;

/// The model of a path.
#[derive(Deserialize)]
struct Which {
    name: String,
    #[serde(default)]
    version: String,
}

/// All paths of the protocol. Each is added with its gRPC method, whose rights it needs.
pub(crate) fn router(inference: Inference) -> Router {
    let mut paths = Paths::new(&inference);
    paths.add("/v2", Rpc::ServerMetadata, get(server));
    paths.add("/v2/", Rpc::ServerMetadata, get(server));
    paths.add("/v2/health/live", Rpc::ServerLive, get(live));
    paths.add("/v2/health/ready", Rpc::ServerReady, get(ready));
    paths.add("/v2/models/stats", Rpc::ModelStatistics, get(all_statistics));
    paths.add("/v2/repository/index", Rpc::RepositoryIndex, post(index));
    let repository = "/v2/repository/models/{name}";
    paths.add(
        &format!("{repository}/load"),
        Rpc::RepositoryModelLoad,
        post(load),
    );
    paths.add(
        &format!("{repository}/unload"),
        Rpc::RepositoryModelUnload,
        post(unload),
    );
    for model in ["/v2/models/{name}", "/v2/models/{name}/versions/{version}"] {
        paths.add(model, Rpc::ModelMetadata, get(metadata));
        paths.add(&format!("{model}/ready"), Rpc::ModelReady, get(model_ready));
        paths.add(&format!("{model}/config"), Rpc::ModelConfig, get(config));
        paths.add(&format!("{model}/stats"), Rpc::ModelStatistics, get(statistics));
        paths.add(&format!("{model}/infer"), Rpc::ModelInfer, post(infer));
    }
    paths.router()
}

fn unknown_path() -> ServiceError {
    ServiceError::Wire {
        code: Code::NotFound,
        reason: "UNKNOWN_PATH",
        message:
            "there is no such path: the Open Inference Protocol's begin with /v2, as in /v2/models/NAME/infer"
                .into(),
    }
}

fn wrong_method() -> ServiceError {
    ServiceError::Wire {
        code: Code::Unimplemented,
        reason: "METHOD_NOT_ALLOWED",
        message: "the path does not take this method: infer and the repository's take POST, all others GET"
            .into(),
    }
}

fn respond(answer: Answer) -> Response<Body> {
    answer.unwrap_or_else(|error| failure::response(&error))
}

/// JSON with status 200 for yes or 400 for no, since probes look at the status only.
fn yes_or_no(yes: bool, value: &Value) -> Response<Body> {
    let mut response = answer::json(value);
    if !yes {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

async fn live() -> Response<Body> {
    let answer = Ok(yes_or_no(true, &json!({ "live": true })));
    respond(answer)
}

async fn ready(State(inference): State<Inference>) -> Response<Body> {
    let ready = inference.is_server_ready();
    let answer = Ok(yes_or_no(ready, &json!({ "ready": ready })));
    respond(answer)
}

async fn model_ready(State(inference): State<Inference>, Path(which): Path<Which>) -> Response<Body> {
    let ready = inference.is_model_ready(&which.name, &which.version);
    let answer = ready.map(|ready| yes_or_no(ready, &json!({ "name": which.name, "ready": ready })));
    respond(answer)
}

async fn server() -> Response<Body> {
    let it = Inference::server();
    let answer = json!({ "name": it.name, "version": it.version, "extensions": it.extensions });
    respond(Ok(answer::json(&answer)))
}

async fn metadata(State(inference): State<Inference>, Path(which): Path<Which>) -> Response<Body> {
    let metadata = inference.metadata(&which.name, &which.version);
    let answer = metadata.map(|it| answer::json(&in_json::metadata(&it)));
    respond(answer)
}

async fn config(State(inference): State<Inference>, Path(which): Path<Which>) -> Response<Body> {
    let config = inference.config(&which.name, &which.version);
    let answer = config.map(|it| answer::json(&in_json::config(&it.config.unwrap_or_default())));
    respond(answer)
}

async fn all_statistics(State(inference): State<Inference>) -> Response<Body> {
    let answer = counted(&inference, "", "");
    respond(answer)
}

async fn statistics(State(inference): State<Inference>, Path(which): Path<Which>) -> Response<Body> {
    let answer = counted(&inference, &which.name, &which.version);
    respond(answer)
}

fn counted(inference: &Inference, name: &str, version: &str) -> Answer {
    let counted = inference.statistics(name, version)?;
    let models: Vec<Value> = counted.model_stats.iter().map(in_json::statistics).collect();
    Ok(answer::json(&json!({ "model_stats": models })))
}

async fn index(
    State(inference): State<Inference>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response<Body> {
    let answer = indexed(&inference, &caller, body).await;
    respond(answer)
}

/// The body of an index request.
#[derive(Default, Deserialize)]
struct Index {
    #[serde(default)]
    ready: bool,
}

async fn indexed(inference: &Inference, caller: &Caller, body: Body) -> Answer {
    let body = body::whole(body, SHORT_BODY, &mut inference.receiving(caller)).await?;
    let asked: Index = if body.is_empty() {
        Index::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let right = "empty, or a JSON object like {\"ready\": true}";
            ServiceError::field("body", error, right)
        })?
    };
    let request = RepositoryIndexRequest {
        repository_name: String::new(),
        ready: asked.ready,
    };
    let index = inference.index(&request)?;
    Ok(answer::json(&in_json::index(&index)))
}

async fn load(State(inference): State<Inference>, Path(which): Path<Which>) -> Response<Body> {
    let loaded = inference.change(Change::Load, "", &which.name).await;
    let answer = loaded.map(|()| Response::new(Body::empty()));
    respond(answer)
}

async fn unload(State(inference): State<Inference>, Path(which): Path<Which>) -> Response<Body> {
    let unloaded = inference.change(Change::Unload, "", &which.name).await;
    let answer = unloaded.map(|()| Response::new(Body::empty()));
    respond(answer)
}

async fn infer(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    Extension(caller): Extension<Caller>,
    Extension(begun): Extension<StartedCall>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    // Dropped if the client disconnects.
    let Some(call) = begun.take_unfinished() else {
        return failure::response(&ServiceError::Internal);
    };
    let most = inference.max_message_bytes();
    let answer = async {
        let json_length = body::json_length(&headers)?;
        let mut charge = inference.receiving(&caller);
        let body = body::whole(body, most, &mut charge).await?;
        let length = body.len();
        let read = move || request::read(which.name, which.version, body, json_length);
        let (request, as_binary) =
            encode(json_length.unwrap_or(length).saturating_mul(VALUES_A_BYTE), read).await??;
        // From here on its images are charged instead.
        drop(charge);
        let (answer, permit) = inference.infer(request, &caller, &call).await?;
        let bytes = answer.raw_output_contents.iter().map(Bytes::len).sum();
        encode(bytes, move || answer::answer(&answer, permit, &as_binary, most)).await?
    };
    let answer = answer.await;
    call.finish(answer.as_ref().err().map_or(Code::Ok, ServiceError::code));
    respond(answer)
}

/// Paths, each with the rights of its gRPC method.
struct Paths<'a> {
    inference: &'a Inference,
    router: Router<Inference>,
}

impl Paths<'_> {
    fn new(inference: &Inference) -> Paths<'_> {
        Paths {
            inference,
            router: Router::new(),
        }
    }

    fn add(&mut self, path: &str, rpc: Rpc, handler: MethodRouter<Inference>) {
        let guarded = AuthLayer::call(self.inference, rpc);
        // A wrong HTTP method gets 405 only after authorization.
        let handler = handler.fallback(async || failure::response(&wrong_method()));
        let handler = handler.layer(from_fn_with_state(guarded, guard));
        self.router = std::mem::take(&mut self.router).route(path, handler);
    }

    /// All paths; unknown paths need authorization too.
    fn router(self) -> Router {
        let guarded = AuthLayer::unknown(self.inference);
        let unknown = any(async || failure::response(&unknown_path()));
        let unknown = unknown.layer(from_fn_with_state(guarded, guard));
        self.router
            .fallback_service(unknown.with_state(self.inference.clone()))
            .layer(AccessLayer {
                security: self.inference.security().clone(),
                front: Frontend::Http,
            })
            .with_state(self.inference.clone())
    }
}
