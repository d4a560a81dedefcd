//! What is counted of each served model, and its labels, made once. Whatever names no served model shares one `unknown`, so that a
//! caller cannot add labels.

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

/// Images of one model since the start, and whether it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Whether the model answers now.
    pub ready: bool,
    /// Images that were let through.
    pub accepted: u64,
    /// Images that were rejected.
    pub rejected: u64,
    /// Images that got no decision.
    pub failed: u64,
}

/// What waits for one model or runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queue {
    /// Images.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// What each model's queue may hold; 0 until the engine's settings are told.
#[derive(Default)]
pub(super) struct Limits {
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// Every model that was served since the start: one that was taken away keeps its counts, for when it comes again.
pub(super) struct Models {
    pub(super) limits: Limits,
    required: Mutex<BTreeMap<String, bool>>,
    served: RwLock<BTreeMap<ModelId, Arc<Served>>>,
    unknown: Arc<Served>,
    span: Duration,
    pub(super) started: Instant,
}

/// One of them.
pub(super) struct Served {
    /// `None` for whatever is not served.
    pub(super) id: Option<ModelId>,
    pub(super) labels: Labels,
    pub(super) accepted: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) ready: AtomicBool,
    /// Taken away on purpose: what is read of it now is nobody's business any more.
    taken_away: AtomicBool,
    pub(super) instances: AtomicUsize,
    pub(super) instances_ready: AtomicUsize,
    pub(super) restarts: AtomicU64,
    pub(super) queue_entries: AtomicU64,
    pub(super) queue_bytes: AtomicU64,
    pub(super) forward: Clock,
    pub(super) qc: Clock,
    pub(super) sam: Clock,
    /// `None` without a calibration; a model that is loaded again may have another one.
    reference: Mutex<Option<Reference>>,
    pub(super) counters: ModelCounters,
    window: Mutex<Window>,
}

/// Time that adds up.
#[derive(Default)]
pub(super) struct Clock(AtomicU64);

/// A model's labels, alone and with what they often go with.
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

    /// Adds a model; `None` where it is there already.
    pub(super) fn add(&self, contract: &ModelSpec) -> Option<Arc<Served>> {
        let id = contract.id();
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = served.get(id) {
            before.taken_away.store(false, Relaxed);
            *before.reference.lock().unwrap_or_else(PoisonError::into_inner) = reference(contract);
            return None;
        }
        let new = Arc::new(Served::new(Some(contract), self.span));
        served.insert(id.clone(), new.clone());
        Some(new)
    }

    /// The model, or the one that stands for all that are not served.
    pub(super) fn get(&self, id: &ModelId) -> Arc<Served> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        served.get(id).unwrap_or(&self.unknown).clone()
    }

    pub(super) fn unknown(&self) -> &Arc<Served> {
        &self.unknown
    }

    /// A model was taken away on purpose.
    pub(super) fn take_away(&self, id: &ModelId) {
        let served = self.get(id);
        served.ready.store(false, Relaxed);
        served.taken_away.store(true, Relaxed);
    }

    /// Every model that is served now.
    pub(super) fn all(&self) -> Vec<Arc<Served>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let now = served.values().filter(|it| !it.taken_away.load(Relaxed));
        now.cloned().collect()
    }

    pub(super) fn set_required(&self, models: BTreeMap<String, bool>) {
        *self.required.lock().unwrap_or_else(PoisonError::into_inner) = models;
    }

    /// The models that the server must have, and whether each answers.
    pub(super) fn required(&self) -> BTreeMap<String, bool> {
        self.required
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The time as windows count it.
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
            taken_away: AtomicBool::new(false),
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

    /// The window, held for a few additions only. A panic in between leaves counts, which are no worse for it.
    pub(super) fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far mu has moved from the calibration's; `None` without a calibration, or without a mu in the window.
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

/// What mu is on the images that the model is known to fit.
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

    /// With how an image without a decision ended.
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
