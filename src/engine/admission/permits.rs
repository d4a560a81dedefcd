//! Queue permits: limits on the number and bytes of waiting, running and answered-but-unsent images, per model, per client and in total.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sagate_core::executor::ModelId;

use super::request::ClientId;
use crate::engine::error::{EngineError, LimitScope};
use crate::engine::observer::Observer;

/// Limits of concurrently admitted images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Images.
    pub entries: usize,
    /// Bytes of the images and of their answers.
    pub bytes: u64,
}

/// Usage of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueUsage {
    /// Images.
    pub entries: usize,
    /// Bytes.
    pub bytes: u64,
}

/// All queue limits of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Per model.
    pub model: QueueLimits,
    /// Per client.
    pub client: QueueLimits,
    /// In total.
    pub all: QueueLimits,
}

/// Issues queue permits.
pub struct AdmissionController {
    admission: AdmissionLimits,
    state: Mutex<AdmissionState>,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct AdmissionState {
    all: QueueUsage,
    models: HashMap<ModelId, QueueUsage>,
    clients: HashMap<ClientId, QueueUsage>,
}

/// A permit for one image, held until its answer is written. Dropping the last clone releases it.
#[derive(Clone)]
pub struct QueuePermit(Arc<PermitInner>);

struct PermitInner {
    controller: Arc<AdmissionController>,
    model: ModelId,
    client: ClientId,
    usage: Mutex<QueueUsage>,
}

impl QueueUsage {
    fn plus(self, more: QueueUsage) -> QueueUsage {
        QueueUsage {
            entries: self.entries + more.entries,
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    fn minus(self, less: QueueUsage) -> QueueUsage {
        QueueUsage {
            entries: self.entries - less.entries,
            bytes: self.bytes - less.bytes,
        }
    }

    fn is_within(self, limits: QueueLimits) -> bool {
        self.entries <= limits.entries && self.bytes <= limits.bytes
    }
}

impl AdmissionLimits {
    /// The same limits for each model, each client and all together.
    pub fn same(limits: QueueLimits) -> AdmissionLimits {
        AdmissionLimits {
            model: limits,
            client: limits,
            all: limits,
        }
    }

    fn limits(&self, scope: LimitScope) -> QueueLimits {
        match scope {
            LimitScope::Model => self.model,
            LimitScope::Client => self.client,
            LimitScope::All => self.all,
        }
    }

    /// Maximum bytes of a single image.
    fn most_bytes(&self) -> u64 {
        self.model.bytes.min(self.client.bytes).min(self.all.bytes)
    }
}

impl AdmissionController {
    pub fn new(admission: AdmissionLimits, observer: Arc<dyn Observer>) -> Arc<AdmissionController> {
        Arc::new(AdmissionController {
            admission,
            state: Mutex::default(),
            observer,
        })
    }

    /// Usage of a model.
    pub fn usage(&self, model: &ModelId) -> QueueUsage {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.models.get(model).copied().unwrap_or_default()
    }

    /// Takes a permit for an image of `bytes` bytes.
    ///
    /// # Errors
    /// A limit is reached; `retry` gives the suggested delay in seconds.
    pub fn take(
        self: &Arc<Self>,
        model: &ModelId,
        client: &ClientId,
        bytes: u64,
        retry: impl FnOnce() -> f64,
    ) -> Result<QueuePermit, EngineError> {
        self.fits_at_all(bytes)?;
        self.add(model, client, QueueUsage { entries: 1, bytes }, retry)?;
        Ok(QueuePermit(Arc::new(PermitInner {
            controller: self.clone(),
            model: model.clone(),
            client: client.clone(),
            usage: Mutex::new(QueueUsage { entries: 1, bytes }),
        })))
    }

    fn fits_at_all(&self, bytes: u64) -> Result<(), EngineError> {
        let limit = self.admission.most_bytes();
        if bytes > limit {
            return Err(EngineError::TooLargeForQueue { bytes, limit });
        }
        Ok(())
    }

    fn add(
        &self,
        model: &ModelId,
        client: &ClientId,
        more: QueueUsage,
        retry: impl FnOnce() -> f64,
    ) -> Result<(), EngineError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_model = state.models.get(model).copied().unwrap_or_default();
        let of_client = state.clients.get(client).copied().unwrap_or_default();
        let taken = [
            (LimitScope::Model, of_model),
            (LimitScope::Client, of_client),
            (LimitScope::All, state.all),
        ];
        let met = taken
            .into_iter()
            .find(|(scope, usage)| !usage.plus(more).is_within(self.admission.limits(*scope)));
        if let Some((scope, usage)) = met {
            // `retry` takes the scheduler's lock: release this one first.
            drop(state);
            let limit = self.admission.limits(scope);
            return Err(EngineError::QueueFull {
                model: model.to_string(),
                bound: scope,
                entries: usage.entries,
                bytes: usage.bytes,
                limit_entries: limit.entries,
                limit_bytes: limit.bytes,
                retry_seconds: retry(),
            });
        }
        state.all = state.all.plus(more);
        state.clients.insert(client.clone(), of_client.plus(more));
        self.set(&mut state, model, of_model.plus(more));
        Ok(())
    }

    fn give_back(&self, model: &ModelId, client: &ClientId, less: QueueUsage) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.all = state.all.minus(less);
        if let Some(usage) = state.clients.get_mut(client) {
            *usage = usage.minus(less);
            // Forget clients without images, so that the map does not grow.
            if *usage == QueueUsage::default() {
                state.clients.remove(client);
            }
        }
        let of_model = state.models.get(model).copied().unwrap_or_default();
        self.set(&mut state, model, of_model.minus(less));
    }

    /// Notifies the observer under the lock, so that its last value is the current one.
    fn set(&self, state: &mut AdmissionState, model: &ModelId, usage: QueueUsage) {
        state.models.insert(model.clone(), usage);
        self.observer.queue(model, usage.entries, usage.bytes);
    }
}

impl QueuePermit {
    /// Takes more bytes for the same image.
    ///
    /// # Errors
    /// A limit is reached; the permit is unchanged.
    pub fn grow(&self, more: u64) -> Result<(), EngineError> {
        let held = &self.0;
        let mut usage = held.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = usage.bytes.saturating_add(more);
        held.controller.fits_at_all(wanted)?;
        let more = QueueUsage {
            entries: 0,
            bytes: more,
        };
        held.controller.add(&held.model, &held.client, more, || 1.0)?;
        usage.bytes = wanted;
        Ok(())
    }

    /// Records that the image has its answer: it no longer counts as an entry, and holds at most `bytes` bytes.
    pub fn answered(&self, bytes: u64) {
        let held = &self.0;
        let mut usage = held.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let left = QueueUsage {
            entries: 0,
            bytes: bytes.min(usage.bytes),
        };
        held.controller
            .give_back(&held.model, &held.client, usage.minus(left));
        *usage = left;
    }
}

impl Drop for PermitInner {
    fn drop(&mut self) {
        let less = *self.usage.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.controller.give_back(&self.model, &self.client, less);
    }
}
