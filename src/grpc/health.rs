//! Standard health (`grpc.health.v1`): the server (``) and its services, each model by name (its default version) and each version by
//! `NAME@VERSION`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::engine::{Engine, ModelState};
use crate::proto::inference::grpc_inference_service_server;
use crate::proto::v1::{model_admin_control_server, quality_control_server};
use crate::telemetry::Telemetry;

/// How long watchers still get status changes during shutdown.
const HEALTH_DRAIN_NOTICE: Duration = Duration::from_millis(200);

/// Whether each named service is serving. A name that was served once stays, as not serving.
type Statuses = BTreeMap<String, bool>;

/// What the health status is derived from.
pub(super) struct Sources {
    pub engine: Arc<Engine>,
    pub telemetry: Telemetry,
    /// Whether the service `ModelAdminControl` is on.
    pub model_admin: bool,
    /// Becomes true when the server starts to drain.
    pub draining: watch::Receiver<bool>,
}

/// The health service, and the task that updates it from the models' states; run the task beside the server. Watchers do not delay
/// shutdown. `ready` receives the server's readiness.
pub(crate) fn service(
    sources: Sources,
    ready: watch::Sender<bool>,
) -> (HealthServer<impl Health>, impl Future<Output = ()> + Send) {
    let (sender, statuses) = watch::channel(Statuses::from([(String::new(), false)]));
    let draining = sources.draining.clone();
    let service = HealthServer::new(Service { statuses, draining });
    (service, watch_models(sources, sender, ready))
}

struct Service {
    statuses: watch::Receiver<Statuses>,
    draining: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Health for Service {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = &request.get_ref().service;
        match status(&self.statuses.borrow(), service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("no service or model of this name")),
            status => Ok(Response::new(response(status))),
        }
    }

    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    /// Per the protocol, an unknown service yields SERVICE_UNKNOWN and stays watched.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let (mut statuses, mut draining) = (self.statuses.clone(), self.draining.clone());
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let ended = async {
                // The sender lives until the server has ended.
                let _ = draining.wait_for(|&draining| draining).await;
                tokio::time::sleep(HEALTH_DRAIN_NOTICE).await;
            };
            let updates = async {
                let mut last = None;
                loop {
                    let now = status(&statuses.borrow_and_update(), &service);
                    if last.replace(now) != Some(now) && sender.send(Ok(response(now))).await.is_err() {
                        return;
                    }
                    if statuses.changed().await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = ended => {}
                () = updates => {}
                () = sender.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

fn status(statuses: &Statuses, service: &str) -> ServingStatus {
    match statuses.get(service) {
        Some(true) => ServingStatus::Serving,
        Some(false) => ServingStatus::NotServing,
        None => ServingStatus::ServiceUnknown,
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

/// Updates health, readiness and their metrics from the models' states.
async fn watch_models(sources: Sources, statuses: watch::Sender<Statuses>, ready: watch::Sender<bool>) {
    let Sources {
        engine,
        telemetry,
        model_admin,
        mut draining,
    } = sources;
    let mut services = vec![
        "",
        quality_control_server::SERVICE_NAME,
        grpc_inference_service_server::SERVICE_NAME,
    ];
    if model_admin {
        services.push(model_admin_control_server::SERVICE_NAME);
    }
    let mut models = engine.watch();
    let (mut missed, mut was_ready) = (Vec::new(), false);
    loop {
        models.borrow_and_update();
        let served = engine.models();
        let mut states: Vec<_> = served.iter().map(|model| model.watch()).collect();
        let open = !*draining.borrow_and_update();
        let mut now: Statuses = statuses
            .borrow()
            .keys()
            .map(|name| (name.clone(), false))
            .collect();
        for (model, state) in served.iter().zip(&mut states) {
            let answers = *state.borrow_and_update() == ModelState::Ready;
            now.insert(model.contract().id().to_string(), open && answers);
        }
        let names: BTreeSet<&str> = served.iter().map(|it| it.contract().id().name.as_str()).collect();
        for name in names {
            let answers = engine.find(name, None).is_ok_and(|model| model.is_ready());
            now.insert(name.to_owned(), open && answers);
        }
        let missing = engine.missing();
        let is_ready = open && missing.is_empty();
        for service in &services {
            now.insert((*service).to_owned(), is_ready);
        }
        telemetry.set_required(engine.required());
        statuses.send_replace(now);
        ready.send_replace(is_ready);
        if missing != missed && !missing.is_empty() {
            let models = missing.join(", ");
            if was_ready {
                tracing::warn!(models, "the server is not ready: these models are not ready");
            } else {
                tracing::info!(models, "the server is not ready yet: these models are not ready");
            }
        }
        was_ready |= is_ready;
        missed = missing;
        // Release the handles: a replaced model stops when its last handle is dropped.
        drop(served);
        tokio::select! {
            () = any(states) => {}
            changed = models.changed() => if changed.is_err() { return },
            changed = draining.changed() => if changed.is_err() { return },
        }
    }
}

/// Ends when one of the states changes.
async fn any(states: Vec<watch::Receiver<ModelState>>) {
    let mut waiting = JoinSet::new();
    for mut state in states {
        // A closed channel means that the model was removed; `engine.watch()` reports that.
        waiting.spawn(async move { state.changed().await.is_ok() });
    }
    while let Some(changed) = waiting.join_next().await {
        if changed.unwrap_or(false) {
            return;
        }
    }
    std::future::pending().await
}
