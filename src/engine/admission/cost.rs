//! Measured cost of images, from which queue delays are estimated.

use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Weight of a new measurement in the moving average.
const NEWEST: f64 = 0.2;
/// Assumed cost of one SAM before the first measurement, relative to a segmentation of the same image: 18 layers cost one segmentation.
const UNMEASURED_SAM: f64 = 1.0 / 18.0;

/// Factor on the confidence for each image that is refused only because of the estimate.
const DECAY: f64 = 0.98;

/// Amount of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Height times width on the prepared grid, for forward pass and scoring.
    pub pixels: u64,
    /// The same, times the number of SAMs of an interpretation.
    pub sam_pixels: u64,
}

/// Cost model of images, in slot-seconds: of one core on a CPU, of the whole device on a GPU.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Seconds per pixel of [`Work::pixels`].
    segmentation: Rate,
    /// Seconds per pixel of [`Work::sam_pixels`].
    sam: Rate,
    /// Factor on the measurements, in (0, 1].
    confidence: f64,
}

/// Seconds per unit of work, as the ratio of two moving averages, which weights images by their work. In an average of ratios, one delayed
/// small image would distort the estimate for large ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    /// Mean seconds and units per measurement; `None` before the first one.
    averages: Option<(f64, f64)>,
}

/// Kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Segmentation,
    Interpretation,
}

impl Work {
    /// A segmentation of this number of pixels.
    pub fn segmentation(pixels: u64) -> Work {
        Work {
            pixels,
            sam_pixels: 0,
        }
    }
}

impl Add for Work {
    type Output = Work;

    fn add(self, more: Work) -> Work {
        Work {
            pixels: self.pixels + more.pixels,
            sam_pixels: self.sam_pixels + more.sam_pixels,
        }
    }
}

impl Sub for Work {
    type Output = Work;

    fn sub(self, less: Work) -> Work {
        Work {
            pixels: self.pixels - less.pixels,
            sam_pixels: self.sam_pixels - less.sam_pixels,
        }
    }
}

impl AddAssign for Work {
    fn add_assign(&mut self, more: Work) {
        *self = *self + more;
    }
}

impl SubAssign for Work {
    fn sub_assign(&mut self, less: Work) {
        *self = *self - less;
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Work>>(all: I) -> Work {
        all.fold(Work::default(), Add::add)
    }
}

impl Cost {
    pub const UNKNOWN: Cost = Cost {
        segmentation: Rate { averages: None },
        sam: Rate { averages: None },
        confidence: 1.0,
    };

    /// Estimated slot-seconds; 0 before the first measurement.
    pub fn seconds(&self, work: Work) -> f64 {
        let segmentation = self.segmentation.seconds().unwrap_or(0.0);
        let sam = self.sam.seconds().unwrap_or(UNMEASURED_SAM * segmentation);
        self.confidence * (segmentation * work.pixels as f64 + sam * work.sam_pixels as f64)
    }

    /// Records the time of a segmentation or an interpretation.
    pub fn measured(&mut self, work: Work, seconds: f64) {
        self.confidence = 1.0;
        if work.sam_pixels == 0 {
            self.segmentation.measured(work.pixels, seconds);
            return;
        }
        // Time beyond the forward pass belongs to the SAMs. A SAM never takes as long as a forward pass: clamp delayed measurements.
        let segmentation = self.segmentation.seconds();
        let pass = segmentation.unwrap_or(0.0) * work.pixels as f64;
        let most = segmentation.unwrap_or(f64::INFINITY) * work.sam_pixels as f64;
        self.sam
            .measured(work.sam_pixels, (seconds - pass).clamp(0.0, most));
    }

    /// Lowers the estimate a little after it refused an image while the model was idle. Without this, measurements from a slow period would
    /// refuse images forever, since no new measurement corrects them.
    pub fn decay_confidence(&mut self) {
        self.confidence *= DECAY;
    }
}

impl Rate {
    /// Seconds per unit; `None` before the first measurement.
    pub fn seconds(&self) -> Option<f64> {
        self.averages.map(|(seconds, units)| seconds / units)
    }

    /// Records the time of this number of units.
    pub fn measured(&mut self, units: u64, seconds: f64) {
        let newest = (seconds, units.max(1) as f64);
        let moved = |before: f64, newest: f64| before + NEWEST * (newest - before);
        self.averages = Some(self.averages.map_or(newest, |(seconds, units)| {
            (moved(seconds, newest.0), moved(units, newest.1))
        }));
    }
}
