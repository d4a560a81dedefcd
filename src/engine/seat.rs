//! Where an instance waits for its next batch, and the threads that help it meanwhile.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::scheduler::Grant;
use crate::nn::threads::give_up_helpers;

/// Helpers are given up at most so often: ending threads and starting others takes libtorch some ten milliseconds and keeps 2 KiB each time
/// (measured), which is not to be paid by every image where models are asked in turn.
const PAUSE: Duration = Duration::from_secs(5);

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

/// Which instances keep threads that help with their operations, from one batch to the next. Each of libtorch's threads that has computed on
/// several cores keeps its own; where all of them together are more than the cores, they no longer wait awake for what comes next, and every
/// operation begins with the system waking them up (libgomp, `gomp_throttled_spin_count_var`).
#[derive(Default)]
pub(super) struct Helpers {
    /// Threads, those of the instances counted.
    held: Vec<(Weak<Seat>, usize)>,
    /// When some were given up last.
    given_up: Option<Instant>,
}

impl Helpers {
    /// An instance begins a batch on so many of the cores: those that others hold and do not need now are given up, if there would be
    /// too many and none were given up a moment ago.
    pub fn begin(
        &mut self,
        seat: &Arc<Seat>,
        threads: usize,
        cores: usize,
        is_idle: impl Fn(&Arc<Seat>) -> bool,
    ) {
        self.held.retain(|(it, _)| it.strong_count() > 0);
        let place = self
            .held
            .iter()
            .position(|(it, _)| std::ptr::eq(it.as_ptr(), Arc::as_ptr(seat)));
        let before = place.map_or(1, |place| self.held.remove(place).1);
        // Who runs a batch by itself keeps what helped it before.
        let own = if threads > 1 { threads } else { before };
        let mut others: usize = self.held.iter().map(|(_, threads)| threads).sum();
        let may_give_up = self.given_up.is_none_or(|then| then.elapsed() >= PAUSE);
        let all_others = others;
        self.held.retain(|(it, threads)| {
            let too_many = may_give_up && others + own > cores;
            let Some(idle) = it.upgrade().filter(|it| too_many && is_idle(it)) else {
                return true;
            };
            idle.tell(|told| told.give_up_helpers = true);
            others -= threads;
            false
        });
        let own_go = may_give_up && threads == 1 && own > 1 && others + own > cores;
        if own_go {
            seat.tell(|told| told.give_up_helpers = true);
        } else if own > 1 {
            self.held.push((Arc::downgrade(seat), own));
        }
        if own_go || others < all_others {
            self.given_up = Some(Instant::now());
        }
    }
}
