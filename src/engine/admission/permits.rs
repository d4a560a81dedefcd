//! Queue permits: images that wait, run or are being answered are limited in number and in bytes, for each model, for each client and in
//! all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sagate_core::executor::ModelId;

use super::request::ClientId;
use crate::engine::error::{EngineError, LimitScope};
use crate::engine::observer::Observer;

/// Most that may wait, run or be answered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Images.
    pub entries: usize,
    /// Bytes that they take, with what is kept for their answers.
    pub bytes: u64,
}

/// What is in use of a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueUsage {
    /// Images.
    pub entries: usize,
    /// Bytes that they take.
    pub bytes: u64,
}

/// Every limit of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Of one model's images.
    pub model: QueueLimits,
    /// Of one client's images.
    pub client: QueueLimits,
    /// Of all images.
    pub all: QueueLimits,
}

/// Gives out queue permits.
pub struct AdmissionController {
    admission: AdmissionLimits,
    state: Mutex<State>,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct State {
    all: QueueUsage,
    models: HashMap<ModelId, QueueUsage>,
    clients: HashMap<ClientId, QueueUsage>,
}

/// A permit for one image, held until its answer is written. The last clone that is dropped gives it back.
#[derive(Clone)]
pub struct QueuePermit(Arc<Held>);

struct Held {
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

    fn is_within(self, bounds: QueueLimits) -> bool {
        self.entries <= bounds.entries && self.bytes <= bounds.bytes
    }
}

impl AdmissionLimits {
    /// The same bounds for each model, each client and all together.
    pub fn same(bounds: QueueLimits) -> AdmissionLimits {
        AdmissionLimits {
            model: bounds,
            client: bounds,
            all: bounds,
        }
    }

    fn limits(&self, scope: LimitScope) -> QueueLimits {
        match scope {
            LimitScope::Model => self.model,
            LimitScope::Client => self.client,
            LimitScope::All => self.all,
        }
    }

    /// Bytes that no single image may exceed.
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

    /// What a model's images take.
    pub fn usage(&self, model: &ModelId) -> QueueUsage {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.models.get(model).copied().unwrap_or_default()
    }

    /// Takes a permit for an image of so many bytes.
    ///
    /// # Errors
    /// No entry or not enough bytes are left; `retry` says in how many seconds to come again.
    pub fn take(
        self: &Arc<Self>,
        model: &ModelId,
        client: &ClientId,
        bytes: u64,
        retry: impl FnOnce() -> f64,
    ) -> Result<QueuePermit, EngineError> {
        self.fits_at_all(bytes)?;
        self.add(model, client, QueueUsage { entries: 1, bytes }, retry)?;
        Ok(QueuePermit(Arc::new(Held {
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
            // To say when to come again takes the scheduler's lock: nobody waits for both.
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
            // Clients come and go: only those with images here are remembered.
            if *usage == QueueUsage::default() {
                state.clients.remove(client);
            }
        }
        let of_model = state.models.get(model).copied().unwrap_or_default();
        self.set(&mut state, model, of_model.minus(less));
    }

    /// Tells the observer under the lock, so that the last that it is told is the last that was.
    fn set(&self, state: &mut State, model: &ModelId, usage: QueueUsage) {
        state.models.insert(model.clone(), usage);
        self.observer.queue(model, usage.entries, usage.bytes);
    }
}

impl QueuePermit {
    /// Takes more bytes for the same image.
    ///
    /// # Errors
    /// They are not left; the place keeps what it had.
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

    /// The image has its answer: it neither waits nor runs any more, and only so many bytes are kept of it.
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

impl Drop for Held {
    fn drop(&mut self) {
        let less = *self.usage.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.controller.give_back(&self.model, &self.client, less);
    }
}
