//! Standard health (`grpc.health.v1`): the server as a whole (``), the service, and each model by `NAME@VERSION`.

use std::sync::Arc;

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

use super::v1;
use crate::engine::{Engine, Hosted};

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

/// Keeps health true to the models: the server and the service answer when every model does, and the server is not shutting down.
/// Says on `ready` what it tells.
pub(super) async fn follow(
    engine: Arc<Engine>,
    reporter: HealthReporter,
    mut draining: watch::Receiver<bool>,
    ready: watch::Sender<bool>,
) {
    let mut changes = watch_all(&engine);
    loop {
        let open = !*draining.borrow_and_update();
        let mut all = open;
        for hosted in engine.models() {
            let answers = open && hosted.is_ready();
            all &= answers;
            set(&reporter, hosted.contract().id().to_string(), answers).await;
        }
        set(&reporter, String::new(), all).await;
        set(&reporter, v1::quality_control_server::SERVICE_NAME, all).await;
        ready.send_replace(all);
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = draining.changed() => if changed.is_err() { return },
        }
    }
}

/// Changes whenever a model becomes ready, or is not any more.
fn watch_all(engine: &Engine) -> watch::Receiver<()> {
    let (sender, receiver) = watch::channel(());
    let sender = Arc::new(sender);
    for hosted in engine.models().map(Arc::<Hosted>::clone) {
        let mut ready = hosted.watch_ready();
        let sender = sender.clone();
        tokio::spawn(async move {
            // What changed before this began counts as a change.
            ready.mark_changed();
            while ready.changed().await.is_ok() {
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

async fn set(reporter: &HealthReporter, service: impl AsRef<str>, answers: bool) {
    let status = if answers {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    reporter.set_service_status(service, status).await;
}
