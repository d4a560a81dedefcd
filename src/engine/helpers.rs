//! Whose threads help with operations, and who has to give them up.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::seat::Seat;

/// Helpers are given up at most so often: ending threads and starting others takes longer than many an image, and keeps some memory each
/// time, which is not to be paid by every image where models are asked in turn.
const PAUSE: Duration = Duration::from_secs(5);

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
            idle.give_up_helpers();
            others -= threads;
            false
        });
        let own_go = may_give_up && threads == 1 && own > 1 && others + own > cores;
        if own_go {
            seat.give_up_helpers();
        } else if own > 1 {
            self.held.push((Arc::downgrade(seat), own));
        }
        if own_go || others < all_others {
            self.given_up = Some(Instant::now());
        }
    }
}
