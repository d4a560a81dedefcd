//! Standard health (`grpc.health.v1`): the server as a whole (``), the service, and each model by `NAME@VERSION`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

use super::v1;
use crate::engine::{Engine, State};

/// How long a watcher is told what changes while the server shuts down.
const FAREWELL: Duration = Duration::from_millis(200);

/// The health service, whose watchers do not keep the server from ending.
pub(super) fn server(reporter: HealthReporter, draining: watch::Receiver<bool>) -> HealthServer<impl Health> {
    HealthServer::new(Watched {
        inner: HealthService::from_health_reporter(reporter),
        draining,
    })
}

struct Watched {
    inner: HealthService,
    draining: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Health for Watched {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.inner.check(request).await
    }

    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let mut changes = self.inner.watch(request).await?.into_inner();
        let mut draining = self.draining.clone();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let ended = async {
                // The sender lives until the server has ended.
                let _ = draining.wait_for(|&draining| draining).await;
                tokio::time::sleep(FAREWELL).await;
            };
            let told = async {
                while let Some(change) = changes.next().await {
                    if sender.send(change).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = ended => {}
                () = told => {}
                () = sender.closed() => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Keeps health true to the models: the server and the service answer when every model does, and the server is not shutting down. A
/// model that was taken away does not answer. Says on `ready` what it tells.
pub(super) async fn follow(
    engine: Arc<Engine>,
    reporter: HealthReporter,
    mut draining: watch::Receiver<bool>,
    ready: watch::Sender<bool>,
) {
    let mut models = engine.watch();
    let mut told = BTreeSet::new();
    loop {
        let _ = models.borrow_and_update();
        let hosted = engine.models();
        let mut states: Vec<_> = hosted.iter().map(|hosted| hosted.watch()).collect();
        let open = !*draining.borrow_and_update();
        let mut all = open;
        let mut gone = std::mem::take(&mut told);
        for (hosted, state) in hosted.iter().zip(&mut states) {
            let answers = open && *state.borrow_and_update() == State::Ready;
            all &= answers;
            let name = hosted.contract().id().to_string();
            set(&reporter, &name, answers).await;
            gone.remove(&name);
            told.insert(name);
        }
        for name in gone {
            set(&reporter, name, false).await;
        }
        set(&reporter, String::new(), all).await;
        set(&reporter, v1::quality_control_server::SERVICE_NAME, all).await;
        ready.send_replace(all);
        // The models are let go of here: one that is replaced ends when nobody holds it.
        drop(hosted);
        tokio::select! {
            () = any(states) => {}
            changed = models.changed() => if changed.is_err() { return },
            changed = draining.changed() => if changed.is_err() { return },
        }
    }
}

/// Ends when one of the states changes.
async fn any(states: Vec<watch::Receiver<State>>) {
    let mut waiting = JoinSet::new();
    for mut state in states {
        // A state that ends goes with its model, of which the engine tells.
        waiting.spawn(async move { state.changed().await.is_ok() });
    }
    while let Some(changed) = waiting.join_next().await {
        if changed.unwrap_or(false) {
            return;
        }
    }
    std::future::pending().await
}

async fn set(reporter: &HealthReporter, service: impl AsRef<str>, answers: bool) {
    let status = if answers {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    reporter.set_service_status(service, status).await;
}
