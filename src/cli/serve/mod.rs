//! `sagate serve`: the service.

mod setup;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sagate_core::executor::ModelSpec;
use sagate_core::model::{Located, Model, ModelReference, Repository};
use serde_json::json;
use setup::setup;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use super::exit::explain;
use super::{Exit, loading, out};
use crate::config::{ModelControl, Settings};
use crate::device;
use crate::engine::{Engine, EngineConfig, RepositoryWatcher};
use crate::grpc::{Addresses, BoundServer, Ended, ServerComponents};
use crate::security::Security;
use crate::telemetry::Telemetry;

/// Time to wait for the models' threads at the end, when all calls are answered.
const STOP: Duration = Duration::from_secs(5);

/// Arguments of `sagate serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Answers sagate.v1.QualityControl, the Open Inference Protocol, health and reflection over gRPC, and /metrics, /healthz and /readyz over
HTTP on the admin address; with --http the Open Inference Protocol over HTTP/JSON as well. Every model of the folder is served. SIGTERM
or SIGINT: nothing more is taken, what was taken is answered (at most server.shutdown_seconds); a second signal ends it at once. SIGHUP
opens the audit log and the access log anew and reads certificates, tokens and keys again; SIGUSR2 reconciles the models with their
folder (models.control). An address that others can reach needs TLS (settings tls.cert, tls.key) or --insecure; tokens, roles and limits
are in the sections auth and rate.

Try it:  sagate serve --listen 127.0.0.1:0 --admin 127.0.0.1:0")]
pub struct Args {
    /// gRPC address; port 0 takes a free port [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Address of /metrics, /healthz and /readyz [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Option<String>,
    /// Address of the Open Inference Protocol over HTTP/JSON [default: none]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) http: Option<String>,
    /// Listen beyond this machine without TLS, behind a proxy that encrypts
    #[arg(long)]
    pub(super) insecure: bool,
    /// OTLP/gRPC collector of traces and metrics [default: none]
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
}

/// Runs `sagate serve`.
///
/// # Errors
/// A model that cannot be used. Later errors, such as an address in use or calls cut off at shutdown, are printed here and end the
/// process.
pub fn run(settings: &Settings) -> anyhow::Result<Exit> {
    let repository = Repository::open(&settings.models.dir)?;
    loading::find(&repository, settings)?;
    let default: ModelReference = settings.models.default.parse()?;
    let setup = setup(settings, device::placement(&settings.device)?);
    let models = models(&repository, &setup)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Half the cores: the models need them, and more service threads only add wake-ups.
        .worker_threads((cores / 2).max(1))
        .enable_all()
        .thread_name("service")
        .build()
        .context("the threads of the service cannot be started")?;
    let ended = runtime.block_on(serve(settings, repository, models, default, setup));
    // Does not wait for decoders whose callers are gone.
    runtime.shutdown_background();
    match ended {
        // All calls are answered. The models' threads may still be loading.
        Ok(Ended::Answered) => Exit::Ok.at_once(),
        Err(error) => explain(&error).at_once(),
        Ok(Ended::CutOff(calls)) => {
            out::error(&format!(
                "error: {calls} calls were still in flight after server.shutdown_seconds = {} and were cut off",
                settings.server.shutdown_seconds
            ));
            // The models' threads still work on them.
            Exit::Error.at_once()
        }
    }
}

async fn serve(
    settings: &Settings,
    repository: Repository,
    models: Vec<(Model, Arc<ModelSpec>)>,
    default: ModelReference,
    setup: EngineConfig,
) -> anyhow::Result<Ended> {
    let contracts: Vec<_> = models.iter().map(|(_, contract)| contract.clone()).collect();
    let serving = BoundServer::bind(&settings.server).await?;
    let addresses = serving.addresses()?;
    let telemetry = Telemetry::start(&settings.telemetry, &contracts)?;
    let security = Security::open(settings, telemetry.security_counts().clone())?;
    telemetry.set_limits(&setup.admission.model);
    let engine = Arc::new(Engine::start(
        models,
        default,
        setup,
        Arc::new(telemetry.clone()),
    )?);
    announce(settings, &addresses, &contracts, &engine)?;
    tokio::spawn({
        let engine = engine.clone();
        async move { engine.started().await }
    });
    let followed = tokio::spawn(follow(settings, repository.clone(), engine.clone())?);
    let hung_up = tokio::spawn(reopen(security.clone())?);
    let (ready, is_ready) = watch::channel(false);
    let ready_notice = tokio::spawn(notify_when_ready(is_ready, settings.json()));
    let components = ServerComponents {
        engine: engine.clone(),
        repository,
        telemetry: telemetry.clone(),
        security: security.clone(),
    };
    let ended = serving.run(components, settings, ready, stop_signal()?).await;
    ready_notice.abort();
    followed.abort();
    hung_up.abort();
    if matches!(ended, Ok(Ended::Answered)) {
        // For a last shadow image; bounded, since a model may be loading or hang.
        let _ = tokio::time::timeout(STOP, engine.stop()).await;
    }
    telemetry.shutdown().await;
    let _ = tokio::task::spawn_blocking(move || security.flush_logs()).await;
    Ok(ended?)
}

/// Scans the model repository in `poll` mode, every `models.watch_seconds` and on SIGUSR2.
fn follow(
    settings: &Settings,
    repository: Repository,
    engine: Arc<Engine>,
) -> anyhow::Result<impl Future<Output = ()> + Send + use<>> {
    let mut scan_requests = signal(SignalKind::user_defined2()).context("SIGUSR2 cannot be listened to")?;
    let models = &settings.models;
    let every = (models.watch_seconds > 0).then(|| Duration::from_secs(models.watch_seconds));
    let control = settings.model_control();
    let folder = RepositoryWatcher::new(repository, engine, models.removal_scans);
    let now = Arc::new(Notify::new());
    let follows = control == ModelControl::Poll;
    Ok(async move {
        let folder = async {
            if follows {
                folder.follow(every, now.clone()).await;
            }
        };
        let scan_on_signal = async {
            while scan_requests.recv().await.is_some() {
                if follows {
                    tracing::info!("SIGUSR2: scanning the model repository");
                    now.notify_one();
                } else {
                    tracing::warn!(
                        "SIGUSR2 changes nothing: models.control is {:?}, so the model repository is not scanned",
                        control.name()
                    );
                }
            }
        };
        tokio::join!(folder, scan_on_signal);
    })
}

/// On SIGHUP, reopens the audit log and the access log and reloads tokens, certificates and keys; models are not affected.
fn reopen(security: Security) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP cannot be listened to")?;
    Ok(async move {
        while hang_up.recv().await.is_some() {
            tracing::info!(
                "SIGHUP: reopening audit log and access log, reloading tokens, certificates and keys"
            );
            security.reopen();
        }
    })
}

/// The models of the repository to serve, verified.
fn models(repository: &Repository, setup: &EngineConfig) -> anyhow::Result<Vec<(Model, Arc<ModelSpec>)>> {
    let (located, strangers) = repository.list()?;
    for stranger in strangers {
        tracing::warn!("{stranger}");
    }
    let is_wanted = |it: &&Located| {
        let of_name = located.iter().filter(|other| other.name == it.name);
        let versions: Vec<u32> = of_name.map(|other| other.version).collect();
        setup
            .serving
            .policy_for(&it.name)
            .wanted(&versions)
            .contains(&it.version)
    };
    located
        .iter()
        .filter(is_wanted)
        .map(|it| {
            let (model, contract) = ModelSpec::open(it)?;
            if contract.calibration().is_none() {
                loading::warn_of_no_calibration(&contract.id().to_string());
            }
            Ok((model, contract))
        })
        .collect()
}

/// Logs the addresses, the device and the models.
fn announce(
    settings: &Settings,
    addresses: &Addresses,
    contracts: &[Arc<ModelSpec>],
    engine: &Engine,
) -> anyhow::Result<()> {
    let config = engine.config();
    let slots = config.slots;
    let common = &config.serving.common;
    let (batch, instances) = (common.batching.max_batch, engine.instances(common));
    let device = match config.placement.device {
        tch::Device::Cpu => "cpu".to_owned(),
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}"),
    };
    let precision = config.placement.precision.name();
    let convolutions = config.placement.convolutions.name();
    let limits = &config.admission;
    let server = &settings.server;
    let scheme = |encrypted| if encrypted { "https" } else { "http" };
    let listen = format!("{}://{}", scheme(settings.tls.on()), addresses.grpc);
    let admin = format!("{}://{}", scheme(settings.tls.admin), addresses.admin);
    let http = addresses
        .http
        .map(|http| format!("{}://{http}", scheme(settings.tls.on())));
    let names: Vec<String> = contracts
        .iter()
        .map(|contract| contract.id().to_string())
        .collect();
    let default = engine
        .default_model()
        .map(|id| id.to_string())
        .unwrap_or_default();
    if settings.json() {
        return Ok(out::line(
            &json!({
                "event": "listening", "version": sagate_core::build::VERSION, "grpc": listen,
                "admin": admin, "http": http, "models": names, "default": default, "device": device,
                "precision": precision, "convolutions": convolutions,
                "threads": slots.count, "instances": instances, "max_message_bytes": server.max_message_bytes,
                "queue_entries": limits.model.entries, "queue_bytes": limits.model.bytes, "max_batch": batch,
                "activation_bytes": config.memory,
            })
            .to_string(),
        )?);
    }
    out::line(&format!("sagate {}", sagate_core::build::VERSION))?;
    out::line(&format!("grpc     {listen}"))?;
    out::line(&format!("admin    {admin}  (/metrics /healthz /readyz)"))?;
    if let Some(http) = http {
        out::line(&format!("http     {http}  (the Open Inference Protocol, /v2)"))?;
    }
    out::line(&format!("models   {}, default {default}", names.join(" ")))?;
    let share = if slots.divisible {
        let each = (slots.count / instances).max(1);
        format!(
            "{} threads: one image at a time on all of them, up to {instances} at once on {each} each",
            slots.count
        )
    } else {
        format!("{instances} instances, {} batches at once", slots.count)
    };
    out::line(&format!(
        "device   {device}, {precision}, convolutions by {convolutions}, {share}"
    ))?;
    Ok(out::line(&format!(
        "limits   {} bytes a message; a model's queue {} images, {} bytes; {batch} images a batch; {} bytes for feature maps",
        server.max_message_bytes, limits.model.entries, limits.model.bytes, config.memory
    ))?)
}

async fn notify_when_ready(mut ready: watch::Receiver<bool>, as_json: bool) {
    while ready.wait_for(|&ready| ready).await.is_ok() {
        // A closed stdout does not stop the service.
        let _ = out::line(if as_json { r#"{"event":"ready"}"# } else { "ready" });
        if ready.wait_for(|&ready| !ready).await.is_err() {
            return;
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
