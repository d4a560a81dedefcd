//! Places in a model's queue: what images take while they wait, run and are answered, bounded in entries and in bytes.

use std::sync::{Arc, Mutex, PoisonError};

use super::contract::ModelId;
use super::error::EngineError;
use super::observer::Observer;

/// Bounds of one model's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most images at once.
    pub entries: usize,
    /// Most bytes that they take.
    pub bytes: u64,
    /// Most images that the network sees at once.
    pub max_batch: usize,
}

/// What is taken of a queue's bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images.
    pub entries: usize,
    /// Bytes that they take.
    pub bytes: u64,
}

/// All places of one model.
pub(super) struct Places {
    model: ModelId,
    bounds: Bounds,
    usage: Mutex<Usage>,
    observer: Arc<dyn Observer>,
}

/// A place for one image, held until its answer is on its way. The last clone that is dropped gives it back.
#[derive(Clone)]
pub struct Place(Arc<Held>);

struct Held {
    places: Arc<Places>,
    bytes: Mutex<u64>,
}

impl Places {
    pub fn new(model: ModelId, bounds: Bounds, observer: Arc<dyn Observer>) -> Arc<Places> {
        Arc::new(Places {
            model,
            bounds,
            usage: Mutex::default(),
            observer,
        })
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    pub fn usage(&self) -> Usage {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for an image of so many bytes.
    ///
    /// # Errors
    /// No entry or not enough bytes are left; `retry` says when to come again.
    pub fn take(self: &Arc<Self>, bytes: u64, retry: impl FnOnce() -> f64) -> Result<Place, EngineError> {
        self.change(
            retry,
            |usage, bounds| {
                let more = Usage {
                    entries: usage.entries + 1,
                    bytes: usage.bytes.saturating_add(bytes),
                };
                (more.entries <= bounds.entries && more.bytes <= bounds.bytes).then_some(more)
            },
            bytes,
        )?;
        Ok(Place(Arc::new(Held {
            places: self.clone(),
            bytes: Mutex::new(bytes),
        })))
    }

    fn change(
        &self,
        retry: impl FnOnce() -> f64,
        next: impl FnOnce(&Usage, &Bounds) -> Option<Usage>,
        wanted: u64,
    ) -> Result<(), EngineError> {
        if wanted > self.bounds.bytes {
            return Err(EngineError::TooLargeForQueue {
                bytes: wanted,
                limit: self.bounds.bytes,
            });
        }
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = next(&usage, &self.bounds) else {
            let full = EngineError::QueueFull {
                model: self.model.to_string(),
                entries: usage.entries,
                bytes: usage.bytes,
                limit_entries: self.bounds.entries,
                limit_bytes: self.bounds.bytes,
                retry_seconds: retry(),
            };
            return Err(full);
        };
        *usage = next;
        // Told under the lock, so that the last that is told is the last that was.
        self.observer.queue(&self.model, next.entries, next.bytes);
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        usage.entries -= 1;
        usage.bytes -= bytes;
        self.observer.queue(&self.model, usage.entries, usage.bytes);
    }
}

impl Place {
    /// Takes more bytes for the same image.
    ///
    /// # Errors
    /// They are not left; the place keeps what it had.
    pub fn grow(&self, more: u64) -> Result<(), EngineError> {
        let mut bytes = self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = bytes.saturating_add(more);
        self.0.places.change(
            || 1.0,
            |usage, bounds| {
                let next = Usage {
                    entries: usage.entries,
                    bytes: usage.bytes.saturating_add(more),
                };
                (next.bytes <= bounds.bytes).then_some(next)
            },
            wanted,
        )?;
        *bytes = wanted;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.places.give_back(bytes);
    }
}
