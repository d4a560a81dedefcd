//! `sagate serve`: the service.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{Exit, loading, out};
use crate::config::Settings;
use crate::engine::{Bounds, Contract, Engine, ModelId, Setup};
use crate::grpc::{Ended, Serving};
use crate::model::{Model, Repository};
use crate::telemetry::Telemetry;
use crate::trust::{Audit, Trust};

/// Arguments of `sagate serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Answers sagate.v1.QualityControl, health and reflection over gRPC, and /metrics, /healthz and /readyz over HTTP on the admin
address. Every model of the folder is served. SIGTERM or SIGINT: nothing more is taken, what was taken is answered (at most
server.shutdown_seconds); a second signal ends it at once. SIGHUP begins the audit log anew. An address that
others can reach needs TLS (settings tls.cert, tls.key) or --insecure; tokens, roles and limits are in the sections auth and rate.

Try it:  sagate serve --listen 127.0.0.1:0 --admin 127.0.0.1:0")]
pub struct Args {
    /// Where to answer gRPC; port 0 takes a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Where to answer /metrics, /healthz and /readyz [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Option<String>,
    /// Listen beyond this machine without TLS, where something in front of it encrypts
    #[arg(long)]
    pub(super) insecure: bool,
    /// OTLP/gRPC collector that gets traces and metrics [default: none]
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
}

/// Runs `sagate serve`.
///
/// # Errors
/// A model that cannot be used, an address that cannot be listened on, or calls that were cut off at the end.
pub fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let repository = Repository::open(&settings.models.dir)?;
    let models = models(&repository)?;
    let default = default_model(settings, &repository)?;
    let device = settings.device.open()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("service")
        .build()
        .context("the threads of the service cannot be started")?;
    let ended = runtime.block_on(serve(settings, models, default, device));
    // A decoder that nobody waits for any more may still be at work; it holds nothing that matters.
    runtime.shutdown_background();
    match ended? {
        Ended::Answered => Ok(Exit::Ok),
        Ended::CutOff(calls) => {
            out::error(&format!(
                "error: {calls} calls were still being worked on after server.shutdown_seconds = {} and were cut off",
                settings.server.shutdown_seconds
            ));
            // The models' threads are still at work on them.
            Exit::Error.at_once()
        }
    }
}

async fn serve(
    settings: &Settings,
    models: Vec<(Model, Arc<Contract>)>,
    default: ModelId,
    device: tch::Device,
) -> anyhow::Result<Ended> {
    let contracts: Vec<_> = models.iter().map(|(_, contract)| contract.clone()).collect();
    let serving = Serving::bind(&settings.server).await?;
    let [listen, admin] = serving.addresses()?;
    let telemetry = Telemetry::start(&settings.telemetry, &contracts)?;
    let trust = Trust::open(settings, telemetry.trust().clone())?;
    let setup = Setup {
        device,
        threads: settings.device.threads,
        bounds: Bounds {
            entries: settings.engine.queue_entries,
            bytes: settings.engine.queue_bytes,
            max_batch: settings.engine.largest_batch(device),
        },
    };
    announce(settings, listen, admin, &contracts, &default, device)?;
    let engine = Arc::new(Engine::start(
        models,
        default,
        setup,
        Arc::new(telemetry.clone()),
    )?);
    let rotated = tokio::spawn(rotate(hang_up()?, trust.audit.clone()));
    let (ready, is_ready) = watch::channel(false);
    let told = tokio::spawn(tell_when_ready(is_ready, settings.json()));
    let ended = serving
        .run(
            engine.clone(),
            telemetry.clone(),
            trust.clone(),
            settings,
            ready,
            stop_signal()?,
        )
        .await;
    told.abort();
    rotated.abort();
    if matches!(ended, Ok(Ended::Answered)) {
        engine.stop().await;
    }
    telemetry.shutdown().await;
    if let Some(audit) = trust.audit {
        let _ = tokio::task::spawn_blocking(move || audit.flush()).await;
    }
    Ok(ended?)
}

/// Every model of the repository, checked.
fn models(repository: &Repository) -> anyhow::Result<Vec<(Model, Arc<Contract>)>> {
    let (located, strangers) = repository.list()?;
    for stranger in strangers {
        tracing::warn!("{stranger}");
    }
    located
        .iter()
        .map(|it| {
            let model = it.open()?;
            let contract = Contract::new(&model)?;
            if contract.calibration().is_none() {
                loading::warn_of_no_calibration(&contract.id().to_string());
            }
            Ok((model, Arc::new(contract)))
        })
        .collect()
}

/// The model that is meant when a request names none; the engine refuses one that it does not serve.
fn default_model(settings: &Settings, repository: &Repository) -> anyhow::Result<ModelId> {
    let located = repository.resolve(&settings.models.default)?;
    Ok(ModelId {
        name: located.name,
        version: located.version,
    })
}

/// Says where it listens, with what.
fn announce(
    settings: &Settings,
    listen: SocketAddr,
    admin: SocketAddr,
    contracts: &[Arc<Contract>],
    default: &ModelId,
    device: tch::Device,
) -> anyhow::Result<()> {
    let threads = match settings.device.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let batch = settings.engine.largest_batch(device);
    let device = match device {
        tch::Device::Cpu => "cpu".to_owned(),
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}"),
    };
    let (engine, server) = (&settings.engine, &settings.server);
    let scheme = |encrypted| if encrypted { "https" } else { "http" };
    let listen = format!("{}://{listen}", scheme(settings.tls.on()));
    let admin = format!("{}://{admin}", scheme(settings.tls.admin));
    let names: Vec<String> = contracts
        .iter()
        .map(|contract| contract.id().to_string())
        .collect();
    if settings.json() {
        return Ok(out::line(
            &json!({
                "event": "listening", "version": env!("CARGO_PKG_VERSION"), "grpc": listen,
                "admin": admin, "models": names, "default": default.to_string(), "device": device,
                "threads": threads, "max_message_bytes": server.max_message_bytes,
                "queue_entries": engine.queue_entries, "queue_bytes": engine.queue_bytes, "max_batch": batch,
            })
            .to_string(),
        )?);
    }
    out::line(&format!("sagate {}", env!("CARGO_PKG_VERSION")))?;
    out::line(&format!("grpc     {listen}"))?;
    out::line(&format!("admin    {admin}  (/metrics /healthz /readyz)"))?;
    out::line(&format!("models   {}, default {default}", names.join(" ")))?;
    out::line(&format!(
        "device   {device}, {threads} threads for tensor operations"
    ))?;
    Ok(out::line(&format!(
        "limits   {} bytes a message; a model's queue {} images, {} bytes; {} images a batch",
        server.max_message_bytes, engine.queue_entries, engine.queue_bytes, batch
    ))?)
}

async fn tell_when_ready(mut ready: watch::Receiver<bool>, as_json: bool) {
    while ready.wait_for(|&ready| ready).await.is_ok() {
        // Whoever read stdout may have gone away; the service goes on.
        let _ = out::line(if as_json { r#"{"event":"ready"}"# } else { "ready" });
        if ready.wait_for(|&ready| !ready).await.is_err() {
            return;
        }
    }
}

fn hang_up() -> anyhow::Result<tokio::signal::unix::Signal> {
    signal(SignalKind::hangup()).context("SIGHUP cannot be listened to")
}

/// Begins the audit log anew at each SIGHUP, once something has moved it away. Without one the signal means nothing.
async fn rotate(mut hang_up: tokio::signal::unix::Signal, audit: Option<Audit>) {
    while hang_up.recv().await.is_some() {
        if let Some(audit) = &audit {
            audit.reopen();
        }
    }
}

/// Ends at the first SIGTERM or SIGINT; at the second the process ends at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened to")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened to")?;
    Ok(async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("shutting down: nothing more is taken");
        tokio::spawn(async move {
            next(&mut terminate, &mut interrupt).await;
            out::error("error: a second signal: ending at once");
            Exit::Error.at_once();
        });
    })
}

async fn next(terminate: &mut tokio::signal::unix::Signal, interrupt: &mut tokio::signal::unix::Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
