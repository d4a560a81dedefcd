//! An engine over small models, with an observer that can hold a batch back.

#![allow(dead_code, reason = "every test file uses a part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sagate::engine::{
    AdmissionLimits, Comparison, Engine, EngineConfig, EngineError, Instances, ModelHandle, Observer,
    PendingSegmentation, QueueLimits, RequestContext, ServingPolicies, Slots, TimedSegmentation,
};
use sagate_core::executor::{ModelId, ModelSpec, PreparedImage};
use sagate_core::model::Model;

use crate::binary::{Place, waves_image};
use crate::tiny_model;

/// Records events; a test that holds it keeps every batch from running.
#[derive(Default)]
pub struct Watcher {
    held: Mutex<bool>,
    let_go: Condvar,
    begun: AtomicUsize,
    pub comparisons: Mutex<Vec<(ModelId, Comparison)>>,
    pub readiness: Mutex<Vec<(ModelId, bool)>>,
}

/// No batch runs as long as this lives.
pub struct Held(Arc<Watcher>);

impl Watcher {
    /// Lets no batch run from now on.
    pub fn hold(self: &Arc<Self>) -> Held {
        self.begun.store(0, Ordering::SeqCst);
        *self.held.lock().unwrap() = true;
        Held(self.clone())
    }

    /// How many batches were begun since [`Watcher::hold`].
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Waits until a batch is held.
    pub async fn until_held(&self) {
        while self.begun.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.held.lock().unwrap() = false;
        self.0.let_go.notify_all();
    }
}

impl Observer for Watcher {
    fn loaded(&self, _: &ModelSpec) {}
    fn queue(&self, _: &ModelId, _: usize, _: u64) {}
    fn batch_begins(&self, _: &ModelId, _: usize) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        drop(
            self.let_go
                .wait_while(self.held.lock().unwrap(), |held| *held)
                .unwrap(),
        );
    }
    fn batch_ended(&self, _: &ModelId, _: Duration, _: Duration) {}
    fn sams(&self, _: &ModelId, _: Duration) {}
    fn ready(&self, model: &ModelId, ready: bool) {
        self.readiness.lock().unwrap().push((model.clone(), ready));
    }
    fn instances(&self, _: &ModelId, _: Instances) {}
    fn unloaded(&self, _: &ModelId) {}
    fn panicked(&self, _: &ModelId) {}
    fn shadowed(&self, shadow: &ModelId, comparison: &Comparison) {
        self.comparisons
            .lock()
            .unwrap()
            .push((shadow.clone(), *comparison));
    }
}

pub struct Rig {
    pub place: Place,
    pub engine: Arc<Engine>,
    pub observer: Arc<Watcher>,
}

impl Rig {
    /// Models of these names (a `tiny` one is always there), each in version 1, on one slot unless `change` says otherwise.
    pub fn new(names: &[&str], change: impl FnOnce(&mut EngineConfig)) -> Rig {
        let place = Place::new(1, &[0.5]);
        for name in names.iter().filter(|name| **name != tiny_model::NAME) {
            tiny_model::write_as(name, &place.path("models"), 1, Vec::new(), &[0.5]);
        }
        let bounds = QueueLimits {
            entries: 1000,
            bytes: 1 << 30,
        };
        let mut setup = EngineConfig {
            placement: tch::Device::Cpu.into(),
            slots: Slots {
                count: 1,
                divisible: true,
            },
            memory: u64::MAX,
            admission: AdmissionLimits::same(bounds),
            aging: Duration::from_secs(60),
            nice: 0,
            warm_up_sides: vec![48],
            serving: ServingPolicies::default(),
            load_timeout: Duration::from_secs(200),
            strict_readiness: false,
        };
        change(&mut setup);
        let observer = Arc::new(Watcher::default());
        let models = names.iter().map(|name| open(&place, name, 1)).collect();
        let default = names[0].parse().unwrap();
        let engine = Engine::start(models, default, setup, observer.clone()).unwrap();
        Rig {
            place,
            engine: Arc::new(engine),
            observer,
        }
    }

    pub async fn ready(&self, name: &str) -> Arc<ModelHandle> {
        let model = self.engine.find(name, None).unwrap();
        model.ready().await.unwrap();
        model
    }
}

/// A model of the place, opened.
pub fn open(place: &Place, name: &str, version: u32) -> (Model, Arc<ModelSpec>) {
    let model = Model::open(&place.path("models").join(name).join(version.to_string())).unwrap();
    let contract = Arc::new(ModelSpec::new(&model).unwrap());
    (model, contract)
}

pub fn image(model: &ModelHandle, seed: usize, side: usize) -> PreparedImage {
    model.contract().prepare(waves_image(seed, side, side)).unwrap()
}

/// Queues an image that must be taken.
pub fn queue(
    model: &ModelHandle,
    image: &PreparedImage,
    request_context: &RequestContext,
) -> PendingSegmentation {
    let place = model.admit(image.bytes(), request_context).unwrap();
    model.segment(image.clone(), place, request_context).unwrap()
}

pub async fn ask(
    model: &ModelHandle,
    image: &PreparedImage,
    request_context: &RequestContext,
) -> Result<TimedSegmentation, EngineError> {
    let place = model.admit(image.bytes(), request_context)?;
    model.segment(image.clone(), place, request_context)?.wait().await
}
