//! Images that wait for one model's thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::error::EngineError;
use super::task::Entry;

/// First in, first out, but that images of one size meet in a batch. How much may wait is bounded by [`super::place::Places`].
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    next_id: u64,
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an image at the end, and says under which number it can be taken out again.
    ///
    /// # Errors
    /// The queue was closed.
    pub fn push(&self, entry: impl FnOnce(u64) -> Entry) -> Result<u64, EngineError> {
        let mut state = self.state();
        if state.closed {
            return Err(EngineError::Stopping);
        }
        let id = state.next_id;
        state.next_id += 1;
        state.waiting.push_back(entry(id));
        self.changed.notify_one();
        Ok(id)
    }

    /// Puts images of a failed batch back to the front, each to run alone.
    pub fn put_back(&self, entries: Vec<Entry>) {
        let mut state = self.state();
        for mut entry in entries.into_iter().rev() {
            entry.alone = true;
            state.waiting.push_front(entry);
        }
        self.changed.notify_one();
    }

    /// Takes an image out whose caller went away, if it still waits.
    pub fn remove(&self, id: u64) {
        let mut state = self.state();
        let place = state.waiting.iter().position(|entry| entry.id == id);
        let removed = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        // Frees the image, and its place, outside of the lock.
        drop(removed);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Takes nothing more; what waits is still served.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Whether it takes nothing more.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until there is something to do. `false`: the queue is closed and empty.
    pub fn wait(&self) -> bool {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.waiting.is_empty()
    }

    /// Takes the first image and all others that may share a batch with it, at most `most`. What nobody waits for is dropped, what
    /// has expired is refused. May be empty.
    pub fn take(&self, most: usize) -> Vec<Entry> {
        let now = Instant::now();
        let (mut batch, mut over) = (Vec::new(), Vec::new());
        let mut state = self.state();
        let mut left = VecDeque::with_capacity(state.waiting.len());
        while let Some(entry) = state.waiting.pop_front() {
            if entry.is_abandoned() || entry.has_expired(now) {
                over.push(entry);
            } else if fits(&batch, &entry, most) {
                batch.push(entry);
            } else {
                left.push_back(entry);
            }
        }
        state.waiting = left;
        drop(state);
        for entry in over {
            entry.refuse(EngineError::DeadlineExceeded);
        }
        batch
    }

    /// Refuses all that waits.
    pub fn refuse_all(&self, error: impl Fn() -> EngineError) {
        let waiting = std::mem::take(&mut self.state().waiting);
        for entry in waiting {
            entry.refuse(error());
        }
    }
}

/// Whether an image may join a batch.
fn fits(batch: &[Entry], entry: &Entry, most: usize) -> bool {
    match batch.first() {
        None => true,
        Some(first) => {
            batch.len() < most
                && first.takes_company()
                && entry.takes_company()
                && first.image.size() == entry.image.size()
        }
    }
}
