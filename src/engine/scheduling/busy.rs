//! When the slots, workers and memory of batches in flight become free.

/// Resources of a running batch, and when they become free.
#[derive(Debug, Clone, Copy)]
pub struct Busy {
    /// Expected seconds until it ends.
    pub free_in: f64,
    /// Slots in use.
    pub threads: usize,
    /// Bytes of memory in use.
    pub memory: u64,
}

/// Seconds until `needed` bytes are free, given that `free` bytes are free now and each running batch releases its own.
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
    // More than the budget: the image is refused for its size, not for its deadline.
    0.0
}

/// Seconds until one of several servers (slots or instances) is free for a new image. `free_in` holds the seconds until each server is free,
/// `ahead` the seconds of queued work, which the free servers share. Without servers: 0.
pub fn next_free_in(mut free_in: Vec<f64>, ahead: f64) -> f64 {
    free_in.sort_by(f64::total_cmp);
    let mut taken = 0.0;
    for (index, &one) in free_in.iter().enumerate() {
        // `index + 1` servers share the work and end together.
        taken += one;
        let done = (ahead + taken) / (index + 1) as f64;
        let next = free_in.get(index + 1).copied().unwrap_or(f64::INFINITY);
        if done <= next {
            return done;
        }
    }
    0.0
}
