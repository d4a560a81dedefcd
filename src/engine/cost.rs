//! What an image costs a model, as measured: from it follows how long others wait.

/// Weight of a new measurement in the moving average.
const NEWEST: f64 = 0.2;
/// An interpretation of every layer before one was measured, in segmentations.
const INTERPRETATION: f64 = 12.0;

/// What is left of a measurement's worth each time that it alone is why an image is refused.
const DOUBT: f64 = 0.98;

/// What an image costs. Seconds are of one slot: a core on a CPU, the whole of a GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    segmentation: Option<f64>,
    interpretation: Option<f64>,
    /// In (0, 1], what the measurements are multiplied with.
    worth: f64,
}

/// What is asked of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Segmentation,
    Interpretation,
}

impl Cost {
    pub const UNKNOWN: Cost = Cost {
        segmentation: None,
        interpretation: None,
        worth: 1.0,
    };

    /// Seconds for an image of so many pixels; 0 as long as nothing was measured.
    pub fn seconds(&self, kind: Kind, pixels: u64) -> f64 {
        let segmentation = self.segmentation.unwrap_or(0.0);
        let each = match kind {
            Kind::Segmentation => segmentation,
            Kind::Interpretation => self.interpretation.unwrap_or(INTERPRETATION * segmentation),
        };
        self.worth * each * pixels as f64
    }

    /// Remembers how long so many pixels took.
    pub fn measured(&mut self, kind: Kind, pixels: u64, seconds: f64) {
        let each = seconds / pixels.max(1) as f64;
        let place = match kind {
            Kind::Segmentation => &mut self.segmentation,
            Kind::Interpretation => &mut self.interpretation,
        };
        self.worth = 1.0;
        *place = Some(place.map_or(each, |before| before + NEWEST * (each - before)));
    }

    /// Believes the measurements a little less: by them an image was refused while the model had nothing to do. Of many such one is tried
    /// in the end, so that what was measured while the machine was slow is not held against images for ever.
    pub fn doubt(&mut self) {
        self.worth *= DOUBT;
    }
}
