//! Which path is which call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, Response, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Code;
use tonic::metadata::MetadataMap;

use super::guard::guard;
use super::{answer, body, failure, in_json, request};
use crate::grpc::arrival::encoded;
use crate::grpc::caller::Caller;
use crate::grpc::error::ServiceError;
use crate::grpc::inference::RepositoryIndexRequest;
use crate::grpc::oip::Inference;
use crate::grpc::oip::repository::Change;
use crate::telemetry::Rpc;
use crate::trust::Asked;

/// Most bytes of a body that is no inference.
const SHORT_BODY: usize = 64 * 1024;

/// JSON takes longer to read than values do to copy.
const VALUES_A_BYTE: usize = 8;

type Answer = Result<Response<Body>, ServiceError>;

/// The part of a path that names a model.
#[derive(Deserialize)]
struct Which {
    name: String,
    #[serde(default)]
    version: String,
}

/// Every path of the protocol.
pub(super) fn router(inference: Inference) -> Router {
    let mut router = Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/stats", get(all_statistics))
        .route("/v2/repository/index", post(index))
        .route("/v2/repository/models/{name}/load", post(load))
        .route("/v2/repository/models/{name}/unload", post(unload));
    for model in ["/v2/models/{name}", "/v2/models/{name}/versions/{version}"] {
        router = router
            .route(model, get(metadata))
            .route(&format!("{model}/ready"), get(model_ready))
            .route(&format!("{model}/config"), get(config))
            .route(&format!("{model}/stats"), get(statistics))
            .route(&format!("{model}/infer"), post(infer));
    }
    router
        .fallback(async || failure::response(&unknown_path()))
        .method_not_allowed_fallback(async || failure::response(&wrong_method()))
        .layer(from_fn_with_state(inference.clone(), guard))
        .with_state(inference)
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

/// Ends a call that has its answer, or will have none.
fn told(inference: &Inference, rpc: Rpc, headers: &HeaderMap, told: Answer) -> Response<Body> {
    let call = inference.call(
        rpc,
        &MetadataMap::from_headers(headers.clone()),
        &Extensions::new(),
    );
    call.finish(told.as_ref().err().map_or(Code::Ok, ServiceError::code));
    told.unwrap_or_else(|error| failure::response(&error))
}

/// JSON under 200, or under 400 where it says no: what watches a server looks at the status alone.
fn yes_or_no(yes: bool, value: &Value) -> Response<Body> {
    let mut response = answer::json(value);
    if !yes {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    response
}

async fn live(State(inference): State<Inference>, headers: HeaderMap) -> Response<Body> {
    let answer = Ok(yes_or_no(true, &json!({ "live": true })));
    told(&inference, Rpc::ServerLive, &headers, answer)
}

async fn ready(State(inference): State<Inference>, headers: HeaderMap) -> Response<Body> {
    let ready = inference.is_server_ready();
    let answer = Ok(yes_or_no(ready, &json!({ "ready": ready })));
    told(&inference, Rpc::ServerReady, &headers, answer)
}

async fn model_ready(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    headers: HeaderMap,
) -> Response<Body> {
    let ready = inference.is_model_ready(&which.name, &which.version);
    let answer = ready.map(|ready| yes_or_no(ready, &json!({ "name": which.name, "ready": ready })));
    told(&inference, Rpc::ModelReady, &headers, answer)
}

async fn server(State(inference): State<Inference>, headers: HeaderMap) -> Response<Body> {
    let it = Inference::server();
    let answer = json!({ "name": it.name, "version": it.version, "extensions": it.extensions });
    told(
        &inference,
        Rpc::ServerMetadata,
        &headers,
        Ok(answer::json(&answer)),
    )
}

async fn metadata(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    headers: HeaderMap,
) -> Response<Body> {
    let metadata = inference.metadata(&which.name, &which.version);
    let answer = metadata.map(|it| answer::json(&in_json::metadata(&it)));
    told(&inference, Rpc::ModelMetadata, &headers, answer)
}

async fn config(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    headers: HeaderMap,
) -> Response<Body> {
    let config = inference.config(&which.name, &which.version);
    let answer = config.map(|it| answer::json(&in_json::config(&it.config.unwrap_or_default())));
    told(&inference, Rpc::ModelConfig, &headers, answer)
}

async fn all_statistics(State(inference): State<Inference>, headers: HeaderMap) -> Response<Body> {
    let answer = counted(&inference, "", "");
    told(&inference, Rpc::ModelStatistics, &headers, answer)
}

async fn statistics(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    headers: HeaderMap,
) -> Response<Body> {
    let answer = counted(&inference, &which.name, &which.version);
    told(&inference, Rpc::ModelStatistics, &headers, answer)
}

fn counted(inference: &Inference, name: &str, version: &str) -> Answer {
    let counted = inference.statistics(name, version)?;
    let models: Vec<Value> = counted.model_stats.iter().map(in_json::statistics).collect();
    Ok(answer::json(&json!({ "model_stats": models })))
}

async fn index(State(inference): State<Inference>, headers: HeaderMap, body: Body) -> Response<Body> {
    let answer = indexed(&inference, body).await;
    told(&inference, Rpc::RepositoryIndex, &headers, answer)
}

/// What may be asked of an index.
#[derive(Default, Deserialize)]
struct Index {
    #[serde(default)]
    ready: bool,
}

async fn indexed(inference: &Inference, body: Body) -> Answer {
    let body = body::whole(body, SHORT_BODY).await?;
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

async fn load(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    headers: HeaderMap,
) -> Response<Body> {
    let loaded = inference.change(Change::Load, "", &which.name).await;
    let answer = loaded.map(|()| Response::new(Body::empty()));
    told(&inference, Rpc::RepositoryModelLoad, &headers, answer)
}

async fn unload(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    headers: HeaderMap,
) -> Response<Body> {
    let unloaded = inference.change(Change::Unload, "", &which.name).await;
    let answer = unloaded.map(|()| Response::new(Body::empty()));
    told(&inference, Rpc::RepositoryModelUnload, &headers, answer)
}

async fn infer(
    State(inference): State<Inference>,
    Path(which): Path<Which>,
    Extension(caller): Extension<Caller>,
    asked: Option<Extension<Arc<Asked>>>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    // Begun before the body is there, as over gRPC; a client that goes away drops it.
    let mut extensions = Extensions::new();
    if let Some(Extension(asked)) = asked {
        extensions.insert(asked);
    }
    let metadata = MetadataMap::from_headers(headers.clone());
    let call = inference.call(Rpc::ModelInfer, &metadata, &extensions);
    let most = inference.max_message_bytes();
    let answer = async {
        let json_length = body::json_length(&headers)?;
        let body = body::whole(body, most).await?;
        let length = body.len();
        let read = move || request::read(which.name, which.version, body, json_length);
        let (request, as_binary) =
            encoded(json_length.unwrap_or(length).saturating_mul(VALUES_A_BYTE), read).await??;
        let answer = inference.infer(request, &caller, &call).await?;
        let bytes = answer.raw_output_contents.iter().map(Bytes::len).sum();
        encoded(bytes, move || answer::answer(&answer, &as_binary, most)).await?
    };
    let answer = answer.await;
    call.finish(answer.as_ref().err().map_or(Code::Ok, ServiceError::code));
    answer.unwrap_or_else(|error| failure::response(&error))
}
