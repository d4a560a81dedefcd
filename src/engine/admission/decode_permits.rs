//! Permits to decode images: at most one per core at a time, the most urgent first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::cost::Rate;
use super::deadline::in_time;
use super::priority::Priority;
use crate::engine::error::EngineError;

/// The permits of a server. Clones are the same.
#[derive(Clone)]
pub struct DecodePermits(Arc<Inner>);

struct Inner {
    /// Total number of permits.
    count: usize,
    /// Waiter time before an image is promoted to a higher class.
    aging: Duration,
    state: Mutex<DecodePermitState>,
}

struct DecodePermitState {
    free: usize,
    next_id: u64,
    waiting: [VecDeque<Waiter>; Priority::ALL.len()],
    /// Measured seconds per byte, of tensors and of files.
    rates: [Rate; 2],
}

struct Waiter {
    id: u64,
    since: Instant,
    payload: DecodeSize,
    /// Closed when the waiter is gone.
    wake: oneshot::Sender<DecodePermit>,
}

/// Size and kind of a payload to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeSize {
    /// Encoded bytes.
    pub bytes: u64,
    /// Whether it is an image file, which takes longer to decode per byte than a tensor.
    pub is_file: bool,
}

/// Permit to decode one image, until it is dropped.
pub struct DecodePermit {
    permits: DecodePermits,
    payload: DecodeSize,
    begun: Instant,
}

impl Waiter {
    fn class(&self, now: Instant, aging: Duration, class: Priority) -> Priority {
        class.promoted(now.saturating_duration_since(self.since), aging)
    }
}

impl DecodePermits {
    /// Creates this number of permits, at least one.
    pub fn new(count: usize, aging: Duration) -> DecodePermits {
        let count = count.max(1);
        DecodePermits(Arc::new(Inner {
            count,
            aging,
            state: Mutex::new(DecodePermitState {
                free: count,
                next_id: 0,
                waiting: Default::default(),
                rates: [Rate::default(); 2],
            }),
        }))
    }

    /// Waits for a permit. Dropping the future cancels the wait.
    ///
    /// # Errors
    /// [`EngineError::NotInTime`], immediately: the estimated delay exceeds the deadline.
    pub async fn acquire(
        &self,
        payload: DecodeSize,
        priority: Priority,
        deadline: Option<Instant>,
    ) -> Result<DecodePermit, EngineError> {
        let woken = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(self.permit(payload));
            }
            let now = Instant::now();
            if let Some(deadline) = deadline {
                let wait = self.seconds_ahead(&state, priority, now);
                in_time(deadline, wait + state.seconds(payload), now)?;
            }
            let (wake, woken) = oneshot::channel();
            let id = state.next_id;
            state.next_id += 1;
            state.waiting[priority as usize].push_back(Waiter {
                id,
                since: now,
                payload,
                wake,
            });
            woken
        };
        // The sender is dropped only with all permits, of which this future holds one.
        woken.await.map_err(|_| EngineError::Stopping)
    }

    /// Number of images that wait for a permit.
    pub fn waiting(&self) -> usize {
        let state = self.state();
        let wanted = |waiting: &&Waiter| !waiting.wake.is_closed();
        state.waiting.iter().flatten().filter(wanted).count()
    }

    fn seconds_ahead(&self, state: &DecodePermitState, priority: Priority, now: Instant) -> f64 {
        let in_class = |(class, line): (&Priority, &VecDeque<Waiter>)| -> f64 {
            let before =
                |it: &&Waiter| !it.wake.is_closed() && it.class(now, self.0.aging, *class) <= priority;
            let before = line.iter().filter(before);
            before.map(|it| state.seconds(it.payload)).sum()
        };
        let classes = Priority::ALL.iter().zip(&state.waiting);
        classes.map(in_class).sum::<f64>() / self.0.count as f64
    }

    fn permit(&self, payload: DecodeSize) -> DecodePermit {
        DecodePermit {
            permits: self.clone(),
            payload,
            begun: Instant::now(),
        }
    }

    /// Passes a released permit to the next waiter.
    fn pass_on(&self) {
        let mut state = self.state();
        while let Some(next) = state.take_next(Instant::now(), self.0.aging) {
            if next.wake.is_closed() {
                continue;
            }
            drop(state);
            // If the waiter disappears at this moment, the permit is dropped here and passed on again.
            let _ = next.wake.send(self.permit(next.payload));
            return;
        }
        state.free += 1;
    }

    fn state(&self) -> MutexGuard<'_, DecodePermitState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DecodePermitState {
    /// Estimated seconds for a payload; 0 before the first measurement of its kind.
    fn seconds(&self, payload: DecodeSize) -> f64 {
        let rate = &self.rates[usize::from(payload.is_file)];
        rate.seconds().unwrap_or(0.0) * payload.bytes as f64
    }

    fn measured(&mut self, payload: DecodeSize, took: Duration) {
        let rate = &mut self.rates[usize::from(payload.is_file)];
        rate.measured(payload.bytes, took.as_secs_f64());
    }

    /// The most urgent waiter after aging; the oldest among equals.
    fn take_next(&mut self, now: Instant, aging: Duration) -> Option<Waiter> {
        let heads = Priority::ALL.iter().zip(&self.waiting);
        let first = |(&class, line): (&Priority, &VecDeque<Waiter>)| {
            let head = line.front()?;
            Some((head.class(now, aging, class), head.id, class as usize))
        };
        let (_, _, line) = heads.filter_map(first).min()?;
        self.waiting[line].pop_front()
    }
}

impl DecodePermit {
    /// Releases the permit after decoding, and records the time.
    pub fn decoded(self) {
        self.permits.state().measured(self.payload, self.begun.elapsed());
    }
}

impl Drop for DecodePermit {
    fn drop(&mut self) {
        self.permits.pass_on();
    }
}
