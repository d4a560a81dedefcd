//! `/loglevel` on the admin port: `GET` returns the log level, `PUT` changes it until the process ends. Both require the role `admin` and
//! write a line to the audit log.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use clap::ValueEnum;
use http_body_util::{BodyExt, Limited};
use tonic::Code;

use super::code_name;
use super::logs::{self, NotStarted};
use crate::config::{LogLevel, Role};
use crate::security::{Peer, Refusal, RequiredAccess, Security};

/// Maximum size of a request body.
const NAME_BYTES: usize = 64;

const LEVELS: &str = "off, error, warn, info, debug or trace";

/// The route.
pub(super) fn router(security: Security) -> Router {
    Router::new()
        .route("/loglevel", get(read).put(change))
        .with_state(security)
}

/// gRPC code for the audit log, and the HTTP response.
type Outcome = (Code, Response);

async fn read(
    State(security): State<Security>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    let read = |_: &str| match logs::level() {
        Ok(level) => (Code::Ok, format!("{}\n", level.name()).into_response()),
        Err(error) => not_started(&error),
    };
    for_admins(&security, &peer, &headers, "admin/GetLogLevel", None, read)
}

async fn change(
    State(security): State<Security>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = Limited::new(body, NAME_BYTES).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let level = str::from_utf8(&body).ok().map(str::trim);
    let level = level.and_then(|name| LogLevel::from_str(name, true).ok());
    let change = |client: &str| {
        let Some(level) = level else {
            let message = format!("the body must be one of {LEVELS}, and nothing else\n");
            return (
                Code::InvalidArgument,
                (StatusCode::BAD_REQUEST, message).into_response(),
            );
        };
        // Logged before and after, since either level may hide one of them.
        tracing::warn!(client, "the log's level becomes {}", level.name());
        match logs::set_level(level) {
            Ok(()) => {
                tracing::warn!(client, "the log's level is {}", level.name());
                (Code::Ok, format!("{}\n", level.name()).into_response())
            }
            Err(error) => not_started(&error),
        }
    };
    for_admins(&security, &peer, &headers, "admin/SetLogLevel", level, change)
}

fn for_admins(
    security: &Security,
    peer: &Peer,
    headers: &HeaderMap,
    method: &str,
    level: Option<LogLevel>,
    work: impl FnOnce(&str) -> Outcome,
) -> Response {
    let peer = security.proxies.client(peer, headers);
    let record = security
        .audit
        .as_ref()
        .map(|audit| audit.begin(Some(method), Some(&peer)));
    let (code, answer) = match security.authorize(RequiredAccess::Role(Role::Admin), headers, Some(&peer)) {
        Ok((client, _)) => {
            if let Some(record) = &record {
                record.set_client(&client);
                if let Some(level) = level {
                    record.log_level(level.name());
                }
            }
            work(&client.name)
        }
        Err(refusal) => refused(&refusal),
    };
    if let Some(record) = record {
        record.ended(code_name(code));
    }
    answer
}

fn refused(refusal: &Refusal) -> Outcome {
    let text = format!("{refusal}\n");
    match refusal {
        Refusal::Unauthenticated(_) => {
            let bearer = [(header::WWW_AUTHENTICATE, "Bearer")];
            (
                Code::Unauthenticated,
                (StatusCode::UNAUTHORIZED, bearer, text).into_response(),
            )
        }
        Refusal::Forbidden { .. } => (
            Code::PermissionDenied,
            (StatusCode::FORBIDDEN, text).into_response(),
        ),
        Refusal::TooOften { wait } => {
            let seconds = [(
                header::RETRY_AFTER,
                wait.as_secs_f64().ceil().max(1.0).to_string(),
            )];
            (
                Code::ResourceExhausted,
                (StatusCode::TOO_MANY_REQUESTS, seconds, text).into_response(),
            )
        }
    }
}

fn not_started(error: &NotStarted) -> Outcome {
    let text = format!("{error}\n");
    (
        Code::FailedPrecondition,
        (StatusCode::CONFLICT, text).into_response(),
    )
}
