//! Every model that answers: found, loaded, replaced and taken away while others are asked.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use sagate_core::executor::{Contract, ModelId};
use sagate_core::model::{Located, Model, Reference};
use sagate_core::nn::memory;
use sagate_core::nn::placement::Placement;
use tokio::sync::watch;

use super::cost::Kind;
use super::error::EngineError;
use super::hosted::{Host, Hosted, State};
use super::loads::{Attempt, Load, Loads};
use super::observer::Observer;
use super::place::{Admission, Places};
use super::scheduler::{Scheduler, Slots, Terms};
use super::serving::{Serving, ServingPlan};
use super::warm_up::WarmUp;
use super::worker::Worker;

/// Threads of a model, where nothing else is said, on a device of many slots.
const MOST_INSTANCES: usize = 8;

/// Models as a service, on one device.
pub struct Engine {
    models: RwLock<BTreeMap<ModelId, Arc<Hosted>>>,
    default: Reference,
    setup: Setup,
    scheduler: Arc<Scheduler>,
    places: Arc<Places>,
    observer: Arc<dyn Observer>,
    /// Counts what came and went.
    changes: watch::Sender<u64>,
    loads: Loads,
}

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the networks run, and how wide their numbers are.
    pub placement: Placement,
    /// What that has for batches.
    pub slots: Slots,
    /// Bytes that the activations of all running batches may take.
    pub memory: u64,
    /// Bounds of what waits and runs.
    pub admission: Admission,
    /// A waiting [`super::Priority::Batch`] image counts as [`super::Priority::Routine`] after this; 0: never.
    pub aging: Duration,
    /// Steps that threads which compute on a CPU stand back behind the others, see [`stand_back`](sagate_core::nn::threads::stand_back).
    pub niceness: i32,
    /// Sides of the square images that models are warmed up with before they are ready.
    pub warm_up_sides: Vec<usize>,
    /// How each model is served.
    pub serving: ServingPlan,
    /// Longest that a model is waited for until it answers.
    pub load_timeout: Duration,
    /// Whether the server is ready only while every version answers, see [`Engine::missing`].
    pub strict_readiness: bool,
}

/// Who answers a request.
pub struct Route {
    /// The model whose answer is given.
    pub hosted: Arc<Hosted>,
    /// One that sees the same image, where there is one that is ready; its answer is compared and never given.
    pub shadow: Option<Arc<Hosted>>,
}

impl Engine {
    /// Starts models. They load and warm up by themselves, see [`Hosted::ready`].
    ///
    /// # Errors
    /// A default that is not among them, or no thread to be had.
    pub fn start(
        models: Vec<(Model, Arc<Contract>)>,
        default: Reference,
        setup: Setup,
        observer: Arc<dyn Observer>,
    ) -> Result<Engine, EngineError> {
        let engine = Engine {
            models: RwLock::default(),
            default,
            scheduler: Scheduler::new(setup.slots, setup.memory, setup.aging),
            places: Places::new(setup.admission, observer.clone()),
            setup,
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
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The model that is meant when a request names none, as the settings name it.
    pub fn default_reference(&self) -> &Reference {
        &self.default
    }

    /// Threads that run a model which is served that way.
    pub fn instances(&self, serving: &Serving) -> usize {
        match serving.instances {
            0 => self.setup.slots.count.min(MOST_INSTANCES),
            some => some,
        }
    }

    /// Every model, by name and then version.
    pub fn models(&self) -> Vec<Arc<Hosted>> {
        self.read().values().cloned().collect()
    }

    /// Changes whenever a model came or went.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The model that is meant when a request names none; `None` where it was taken away.
    pub fn default_model(&self) -> Option<ModelId> {
        self.find("", None)
            .ok()
            .map(|hosted| hosted.contract().id().clone())
    }

    /// The model of a name: the version that is named, or the one that takes requests which name none; the default where the name is
    /// empty.
    ///
    /// # Errors
    /// There is none; the message lists what there is.
    pub fn find(&self, name: &str, version: Option<u32>) -> Result<Arc<Hosted>, EngineError> {
        let (name, version) = match (name, version) {
            ("", None) => (self.default.name.as_str(), self.default.version),
            ("", version) => (self.default.name.as_str(), version),
            named => named,
        };
        let models = self.read();
        let found = match version {
            Some(version) => models.get(&id(name, version)),
            None => self.in_charge(&models, name),
        };
        found.cloned().ok_or_else(|| {
            let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
            unknown(wanted, &models)
        })
    }

    /// Who answers a request: as [`Engine::find`], but that a canary takes its share of those that name no version, and a shadow looks
    /// on.
    ///
    /// # Errors
    /// As there.
    pub fn route(&self, name: &str, version: Option<u32>, request_id: &str) -> Result<Route, EngineError> {
        let hosted = self.find(name, version)?;
        if version.is_some() || name.is_empty() && self.default.version.is_some() {
            return Ok(Route { hosted, shadow: None });
        }
        let name = &hosted.contract().id().name;
        let traffic = &self.setup.serving.of(name).traffic;
        let models = self.read();
        let ready = |version| models.get(&id(name, version)).filter(|it| it.is_ready()).cloned();
        if let Some(canary) = traffic.to_canary(request_id).and_then(ready) {
            return Ok(Route {
                hosted: canary,
                shadow: None,
            });
        }
        let shadow = traffic.shadow.and_then(ready);
        Ok(Route { hosted, shadow })
    }

    /// The version of a model that takes the requests which name none.
    fn in_charge<'a>(
        &self,
        models: &'a BTreeMap<ModelId, Arc<Hosted>>,
        name: &str,
    ) -> Option<&'a Arc<Hosted>> {
        let traffic = &self.setup.serving.of(name).traffic;
        if let Some(version) = traffic.pinned {
            return models.get(&id(name, version));
        }
        let versions = models.range(id(name, 0)..=id(name, u32::MAX));
        let regular = versions.filter(|(id, _)| !traffic.is_aside(id.version));
        let (_, highest) = regular.clone().next_back()?;
        let ready = regular.rev().find(|(_, hosted)| hosted.is_ready());
        Some(ready.map_or(highest, |(_, hosted)| hosted))
    }

    /// Loads a model, or loads it anew where one of its name and version answers. It takes requests once it is loaded, tested and the
    /// first of its threads is warm; until then, and where that fails or takes longer than [`Setup::load_timeout`], whatever answered goes
    /// on. What the one before was asked, it still answers.
    ///
    /// # Errors
    /// It cannot be loaded, fails its self-test, or takes too long.
    pub async fn load(&self, model: Model, contract: Arc<Contract>) -> Result<Arc<Hosted>, EngineError> {
        let id = contract.id().clone();
        let opened = move |_: &Attempt<'_>| std::future::ready(Ok((model, contract)));
        self.load_when_opened(&id, opened).await
    }

    /// Opens a model that was found, see [`Contract::open`], and loads it.
    ///
    /// # Errors
    /// Its folder is not what it should be, or as [`Engine::load`].
    pub async fn open_and_load(&self, located: &Located) -> Result<Arc<Hosted>, EngineError> {
        let open = |attempt: &Attempt<'_>| {
            let (located, alive) = (located.clone(), attempt.alive.clone());
            let opened = tokio::task::spawn_blocking(move || {
                let opened = Contract::open(&located);
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
    ) -> Result<Arc<Hosted>, EngineError>
    where
        F: Future<Output = Result<(Model, Arc<Contract>), EngineError>>,
    {
        let not_loaded = |reason: String| EngineError::NotLoaded {
            model: id.to_string(),
            reason,
        };
        let _one_at_a_time = self.loads.one_at_a_time(&id.name).await;
        let Some(attempt) = self.loads.begin(id) else {
            return Err(not_loaded("the attempt before hangs still".into()));
        };
        self.tell_of_change();
        let in_time = tokio::time::timeout(self.setup.load_timeout, async {
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
                self.tell_of_change();
                Err(error)
            }
            Err(_) => {
                let error = not_loaded(self.too_late());
                attempt.timed_out(&error.to_string());
                self.tell_of_change();
                Err(error)
            }
        }
    }

    fn too_late(&self) -> String {
        let seconds = self.setup.load_timeout.as_secs_f64();
        format!("it was not ready after {seconds} s (setting models.load_seconds)")
    }

    /// Waits for the models that the engine was started with. One that takes longer than [`Setup::load_timeout`] has failed, unless it
    /// comes all the same.
    pub async fn started(&self) {
        let models = self.models();
        let all = async {
            for hosted in &models {
                // Why it failed is in its state, and in the log.
                let _ = hosted.ready().await;
            }
        };
        if tokio::time::timeout(self.setup.load_timeout, all).await.is_ok() {
            return;
        }
        for hosted in models.iter().filter(|hosted| hosted.is_starting()) {
            let reason = self.too_late();
            tracing::error!(model = %hosted.contract().id(), reason, "the model cannot be loaded");
            hosted.0.failed(&reason);
        }
    }

    /// Versions that are being loaded or could not be, beside those that answer.
    pub fn loads(&self) -> BTreeMap<ModelId, Load> {
        self.loads.all()
    }

    /// Forgets that a version could not be loaded: it is not wanted any more.
    pub fn forget_failure(&self, id: &ModelId) {
        self.loads.forget(id);
        self.tell_of_change();
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
                .ok_or_else(|| unknown(model.to_string(), &models))?
        };
        self.observer.ready(model, false);
        gone.0.hear(false);
        self.observer.unloaded(model);
        self.tell_of_change();
        Ok(())
    }

    /// Takes nothing more, and waits until what was taken is done.
    pub async fn stop(&self) {
        let models = self.models();
        for hosted in &models {
            hosted.0.close();
        }
        for hosted in &models {
            hosted.0.ended().await;
        }
    }

    /// Starts the threads of a model that nobody finds yet.
    fn host(
        &self,
        model: Model,
        contract: Arc<Contract>,
        attempt: Arc<()>,
    ) -> Result<Arc<Hosted>, EngineError> {
        let serving = self.setup.serving.of(&contract.id().name);
        let instances = self.instances(serving);
        let queue = self.scheduler.add(self.terms(&contract, serving));
        let host = Arc::new(Host {
            queue,
            scheduler: self.scheduler.clone(),
            places: self.places.clone(),
            observer: self.observer.clone(),
            state: watch::Sender::new(State::Loading),
            heard: false.into(),
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
            placement: self.setup.placement,
            niceness: self.setup.niceness,
            instances,
            warm_up: WarmUp {
                sides: self.setup.warm_up_sides.clone(),
                max_batch: serving.forming.max_batch,
                slots: self.setup.slots,
            },
            _attempt: attempt,
        };
        if let Err(error) = worker.start() {
            self.scheduler.remove(queue);
            return Err(EngineError::Thread(error));
        }
        Ok(Arc::new(Hosted(host)))
    }

    fn terms(&self, contract: &Contract, serving: &Serving) -> Terms {
        let network = contract.manifest().architecture.network();
        let mu_layers = contract.manifest().mu.layers.clone();
        Terms {
            weight: serving.weight,
            forming: serving.forming.clone(),
            activations: Box::new(move |kind, size| match kind {
                Kind::Segmentation => memory::segmentation(&network, &mu_layers, size),
                Kind::Interpretation => memory::interpretation(&network, size),
            }),
        }
    }

    /// Lets a model be found, in the place of the one of its name and version.
    fn publish(&self, hosted: Arc<Hosted>) {
        let id = hosted.contract().id().clone();
        self.observer.loaded(hosted.contract());
        let before = self.write().insert(id, hosted.clone());
        if let Some(before) = &before {
            before.0.hear(false);
        }
        hosted.0.hear(true);
        self.tell_of_change();
    }

    fn tell_of_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ModelId, Arc<Hosted>>> {
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ModelId, Arc<Hosted>>> {
        self.models.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was asked for is not there; the message lists what is.
fn unknown(wanted: String, models: &BTreeMap<ModelId, Arc<Hosted>>) -> EngineError {
    let there: Vec<String> = models.keys().map(ToString::to_string).collect();
    EngineError::UnknownModel {
        wanted,
        available: there.join(", "),
    }
}

fn id(name: &str, version: u32) -> ModelId {
    ModelId {
        name: name.to_owned(),
        version,
    }
}
