//! The engine: loads, replaces and unloads models while others answer.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use sagate_core::executor::{ModelId, ModelSpec};
use sagate_core::model::{Located, Model, ModelReference};
use sagate_core::nn::memory;
use sagate_core::nn::placement::Placement;
use tokio::sync::watch;

use super::loads::{Attempt, Load, Loads};
use super::policy::{ServingPolicies, ServingPolicy};
use crate::engine::admission::cost::Kind;
use crate::engine::admission::permits::{AdmissionController, AdmissionLimits};
use crate::engine::error::EngineError;
use crate::engine::observer::Observer;
use crate::engine::runtime::handle::{ModelHandle, ModelRuntime, ModelState};
use crate::engine::runtime::warm_up::WarmUp;
use crate::engine::runtime::worker::Worker;
use crate::engine::scheduling::model_queue::QueueConfig;
use crate::engine::scheduling::scheduler::Scheduler;
use crate::engine::scheduling::slots::Slots;

/// Threads of a model, where nothing else is said, on a device of many slots.
const MOST_INSTANCES: usize = 8;

/// All models of one device.
pub struct Engine {
    models: RwLock<BTreeMap<ModelId, Arc<ModelHandle>>>,
    default: ModelReference,
    config: EngineConfig,
    scheduler: Arc<Scheduler>,
    admission: Arc<AdmissionController>,
    observer: Arc<dyn Observer>,
    /// Increases whenever a model is loaded or unloaded.
    changes: watch::Sender<u64>,
    loads: Loads,
}

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where the networks run, and how wide their numbers are.
    pub placement: Placement,
    /// What that has for batches.
    pub slots: Slots,
    /// Bytes that the activations of all running batches may take.
    pub memory: u64,
    /// Limits of what waits and runs.
    pub admission: AdmissionLimits,
    /// A waiting [`crate::engine::Priority::Batch`] image counts as [`crate::engine::Priority::Routine`] after this; 0: never.
    pub aging: Duration,
    /// By how much the nice value of threads that compute on a CPU is raised, see
    /// [`lower_priority`](sagate_core::nn::threads::lower_priority).
    pub nice: i32,
    /// Sides of the square images that models are warmed up with before they are ready.
    pub warm_up_sides: Vec<usize>,
    /// How each model is served.
    pub serving: ServingPolicies,
    /// Longest that a model is waited for until it answers.
    pub load_timeout: Duration,
    /// Whether the server is ready only while every version answers, see [`Engine::missing`].
    pub strict_readiness: bool,
}

impl Engine {
    /// Starts models. They load and warm up by themselves, see [`ModelHandle::ready`].
    ///
    /// # Errors
    /// A default that is not among them, or no thread to be had.
    pub fn start(
        models: Vec<(Model, Arc<ModelSpec>)>,
        default: ModelReference,
        config: EngineConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Engine, EngineError> {
        let engine = Engine {
            models: RwLock::default(),
            default,
            scheduler: Scheduler::new(config.slots, config.memory, config.aging),
            admission: AdmissionController::new(config.admission, observer.clone()),
            config,
            observer,
            changes: watch::Sender::new(0),
            loads: Loads::default(),
        };
        for (model, contract) in models {
            let hosted = engine.host(model, contract, Arc::default())?;
            engine.publish(hosted);
        }
        engine.find("", None)?;
        Ok(engine)
    }

    /// How the engine runs.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The model that is meant when a request names none, as the settings name it.
    pub fn default_reference(&self) -> &ModelReference {
        &self.default
    }

    /// Threads that run a model which is served that way.
    pub fn instances(&self, serving: &ServingPolicy) -> usize {
        match serving.instances {
            0 => self.config.slots.count.min(MOST_INSTANCES),
            some => some,
        }
    }

    /// Every model, by name and then version.
    pub fn models(&self) -> Vec<Arc<ModelHandle>> {
        self.read().values().cloned().collect()
    }

    /// Changes whenever a model came or went.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Loads a model, or loads it anew where one of its name and version answers. It takes requests once it is loaded, tested and the
    /// first of its threads is warm; until then, and where that fails or takes longer than [`EngineConfig::load_timeout`], whatever answered goes
    /// on. What the one before was asked, it still answers.
    ///
    /// # Errors
    /// It cannot be loaded, fails its self-test, or takes too long.
    pub async fn load(
        &self,
        model: Model,
        contract: Arc<ModelSpec>,
    ) -> Result<Arc<ModelHandle>, EngineError> {
        let id = contract.id().clone();
        let opened = move |_: &Attempt<'_>| std::future::ready(Ok((model, contract)));
        self.load_when_opened(&id, opened).await
    }

    /// Opens a model that was found, see [`ModelSpec::open`], and loads it.
    ///
    /// # Errors
    /// Its folder is not what it should be, or as [`Engine::load`].
    pub async fn open_and_load(&self, located: &Located) -> Result<Arc<ModelHandle>, EngineError> {
        let open = |attempt: &Attempt<'_>| {
            let (located, alive) = (located.clone(), attempt.alive.clone());
            let opened = tokio::task::spawn_blocking(move || {
                let opened = ModelSpec::open(&located);
                drop(alive);
                opened
            });
            async move { Ok(opened.await.map_err(|_| EngineError::Stopping)??) }
        };
        self.load_when_opened(&ModelId::from(located), open).await
    }

    async fn load_when_opened<F>(
        &self,
        id: &ModelId,
        open: impl FnOnce(&Attempt<'_>) -> F,
    ) -> Result<Arc<ModelHandle>, EngineError>
    where
        F: Future<Output = Result<(Model, Arc<ModelSpec>), EngineError>>,
    {
        let not_loaded = |reason: String| EngineError::NotLoaded {
            model: id.to_string(),
            reason,
        };
        let _one_at_a_time = self.loads.one_at_a_time(&id.name).await;
        let Some(attempt) = self.loads.begin(id) else {
            return Err(not_loaded("the attempt before hangs still".into()));
        };
        self.notify_change();
        let in_time = tokio::time::timeout(self.config.load_timeout, async {
            let (model, contract) = open(&attempt).await?;
            let hosted = self.host(model, contract, attempt.alive.clone())?;
            hosted.ready().await?;
            Ok::<_, EngineError>(hosted)
        });
        match in_time.await {
            Ok(Ok(hosted)) => {
                attempt.succeeded();
                self.publish(hosted.clone());
                Ok(hosted)
            }
            Ok(Err(error)) => {
                attempt.failed(&error.to_string());
                self.notify_change();
                Err(error)
            }
            Err(_) => {
                let error = not_loaded(self.too_late());
                attempt.timed_out(&error.to_string());
                self.notify_change();
                Err(error)
            }
        }
    }

    fn too_late(&self) -> String {
        let seconds = self.config.load_timeout.as_secs_f64();
        format!("it was not ready after {seconds} s (setting models.load_seconds)")
    }

    /// Waits for the models that the engine was started with. One that takes longer than [`EngineConfig::load_timeout`] has failed, unless it
    /// comes all the same.
    pub async fn started(&self) {
        let models = self.models();
        let all = async {
            for hosted in &models {
                // Why it failed is in its state, and in the log.
                let _ = hosted.ready().await;
            }
        };
        if tokio::time::timeout(self.config.load_timeout, all).await.is_ok() {
            return;
        }
        for hosted in models.iter().filter(|hosted| hosted.is_starting()) {
            let reason = self.too_late();
            tracing::error!(model = %hosted.contract().id(), reason, "the model cannot be loaded");
            hosted.runtime().failed(&reason);
        }
    }

    /// Versions that are being loaded or could not be, beside those that answer.
    pub fn loads(&self) -> BTreeMap<ModelId, Load> {
        self.loads.all()
    }

    /// Forgets that a version could not be loaded: it is not wanted any more.
    pub fn forget_failure(&self, id: &ModelId) {
        self.loads.forget(id);
        self.notify_change();
    }

    /// Takes a model away: nobody finds it any more, and it ends when what it was asked is answered.
    ///
    /// # Errors
    /// There is none of that name and version.
    pub async fn unload(&self, model: &ModelId) -> Result<(), EngineError> {
        let _one_at_a_time = self.loads.one_at_a_time(&model.name).await;
        let gone = {
            let mut models = self.write();
            models
                .remove(model)
                .ok_or_else(|| unknown_model(model.to_string(), &models))?
        };
        self.observer.ready(model, false);
        gone.runtime().set_observed(false);
        self.observer.unloaded(model);
        self.notify_change();
        Ok(())
    }

    /// Takes nothing more, and waits until what was taken is done.
    pub async fn stop(&self) {
        let models = self.models();
        for hosted in &models {
            hosted.runtime().close();
        }
        for hosted in &models {
            hosted.runtime().ended().await;
        }
    }

    /// Starts the threads of a model that nobody finds yet.
    fn host(
        &self,
        model: Model,
        contract: Arc<ModelSpec>,
        attempt: Arc<()>,
    ) -> Result<Arc<ModelHandle>, EngineError> {
        let serving = self.config.serving.of(&contract.id().name);
        let instances = self.instances(serving);
        let queue = self.scheduler.add(self.queue_config(&contract, serving));
        let host = Arc::new(ModelRuntime {
            queue,
            scheduler: self.scheduler.clone(),
            admission: self.admission.clone(),
            observer: self.observer.clone(),
            state: watch::Sender::new(ModelState::Loading),
            observed: false.into(),
            net: Mutex::default(),
            wanted: instances,
            living: AtomicUsize::new(0),
            warm: AtomicUsize::new(0),
            has_served: false.into(),
            contract,
        });
        let worker = Worker {
            host: host.clone(),
            model,
            placement: self.config.placement,
            nice: self.config.nice,
            instances,
            warm_up: WarmUp {
                sides: self.config.warm_up_sides.clone(),
                max_batch: serving.batching.max_batch,
                slots: self.config.slots,
            },
            _attempt: attempt,
        };
        if let Err(error) = worker.start() {
            self.scheduler.remove(queue);
            return Err(EngineError::Thread(error));
        }
        Ok(Arc::new(ModelHandle::new(host)))
    }

    fn queue_config(&self, contract: &ModelSpec, serving: &ServingPolicy) -> QueueConfig {
        let network = contract.manifest().architecture.network();
        let mu_layers = contract.manifest().mu.layers.clone();
        QueueConfig {
            weight: serving.weight,
            batching: serving.batching.clone(),
            activations: Box::new(move |kind, size| match kind {
                Kind::Segmentation => memory::segmentation(&network, &mu_layers, size),
                Kind::Interpretation => memory::interpretation(&network, size),
            }),
        }
    }

    /// Lets a model be found, in the place of the one of its name and version.
    fn publish(&self, hosted: Arc<ModelHandle>) {
        let id = hosted.contract().id().clone();
        self.observer.loaded(hosted.contract());
        let before = self.write().insert(id, hosted.clone());
        if let Some(before) = &before {
            before.runtime().set_observed(false);
        }
        hosted.runtime().set_observed(true);
        self.notify_change();
    }

    fn notify_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ModelId, Arc<ModelHandle>>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ModelId, Arc<ModelHandle>>> {
        self.models.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was asked for is not there; the message lists what is.
pub(super) fn unknown_model(wanted: String, models: &BTreeMap<ModelId, Arc<ModelHandle>>) -> EngineError {
    let there: Vec<String> = models.keys().map(ToString::to_string).collect();
    EngineError::UnknownModel {
        wanted,
        available: there.join(", "),
    }
}

pub(super) fn model_id(name: &str, version: u32) -> ModelId {
    ModelId {
        name: name.to_owned(),
        version,
    }
}
