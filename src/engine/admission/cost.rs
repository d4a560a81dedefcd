//! What an image costs a model, as measured: from it follows how long others wait.

use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Weight of a new measurement in the moving average.
const NEWEST: f64 = 0.2;
/// Seconds of one SAM before one was measured, in segmentations of the same image: all 18 layers then count as one more segmentation.
const UNMEASURED_SAM: f64 = 1.0 / 18.0;

/// What confidence in the measurements is multiplied with each time that they alone are why an image is refused.
const DECAY: f64 = 0.98;

/// What images ask of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Height times width on the prepared grid: what the network and the scores run over.
    pub pixels: u64,
    /// The same, once for each SAM that an interpretation shows.
    pub sam_pixels: u64,
}

/// What an image costs. Seconds are of one slot: a core on a CPU, the whole of a GPU.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Of the pixels of [`Work::pixels`].
    segmentation: Rate,
    /// Of the pixels of [`Work::sam_pixels`].
    sam: Rate,
    /// In (0, 1], what the measurements are multiplied with.
    confidence: f64,
}

/// Seconds for a unit of work, as the ratio of two moving averages: an image weighs as much as it has work. An average of ratios would
/// let a small image that was held up stand for all the pixels of a large one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    /// Seconds and units of a measurement; `None` as long as nothing was measured.
    averages: Option<(f64, f64)>,
}

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Segmentation,
    Interpretation,
}

impl Work {
    /// A segmentation of so many pixels.
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

    /// Seconds for so much work; 0 as long as nothing was measured.
    pub fn seconds(&self, work: Work) -> f64 {
        let segmentation = self.segmentation.seconds().unwrap_or(0.0);
        let sam = self.sam.seconds().unwrap_or(UNMEASURED_SAM * segmentation);
        self.confidence * (segmentation * work.pixels as f64 + sam * work.sam_pixels as f64)
    }

    /// Remembers how long a segmentation, or an interpretation, of so much work took.
    pub fn measured(&mut self, work: Work, seconds: f64) {
        self.confidence = 1.0;
        if work.sam_pixels == 0 {
            self.segmentation.measured(work.pixels, seconds);
            return;
        }
        // What the network's pass does not explain is the SAMs'. None takes as long as the network's pass: what says so was held up.
        let segmentation = self.segmentation.seconds();
        let pass = segmentation.unwrap_or(0.0) * work.pixels as f64;
        let most = segmentation.unwrap_or(f64::INFINITY) * work.sam_pixels as f64;
        self.sam
            .measured(work.sam_pixels, (seconds - pass).clamp(0.0, most));
    }

    /// Lowers the estimate a little: by it an image was refused while the model had nothing to do, so that no measurement corrects it. In
    /// the end an image is tried, and what was measured while the machine was slow does not refuse images for ever.
    pub fn decay_confidence(&mut self) {
        self.confidence *= DECAY;
    }
}

impl Rate {
    /// Seconds for one unit; `None` as long as nothing was measured.
    pub fn seconds(&self) -> Option<f64> {
        self.averages.map(|(seconds, units)| seconds / units)
    }

    /// Remembers how long so many units took.
    pub fn measured(&mut self, units: u64, seconds: f64) {
        let newest = (seconds, units.max(1) as f64);
        let moved = |before: f64, newest: f64| before + NEWEST * (newest - before);
        self.averages = Some(self.averages.map_or(newest, |(seconds, units)| {
            (moved(seconds, newest.0), moved(units, newest.1))
        }));
    }
}
