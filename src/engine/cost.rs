//! What an image costs a model, as measured: from it follows how long others wait.

use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Weight of a new measurement in the moving average.
const NEWEST: f64 = 0.2;
/// Seconds of one SAM before one was measured, in segmentations of the same image: all 18 layers then count as one more segmentation.
const UNMEASURED_SAM: f64 = 1.0 / 18.0;

/// What is left of a measurement's worth each time that it alone is why an image is refused.
const DOUBT: f64 = 0.98;

/// What images ask of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// Height times width on the prepared grid: what the network and the scores run over.
    pub pixels: u64,
    /// The same, once for each SAM that an interpretation shows.
    pub sam_pixels: u64,
}

/// What an image costs. Seconds are of one slot: a core on a CPU, the whole of a GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Seconds for a pixel of [`Work::pixels`].
    segmentation: Option<f64>,
    /// Seconds for a pixel of [`Work::sam_pixels`].
    sam: Option<f64>,
    /// In (0, 1], what the measurements are multiplied with.
    worth: f64,
}

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
        segmentation: None,
        sam: None,
        worth: 1.0,
    };

    /// Seconds for so much work; 0 as long as nothing was measured.
    pub fn seconds(&self, work: Work) -> f64 {
        let segmentation = self.segmentation.unwrap_or(0.0);
        let sam = self.sam.unwrap_or(UNMEASURED_SAM * segmentation);
        self.worth * (segmentation * work.pixels as f64 + sam * work.sam_pixels as f64)
    }

    /// Remembers how long a segmentation, or an interpretation, of so much work took.
    pub fn measured(&mut self, work: Work, seconds: f64) {
        self.worth = 1.0;
        if work.sam_pixels == 0 {
            average(&mut self.segmentation, seconds / work.pixels.max(1) as f64);
            return;
        }
        // What the network's pass does not explain is the SAMs'. None takes as long as the network's pass: what says so was held up, and a
        // few SAMs of a small image would stand for very many of a large one.
        let segmentation = self.segmentation.unwrap_or(f64::INFINITY);
        let pass = self.segmentation.unwrap_or(0.0) * work.pixels as f64;
        let sam = (seconds - pass).max(0.0) / work.sam_pixels as f64;
        average(&mut self.sam, sam.min(segmentation));
    }

    /// Believes the measurements a little less: by them an image was refused while the model had nothing to do. Of many such one is tried
    /// in the end, so that what was measured while the machine was slow is not held against images for ever.
    pub fn doubt(&mut self) {
        self.worth *= DOUBT;
    }
}

/// Takes a new measurement into a moving average.
pub(super) fn average(value: &mut Option<f64>, newest: f64) {
    *value = Some(value.map_or(newest, |before| before + NEWEST * (newest - before)));
}
