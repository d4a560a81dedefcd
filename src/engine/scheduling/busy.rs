//! When slots, workers and memory that batches in flight keep busy become free.

/// What a running batch keeps busy, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Busy {
    /// Seconds until it is expected to be done.
    pub free_in: f64,
    /// Slots that it takes.
    pub threads: usize,
    /// Bytes of memory that it takes.
    pub memory: u64,
}

/// Seconds until so many bytes are free, when `free` are now and each running batch gives its own back.
pub fn memory_free_in(busy: &[Busy], mut free: u64, needed: u64) -> f64 {
    if needed <= free {
        return 0.0;
    }
    let mut busy = busy.to_vec();
    busy.sort_by(|a, b| a.free_in.total_cmp(&b.free_in));
    for batch in &busy {
        free = free.saturating_add(batch.memory);
        if needed <= free {
            return batch.free_in;
        }
    }
    // More than there is: the image is refused for that, not for the time.
    0.0
}

/// Seconds until one of several servers (slots, or instances), each free in so many seconds, has done its part of the `ahead` seconds
/// of work that go before, when whichever is free takes the next part. Without servers nothing is known: 0.
pub fn next_free_in(mut free_in: Vec<f64>, ahead: f64) -> f64 {
    free_in.sort_by(f64::total_cmp);
    let mut taken = 0.0;
    for (index, &one) in free_in.iter().enumerate() {
        // So many share the work, and are done together.
        taken += one;
        let done = (ahead + taken) / (index + 1) as f64;
        let next = free_in.get(index + 1).copied().unwrap_or(f64::INFINITY);
        if done <= next {
            return done;
        }
    }
    0.0
}
