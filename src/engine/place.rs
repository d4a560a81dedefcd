//! Places: what images take while they wait, run and are answered, bounded in entries and in bytes; for each model, for each client
//! and in all.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use sagate_core::executor::ModelId;

use super::error::EngineError;
use super::observer::Observer;

/// Most that may be taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Images.
    pub entries: usize,
    /// Bytes that they take, with what is kept for their answers.
    pub bytes: u64,
}

/// What is taken of a bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images.
    pub entries: usize,
    /// Bytes that they take.
    pub bytes: u64,
}

/// Every bound of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Of one model's images.
    pub model: Bounds,
    /// Of one client's images.
    pub client: Bounds,
    /// Of all images.
    pub all: Bounds,
}

/// Whose image it is: a name that was proven, or an address. Clients share the bounds of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Client(Arc<str>);

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The model's.
    Model,
    /// The client's.
    Client,
    /// That of all.
    All,
}

/// All places of an engine.
pub(super) struct Places {
    admission: Admission,
    state: Mutex<State>,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct State {
    all: Usage,
    models: HashMap<ModelId, Usage>,
    clients: HashMap<Client, Usage>,
}

/// A place for one image, held until its answer is written. The last clone that is dropped gives it back.
#[derive(Clone)]
pub struct Place(Arc<Held>);

struct Held {
    places: Arc<Places>,
    model: ModelId,
    client: Client,
    usage: Mutex<Usage>,
}

impl Client {
    /// A client of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Client {
        Client(name.into())
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Model => "the model's queue",
            Bound::Client => "this client's part of the queues",
            Bound::All => "the server",
        })
    }
}

impl Usage {
    fn plus(self, more: Usage) -> Usage {
        Usage {
            entries: self.entries + more.entries,
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    fn minus(self, less: Usage) -> Usage {
        Usage {
            entries: self.entries - less.entries,
            bytes: self.bytes - less.bytes,
        }
    }

    fn is_within(self, bounds: Bounds) -> bool {
        self.entries <= bounds.entries && self.bytes <= bounds.bytes
    }
}

impl Admission {
    /// The same bounds for each model, each client and all together.
    pub fn same(bounds: Bounds) -> Admission {
        Admission {
            model: bounds,
            client: bounds,
            all: bounds,
        }
    }

    fn of(&self, bound: Bound) -> Bounds {
        match bound {
            Bound::Model => self.model,
            Bound::Client => self.client,
            Bound::All => self.all,
        }
    }

    /// Bytes that no single image may exceed.
    fn most_bytes(&self) -> u64 {
        self.model.bytes.min(self.client.bytes).min(self.all.bytes)
    }
}

impl Places {
    pub fn new(admission: Admission, observer: Arc<dyn Observer>) -> Arc<Places> {
        Arc::new(Places {
            admission,
            state: Mutex::default(),
            observer,
        })
    }

    /// What a model's images take.
    pub fn usage(&self, model: &ModelId) -> Usage {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.models.get(model).copied().unwrap_or_default()
    }

    /// Takes a place for an image of so many bytes.
    ///
    /// # Errors
    /// No entry or not enough bytes are left; `retry` says in how many seconds to come again.
    pub fn take(
        self: &Arc<Self>,
        model: &ModelId,
        client: &Client,
        bytes: u64,
        retry: impl FnOnce() -> f64,
    ) -> Result<Place, EngineError> {
        self.fits_at_all(bytes)?;
        self.add(model, client, Usage { entries: 1, bytes }, retry)?;
        Ok(Place(Arc::new(Held {
            places: self.clone(),
            model: model.clone(),
            client: client.clone(),
            usage: Mutex::new(Usage { entries: 1, bytes }),
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
        client: &Client,
        more: Usage,
        retry: impl FnOnce() -> f64,
    ) -> Result<(), EngineError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_model = state.models.get(model).copied().unwrap_or_default();
        let of_client = state.clients.get(client).copied().unwrap_or_default();
        let taken = [
            (Bound::Model, of_model),
            (Bound::Client, of_client),
            (Bound::All, state.all),
        ];
        let met = taken
            .into_iter()
            .find(|(bound, usage)| !usage.plus(more).is_within(self.admission.of(*bound)));
        if let Some((bound, usage)) = met {
            // To say when to come again takes the scheduler's lock: nobody waits for both.
            drop(state);
            let limit = self.admission.of(bound);
            return Err(EngineError::QueueFull {
                model: model.to_string(),
                bound,
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

    fn give_back(&self, model: &ModelId, client: &Client, less: Usage) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.all = state.all.minus(less);
        if let Some(usage) = state.clients.get_mut(client) {
            *usage = usage.minus(less);
            // Clients come and go: only those with images here are remembered.
            if *usage == Usage::default() {
                state.clients.remove(client);
            }
        }
        let of_model = state.models.get(model).copied().unwrap_or_default();
        self.set(&mut state, model, of_model.minus(less));
    }

    /// Tells the observer under the lock, so that the last that it is told is the last that was.
    fn set(&self, state: &mut State, model: &ModelId, usage: Usage) {
        state.models.insert(model.clone(), usage);
        self.observer.queue(model, usage.entries, usage.bytes);
    }
}

impl Place {
    /// Takes more bytes for the same image.
    ///
    /// # Errors
    /// They are not left; the place keeps what it had.
    pub fn grow(&self, more: u64) -> Result<(), EngineError> {
        let held = &self.0;
        let mut usage = held.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = usage.bytes.saturating_add(more);
        held.places.fits_at_all(wanted)?;
        let more = Usage {
            entries: 0,
            bytes: more,
        };
        held.places.add(&held.model, &held.client, more, || 1.0)?;
        usage.bytes = wanted;
        Ok(())
    }

    /// The image has its answer: it neither waits nor runs any more, and only so many bytes are kept of it.
    pub fn answered(&self, bytes: u64) {
        let held = &self.0;
        let mut usage = held.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let left = Usage {
            entries: 0,
            bytes: bytes.min(usage.bytes),
        };
        held.places
            .give_back(&held.model, &held.client, usage.minus(left));
        *usage = left;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let less = *self.usage.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.places.give_back(&self.model, &self.client, less);
    }
}
