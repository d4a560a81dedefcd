//! The slots of a device.

/// Slots of a device for batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Batches that may run at once, at least 1.
    pub count: usize,
    /// Whether a batch may take several slots as threads of its operations (the cores of a CPU).
    pub divisible: bool,
}

impl Slots {
    /// Slots per batch when `free` slots are shared by this number of batches.
    pub fn share(self, free: usize, batches: usize) -> usize {
        if self.divisible {
            (free / batches.max(1)).max(1)
        } else {
            1
        }
    }
}
