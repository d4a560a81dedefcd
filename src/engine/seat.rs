//! Where an instance waits for its next batch, and for word that the threads which help it have to go.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sagate_core::nn::threads::give_up_helpers;

use super::scheduler::Grant;

/// Where an instance waits.
#[derive(Default)]
pub(super) struct Seat {
    told: Mutex<Told>,
    changed: Condvar,
}

/// What a waiting instance is told.
#[derive(Default)]
struct Told {
    grant: Option<Grant>,
    /// When to look whether a batch has waited for company for long enough.
    look_at: Option<Instant>,
    /// Whether the queue was closed.
    closed: bool,
    /// Whether its helpers have to go.
    give_up_helpers: bool,
}

impl Seat {
    /// Here is a batch.
    pub fn give(&self, grant: Grant) {
        self.tell(|told| told.grant = Some(grant));
    }

    /// Look then.
    pub fn look_at(&self, then: Instant) {
        self.tell(|told| told.look_at = Some(then));
    }

    /// Nothing will come any more.
    pub fn close(&self) {
        self.tell(|told| told.closed = true);
    }

    /// End the threads that help you before anything else: others need the cores.
    pub fn give_up_helpers(&self) {
        self.tell(|told| told.give_up_helpers = true);
    }

    /// The batch that it was given and has not yet begun.
    pub fn take_grant(&self) -> Option<Grant> {
        self.told().grant.take()
    }

    /// Waits for a batch, on the instance's own thread. `None`: it is time to look again.
    pub fn wait(&self) -> Option<Grant> {
        let mut told = self.told();
        loop {
            if std::mem::take(&mut told.give_up_helpers) {
                drop(told);
                give_up_helpers();
                told = self.told();
                continue;
            }
            if let Some(grant) = told.grant.take() {
                return Some(grant);
            }
            let now = Instant::now();
            if std::mem::take(&mut told.closed) || told.look_at.take_if(|then| *then <= now).is_some() {
                return None;
            }
            told = match told.look_at {
                None => self.changed.wait(told).unwrap_or_else(PoisonError::into_inner),
                Some(then) => {
                    let waited = self.changed.wait_timeout(told, then - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: impl FnOnce(&mut Told)) {
        what(&mut self.told());
        self.changed.notify_all();
    }
}
