//! Metrics and labels of each served model. All other names share the label `unknown`, so that callers cannot create labels.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use opentelemetry::{KeyValue, Value};
use sagate_core::executor::{ModelId, ModelSpec};
use sagate_core::gate::Reason;

use super::counters::{ModelCounters, Statistics};
use super::drift::{Drift, Reference};
use super::phases::Phase;
use super::window::Window;

const UNKNOWN: &str = "unknown";

/// Image counts of one model since the start, and its readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Whether the model is ready.
    pub ready: bool,
    /// Accepted images.
    pub accepted: u64,
    /// Rejected images.
    pub rejected: u64,
    /// Images without a decision.
    pub failed: u64,
}

/// Waiting and running images of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// Images.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Queue limits of each model; 0 until they are set.
#[derive(Default)]
pub(super) struct Limits {
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// All models that were served since the start. An unloaded model keeps its counts, in case it is loaded again.
pub(super) struct Models {
    pub(super) limits: Limits,
    required: Mutex<BTreeMap<String, bool>>,
    served: RwLock<BTreeMap<ModelId, Arc<Served>>>,
    unknown: Arc<Served>,
    span: Duration,
    pub(super) started: Instant,
}

/// One model.
pub(super) struct Served {
    /// `None` for `unknown`.
    pub(super) id: Option<ModelId>,
    pub(super) labels: Labels,
    pub(super) accepted: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) ready: AtomicBool,
    /// Whether it was unloaded on request; then it is not exported.
    unloaded: AtomicBool,
    pub(super) instances: AtomicUsize,
    pub(super) instances_ready: AtomicUsize,
    pub(super) restarts: AtomicU64,
    pub(super) queue_entries: AtomicU64,
    pub(super) queue_bytes: AtomicU64,
    pub(super) forward: Clock,
    pub(super) qc: Clock,
    pub(super) sam: Clock,
    /// `None` without a calibration; a reload may change it.
    reference: Mutex<Option<Reference>>,
    pub(super) counters: ModelCounters,
    window: Mutex<Window>,
}

/// Accumulated time.
#[derive(Default)]
pub(super) struct Clock(AtomicU64);

/// A model's labels, and frequent combinations.
pub(super) struct Labels {
    pub(super) model: Vec<KeyValue>,
    pub(super) accept: Vec<KeyValue>,
    pub(super) reject: Vec<KeyValue>,
    pub(super) soft_dice: Vec<KeyValue>,
    pub(super) object: Vec<KeyValue>,
    pub(super) quality: Vec<KeyValue>,
    phases: Vec<Vec<KeyValue>>,
    reasons: Vec<Vec<KeyValue>>,
}

impl Models {
    pub(super) fn new(contracts: &[Arc<ModelSpec>], span: Duration) -> Models {
        let models = Models {
            limits: Limits::default(),
            required: Mutex::default(),
            served: RwLock::default(),
            unknown: Arc::new(Served::new(None, span)),
            span,
            started: Instant::now(),
        };
        for contract in contracts {
            models.add(contract);
        }
        models
    }

    /// Adds a model; `None` if it is known already.
    pub(super) fn add(&self, contract: &ModelSpec) -> Option<Arc<Served>> {
        let id = contract.id();
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = served.get(id) {
            before.unloaded.store(false, Relaxed);
            *before.reference.lock().unwrap_or_else(PoisonError::into_inner) = reference(contract);
            return None;
        }
        let new = Arc::new(Served::new(Some(contract), self.span));
        served.insert(id.clone(), new.clone());
        Some(new)
    }

    /// The model, or `unknown`.
    pub(super) fn get(&self, id: &ModelId) -> Arc<Served> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.get(id).unwrap_or(&self.unknown).clone()
    }

    pub(super) fn unknown(&self) -> &Arc<Served> {
        &self.unknown
    }

    /// Records that a model was unloaded on request.
    pub(super) fn unload(&self, id: &ModelId) {
        let served = self.get(id);
        served.ready.store(false, Relaxed);
        served.unloaded.store(true, Relaxed);
    }

    /// All loaded models.
    pub(super) fn all(&self) -> Vec<Arc<Served>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let now = served.values().filter(|it| !it.unloaded.load(Relaxed));
        now.cloned().collect()
    }

    pub(super) fn set_required(&self, models: BTreeMap<String, bool>) {
        *self.required.lock().unwrap_or_else(PoisonError::into_inner) = models;
    }

    /// The required models, and whether each is ready.
    pub(super) fn required(&self) -> BTreeMap<String, bool> {
        self.required
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Time since the start, as windows count it.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Served {
    fn new(contract: Option<&ModelSpec>, span: Duration) -> Served {
        let id = contract.map(|contract| contract.id().clone());
        Served {
            labels: Labels::new(id.as_ref()),
            id,
            reference: Mutex::new(contract.and_then(reference)),
            accepted: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            ready: AtomicBool::new(false),
            unloaded: AtomicBool::new(false),
            instances: AtomicUsize::new(0),
            instances_ready: AtomicUsize::new(0),
            restarts: AtomicU64::new(0),
            queue_entries: AtomicU64::new(0),
            queue_bytes: AtomicU64::new(0),
            forward: Clock::default(),
            qc: Clock::default(),
            sam: Clock::default(),
            counters: ModelCounters::default(),
            window: Mutex::new(Window::new(span)),
        }
    }

    /// The window, locked for a few additions only. The counts stay usable after a panic.
    pub(super) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drift of mu from the calibration; `None` without a calibration or without a mu in the window.
    pub(super) fn drift(&self, now: Duration) -> Option<Drift> {
        let histogram = self.window().view(now).mu_histogram;
        let reference = self.reference.lock().unwrap_or_else(PoisonError::into_inner);
        reference.as_ref()?.drift(&histogram)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            ready: self.ready.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        let counts = self.counts();
        self.counters
            .read(counts.accepted + counts.rejected, counts.failed)
    }

    pub(super) fn queue(&self) -> Queue {
        Queue {
            entries: self.queue_entries.load(Relaxed),
            bytes: self.queue_bytes.load(Relaxed),
        }
    }
}

/// Reference distribution of mu from the calibration.
fn reference(contract: &ModelSpec) -> Option<Reference> {
    contract.calibration().map(Reference::new)
}

impl Clock {
    pub(super) fn add(&self, took: Duration) {
        self.0.fetch_add(took.as_nanos() as u64, Relaxed);
    }

    pub(super) fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }

    pub(super) fn seconds(&self) -> f64 {
        self.total().as_secs_f64()
    }
}

impl Labels {
    fn new(id: Option<&ModelId>) -> Labels {
        let shared = |text: String| Value::from(Arc::<str>::from(text));
        let (name, version) = match id {
            Some(id) => (shared(id.name.clone()), shared(id.version.to_string())),
            None => (UNKNOWN.into(), UNKNOWN.into()),
        };
        let model = vec![KeyValue::new("model", name), KeyValue::new("version", version)];
        let with = |key: &'static str, value: Value| {
            let mut labels = model.clone();
            labels.push(KeyValue::new(key, value));
            labels
        };
        Labels {
            accept: with("outcome", "accept".into()),
            reject: with("outcome", "reject".into()),
            soft_dice: with("score", "soft_dice".into()),
            object: with("score", "object".into()),
            quality: with("score", "quality".into()),
            phases: Phase::ALL.map(|phase| with("phase", phase.name().into())).into(),
            reasons: Reason::ALL
                .map(|reason| with("reason", shared(reason.to_string())))
                .into(),
            model,
        }
    }

    /// Labels with the outcome of an image without a decision.
    pub(super) fn outcome(&self, outcome: &'static str) -> Vec<KeyValue> {
        let mut labels = self.model.clone();
        labels.push(KeyValue::new("outcome", outcome));
        labels
    }

    pub(super) fn phase(&self, phase: Phase) -> &[KeyValue] {
        &self.phases[phase as usize]
    }

    pub(super) fn reason(&self, reason: Reason) -> &[KeyValue] {
        let index = Reason::ALL.iter().position(|it| *it == reason);
        &self.reasons[index.expect("Reason::ALL holds every reason")]
    }
}
