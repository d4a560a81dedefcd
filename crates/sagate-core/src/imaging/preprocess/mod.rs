//! Preprocessing: from an image to the network's input, by the steps of a model's manifest. Training and serving share it.
//!
//! An image is turned upright first, as its [`Orientation`](super::Orientation) says. Steps run in the order in which they are listed. Intensity steps take their statistics per channel, over the pixels
//! that come from the image (not those that [`Step::PadTo`] added). Everything is computed at double precision in the
//! order of the pixels, so the same image gives bit-equal results however it came here.

mod intensity;
mod prepared;
mod ranked;
mod resample;
mod values;

use std::num::NonZeroUsize;

use ndarray::Axis;
use serde::{Deserialize, Serialize};

use super::samples::require_finite;
use super::{Image, ImagingError, Limits};
pub use prepared::Prepared;

/// One preprocessing step. In a manifest: a table with the key `op` and the step's own keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", from = "Table")]
pub enum Step {
    /// Keeps these channels, in this order.
    SelectChannels {
        /// Indices into the image's channels, from 0.
        channels: Vec<usize>,
    },
    /// Clips each channel to two of its percentiles. The percentile p of n sorted values lies at rank p/100 (n - 1),
    /// counted from 0, linearly between neighbours (NumPy's default).
    ClipPercentiles {
        /// The lower percentile, 0 to 100, below `high`.
        low: f64,
        /// The upper percentile, 0 to 100.
        high: f64,
    },
    /// Clips every channel to fixed values, in the file's own units (such as a CT window).
    Window {
        /// The lower end, below `high`.
        low: f32,
        /// The upper end.
        high: f32,
    },
    /// Brings each channel to mean 0 and standard deviation 1 (of the population). A constant channel becomes 0.
    ZScore,
    /// Brings each channel to 0..=1, from its least to its greatest value. A constant channel becomes 0.
    UnitRange,
    /// Resamples to a spacing: each side becomes its extent over the spacing, rounded, at least 1. The field of view is
    /// kept exactly. Linear; where the grid becomes coarser, each new pixel averages what it covers.
    Resample {
        /// Millimetres per row step and per column step.
        spacing: [f64; 2],
    },
    /// Resamples to a size, as [`Step::Resample`] does.
    ResampleTo {
        /// Height and width.
        size: [usize; 2],
    },
    /// Pads to a size, the image in the middle (one more at the bottom or right where that is uneven). What is added
    /// has the channel's least value, as background has, and is marked in [`Prepared::valid`]. A larger image is an
    /// error.
    PadTo {
        /// Height and width.
        size: [usize; 2],
    },
}

/// [`Step`] as it is read: every variant has braces, as serde checks the keys of those only.
#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Table {
    SelectChannels { channels: Vec<usize> },
    ClipPercentiles { low: f64, high: f64 },
    Window { low: f32, high: f32 },
    ZScore {},
    UnitRange {},
    Resample { spacing: [f64; 2] },
    ResampleTo { size: [usize; 2] },
    PadTo { size: [usize; 2] },
}

impl From<Table> for Step {
    fn from(table: Table) -> Self {
        match table {
            Table::SelectChannels { channels } => Self::SelectChannels { channels },
            Table::ClipPercentiles { low, high } => Self::ClipPercentiles { low, high },
            Table::Window { low, high } => Self::Window { low, high },
            Table::ZScore {} => Self::ZScore,
            Table::UnitRange {} => Self::UnitRange,
            Table::Resample { spacing } => Self::Resample { spacing },
            Table::ResampleTo { size } => Self::ResampleTo { size },
            Table::PadTo { size } => Self::PadTo { size },
        }
    }
}

impl Step {
    /// The step's name in a manifest.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SelectChannels { .. } => "select_channels",
            Self::ClipPercentiles { .. } => "clip_percentiles",
            Self::Window { .. } => "window",
            Self::ZScore => "z_score",
            Self::UnitRange => "unit_range",
            Self::Resample { .. } => "resample",
            Self::ResampleTo { .. } => "resample_to",
            Self::PadTo { .. } => "pad_to",
        }
    }

    /// Checks the step's own parameters, as far as that can be done without an image.
    ///
    /// # Errors
    /// [`ImagingError::Step`].
    pub fn check(&self) -> Result<(), ImagingError> {
        let wrong =
            |field: &str, was: String, right: &str| Err(ImagingError::step(self.name(), field, was, right));
        match self {
            Self::SelectChannels { channels } if channels.is_empty() => {
                wrong("channels", "empty".to_owned(), "at least one channel's index")
            }
            Self::ClipPercentiles { low, high } if !(0.0 <= *low && low < high && *high <= 100.0) => wrong(
                "low and high",
                format!("{low} and {high}"),
                "within 0 and 100, low below high",
            ),
            Self::Window { low, high } if !(low.is_finite() && high.is_finite() && low < high) => wrong(
                "low and high",
                format!("{low} and {high}"),
                "finite, low below high",
            ),
            Self::Resample { spacing } if !spacing.iter().all(|&step| positive(step)) => wrong(
                "spacing",
                format!("{spacing:?}"),
                "two positive numbers of millimetres",
            ),
            Self::ResampleTo { size } | Self::PadTo { size } if !fits(1, *size) => {
                let most = Limits::default().max_pixels;
                wrong(
                    "size",
                    format!("{size:?}"),
                    &format!("height and width of at least 1, {most} pixels at most"),
                )
            }
            _ => Ok(()),
        }
    }

    fn apply(&self, image: &mut Prepared) -> Result<(), ImagingError> {
        match self {
            Self::SelectChannels { channels } => {
                let count = image.pixels.len_of(Axis(0));
                if let Some(absent) = channels.iter().find(|&&channel| channel >= count) {
                    let right = format!("below {count}, the number of channels that the image has");
                    return Err(ImagingError::step(self.name(), "channel", absent, right));
                }
                image.pixels = image.pixels.select(Axis(0), channels);
            }
            Self::ClipPercentiles { low, high } => intensity::clip_percentiles(image, *low, *high),
            Self::Window { low, high } => image.pixels.mapv_inplace(|value| value.clamp(*low, *high)),
            Self::ZScore => intensity::z_score(image),
            Self::UnitRange => intensity::unit_range(image),
            Self::Resample { spacing } => {
                let [height, width] = image.size();
                let side =
                    |count: usize, old: f64, new: f64| (count as f64 * old / new).round().max(1.0) as usize;
                let [rows, columns] = image.spacing;
                self.resize(
                    image,
                    [side(height, rows, spacing[0]), side(width, columns, spacing[1])],
                )?;
            }
            Self::ResampleTo { size } => self.resize(image, *size)?,
            Self::PadTo { size } => {
                let now = image.size();
                if now[0] > size[0] || now[1] > size[1] {
                    let right = format!("at most {size:?}, the size to pad to (resample it before)");
                    return Err(ImagingError::step(
                        self.name(),
                        "image size",
                        format!("{now:?}"),
                        right,
                    ));
                }
                image.pad(*size);
            }
        }
        Ok(())
    }

    fn resize(&self, image: &mut Prepared, size: [usize; 2]) -> Result<(), ImagingError> {
        if !fits(image.pixels.len_of(Axis(0)), size) {
            let right = format!("at most {} values", Limits::default().max_pixels);
            return Err(ImagingError::step(
                self.name(),
                "resampled size",
                format!("{size:?}"),
                right,
            ));
        }
        image.resize(size);
        Ok(())
    }
}

fn positive(step: f64) -> bool {
    step.is_finite() && step > 0.0
}

/// Whether an image of this size is not empty and stays within the default limits.
fn fits(channels: usize, [height, width]: [usize; 2]) -> bool {
    let count = height
        .checked_mul(width)
        .and_then(|count| count.checked_mul(channels))
        .and_then(NonZeroUsize::new);
    count.is_some_and(|count| count.get() as u64 <= Limits::default().max_pixels)
}

/// Applies the steps in their order.
///
/// # Errors
/// [`ImagingError::Step`] where a step's parameters are wrong or do not fit the image; [`ImagingError::Field`] and
/// [`ImagingError::NotFinite`] where the image itself is empty, has no usable spacing or holds NaN or infinity.
pub fn prepare(image: Image, steps: &[Step]) -> Result<Prepared, ImagingError> {
    const FILE: &str = "image";
    if image.pixels.is_empty() {
        let right = "at least one channel, row and column";
        return Err(ImagingError::field(
            FILE,
            "shape",
            format!("{:?}", image.pixels.shape()),
            right,
        ));
    }
    if !image.spacing.iter().all(|&step| positive(step)) {
        let right = "two positive numbers of millimetres (1 where unknown)";
        return Err(ImagingError::field(
            FILE,
            "spacing",
            format!("{:?}", image.spacing),
            right,
        ));
    }
    require_finite(FILE, &image.pixels)?;
    for step in steps {
        step.check()?;
    }
    let mut prepared = Prepared::untouched(image);
    for step in steps {
        step.apply(&mut prepared)?;
    }
    Ok(prepared)
}
