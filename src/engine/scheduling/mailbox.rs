//! Mailbox that hands an idle worker a batch or asks it to release its OpenMP threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sagate_core::nn::threads::release_omp_threads;

/// Mailbox of a worker for batches of type `T`. Other threads write; only the worker's own thread waits.
pub struct Mailbox<T> {
    state: Mutex<MailboxState<T>>,
    changed: Condvar,
}

struct MailboxState<T> {
    batch: Option<T>,
    /// When the worker asks the scheduler again: the maximum batching delay has then passed.
    wake_at: Option<Instant>,
    /// Whether no further batch will come.
    closed: bool,
    release_omp_threads: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Mailbox {
            state: Mutex::new(MailboxState {
                batch: None,
                wake_at: None,
                closed: false,
                release_omp_threads: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<T> Mailbox<T> {
    /// Hands the worker a batch.
    pub fn give(&self, batch: T) {
        self.update(|state| state.batch = Some(batch));
    }

    /// Sets the time at which the worker asks the scheduler again.
    pub fn wake_at(&self, then: Instant) {
        self.update(|state| state.wake_at = Some(then));
    }

    /// Closes the mailbox: no further batch will come.
    pub fn close(&self) {
        self.update(|state| state.closed = true);
    }

    /// Asks the worker to end its OpenMP threads before anything else: other workers need the cores.
    pub fn release_omp_threads(&self) {
        self.update(|state| state.release_omp_threads = true);
    }

    /// Takes a delivered batch that the worker has not begun.
    pub fn take(&self) -> Option<T> {
        self.lock().batch.take()
    }

    /// Waits for a batch, on the worker's own thread. `None`: it is time to ask the scheduler again.
    pub fn wait(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if std::mem::take(&mut state.release_omp_threads) {
                drop(state);
                release_omp_threads();
                state = self.lock();
                continue;
            }
            if let Some(batch) = state.batch.take() {
                return Some(batch);
            }
            let now = Instant::now();
            if std::mem::take(&mut state.closed) || state.wake_at.take_if(|then| *then <= now).is_some() {
                return None;
            }
            state = match state.wake_at {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(then) => {
                    let waited = self.changed.wait_timeout(state, then - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, MailboxState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut MailboxState<T>)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}
