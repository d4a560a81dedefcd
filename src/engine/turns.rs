//! Whose turn it is on a device: one batch runs at a time, and models take turns in the order in which they asked.

use std::sync::{Condvar, Mutex, PoisonError};

/// The turns of one device. libtorch uses every core for a batch; two at once would only be in each other's way.
#[derive(Default)]
pub(super) struct Turns {
    next: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    asked: u64,
    served: u64,
}

/// A turn on the device; it ends when this is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits for the turn.
    pub fn wait(&self) -> Turn<'_> {
        let mut line = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = line.asked;
        line.asked += 1;
        while line.served != mine {
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
        line.served += 1;
        self.0.changed.notify_all();
    }
}
