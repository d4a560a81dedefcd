//! The engine: loads, replaces and unloads models without downtime.

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

/// Default limit on the instances of a model.
const MAX_DEFAULT_INSTANCES: usize = 8;

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

/// Configuration of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Device and precision of the networks.
    pub placement: Placement,
    /// Batches that the device runs at once.
    pub slots: Slots,
    /// Memory budget in bytes for the activations of all running batches.
    pub memory: u64,
    /// Limits of waiting and running images.
    pub admission: AdmissionLimits,
    /// After this time a waiting [`crate::engine::Priority::Batch`] image is promoted to [`crate::engine::Priority::Routine`]; 0: never.
    pub aging: Duration,
    /// Increment of the nice value of threads that compute on a CPU, see
    /// [`lower_priority`](sagate_core::nn::threads::lower_priority).
    pub nice: i32,
    /// Sides of the square warm-up images.
    pub warm_up_sides: Vec<usize>,
    /// How each model is served.
    pub serving: ServingPolicies,
    /// Time limit for loading a model and its first warm-up.
    pub load_timeout: Duration,
    /// Whether readiness requires every version to be ready, see [`Engine::missing`].
    pub strict_readiness: bool,
}

impl Engine {
    /// Starts models. They load and warm up in the background, see [`ModelHandle::ready`].
    ///
    /// # Errors
    /// The default model is not among them, or a thread cannot be started.
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
            let model = engine.start_model(model, contract, Arc::default())?;
            engine.publish(model);
        }
        engine.find("", None)?;
        Ok(engine)
    }

    /// The configuration.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// The default model as configured.
    pub fn default_reference(&self) -> &ModelReference {
        &self.default
    }

    /// Number of instances (threads) of a model with this policy.
    pub fn instances(&self, serving: &ServingPolicy) -> usize {
        match serving.instances {
            0 => self.config.slots.count.min(MAX_DEFAULT_INSTANCES),
            count => count,
        }
    }

    /// Every model, by name and then version.
    pub fn models(&self) -> Vec<Arc<ModelHandle>> {
        self.read().values().cloned().collect()
    }

    /// Changes whenever a model is loaded or unloaded.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Loads a model, or reloads it if one of its name and version is loaded. It takes requests once it has passed its self-test and one
    /// instance is warm. Until then, and if loading fails or exceeds [`EngineConfig::load_timeout`], the previous model continues to
    /// serve. The previous model finishes the requests that it has accepted.
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

    /// Opens a located model, see [`ModelSpec::open`], and loads it.
    ///
    /// # Errors
    /// The folder is invalid, or as [`Engine::load`].
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
            return Err(not_loaded("the previous attempt has not returned yet".into()));
        };
        self.notify_change();
        let loaded = tokio::time::timeout(self.config.load_timeout, async {
            let (model, contract) = open(&attempt).await?;
            let model = self.start_model(model, contract, attempt.alive.clone())?;
            model.ready().await?;
            Ok::<_, EngineError>(model)
        });
        match loaded.await {
            Ok(Ok(model)) => {
                attempt.succeeded();
                self.publish(model.clone());
                Ok(model)
            }
            Ok(Err(error)) => {
                attempt.failed(&error.to_string());
                self.notify_change();
                Err(error)
            }
            Err(_) => {
                let error = not_loaded(self.timeout_reason());
                attempt.timed_out(&error.to_string());
                self.notify_change();
                Err(error)
            }
        }
    }

    fn timeout_reason(&self) -> String {
        let seconds = self.config.load_timeout.as_secs_f64();
        format!("it was not ready after {seconds} s (setting models.load_seconds)")
    }

    /// Waits for the initial models. A model that exceeds [`EngineConfig::load_timeout`] counts as failed until it becomes ready.
    pub async fn started(&self) {
        let models = self.models();
        let all = async {
            for model in &models {
                // Its state and the log hold the reason of a failure.
                let _ = model.ready().await;
            }
        };
        if tokio::time::timeout(self.config.load_timeout, all).await.is_ok() {
            return;
        }
        for model in models.iter().filter(|model| model.is_starting()) {
            let reason = self.timeout_reason();
            tracing::error!(model = %model.contract().id(), reason, "the model cannot be loaded");
            model.runtime().failed(&reason);
        }
    }

    /// Versions whose load is in progress or failed.
    pub fn loads(&self) -> BTreeMap<ModelId, Load> {
        self.loads.all()
    }

    /// Discards the failure of a version that is no longer wanted.
    pub fn forget_failure(&self, id: &ModelId) {
        self.loads.forget(id);
        self.notify_change();
    }

    /// Unloads a model: it takes no new requests, and its threads end when its accepted requests are done.
    ///
    /// # Errors
    /// No such model is loaded.
    pub async fn unload(&self, model: &ModelId) -> Result<(), EngineError> {
        let _one_at_a_time = self.loads.one_at_a_time(&model.name).await;
        let removed = {
            let mut models = self.write();
            models
                .remove(model)
                .ok_or_else(|| unknown_model(model.to_string(), &models))?
        };
        self.observer.ready(model, false);
        removed.runtime().set_observed(false);
        self.observer.unloaded(model);
        self.notify_change();
        Ok(())
    }

    /// Takes no new requests, and waits for the accepted ones.
    pub async fn stop(&self) {
        let models = self.models();
        for model in &models {
            model.runtime().close();
        }
        for model in &models {
            model.runtime().ended().await;
        }
    }

    /// Starts the threads of a model without publishing it.
    fn start_model(
        &self,
        model: Model,
        contract: Arc<ModelSpec>,
        attempt: Arc<()>,
    ) -> Result<Arc<ModelHandle>, EngineError> {
        let serving = self.config.serving.policy_for(&contract.id().name);
        let instances = self.instances(serving);
        let queue = self.scheduler.add(self.queue_config(&contract, serving));
        let runtime = Arc::new(ModelRuntime {
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
            runtime: runtime.clone(),
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
        Ok(Arc::new(ModelHandle::new(runtime)))
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

    /// Publishes a model, replacing the one of the same name and version.
    fn publish(&self, model: Arc<ModelHandle>) {
        let id = model.contract().id().clone();
        self.observer.loaded(model.contract());
        let previous = self.write().insert(id, model.clone());
        if let Some(previous) = &previous {
            previous.runtime().set_observed(false);
        }
        model.runtime().set_observed(true);
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

/// Error for a model that is not loaded. The message lists the loaded models.
pub(super) fn unknown_model(wanted: String, models: &BTreeMap<ModelId, Arc<ModelHandle>>) -> EngineError {
    let available: Vec<String> = models.keys().map(ToString::to_string).collect();
    EngineError::UnknownModel {
        wanted,
        available: available.join(", "),
    }
}

pub(super) fn model_id(name: &str, version: u32) -> ModelId {
    ModelId {
        name: name.to_owned(),
        version,
    }
}
