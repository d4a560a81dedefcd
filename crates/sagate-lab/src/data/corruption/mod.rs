//! Image corruption as scanners and operators cause it, seeded and in three severities.
//!
//! [`apply`] corrupts one image of a stack. The random numbers come from the corruption's kind and seed and the image's own pixels, so
//! the result does not depend on other calls. The severity scales the same draw. Values stay within the range of the image's number
//! format (see [`range`]). `docs/research/data-sets.md` has the table of kinds and severities.

mod bands;
pub(super) mod blur;
mod copies;
pub(super) mod intensity;
mod motion;
pub(super) mod noise;
mod orientation;
mod species;
mod stack;

use std::fmt;
use std::str::FromStr;

use ndarray::{Array3, ArrayView2, Axis};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DataError, Example};

pub use copies::write_copies;

/// A kind of corruption.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum CorruptionKind {
    /// Normally distributed noise on every pixel.
    GaussianNoise,
    /// The noise of a magnitude image: Rician, which also lifts the dark parts.
    RicianNoise,
    /// A Gaussian point spread.
    Blur,
    /// Ghosts along the phase-encoding direction: the head moved to and fro while k-space was filled.
    Motion,
    /// Signal that fades from one side to another, as under a surface coil.
    BiasField,
    /// Reduced contrast between tissues, as with a badly timed sequence; air stays dark.
    ContrastLoss,
    /// A band of rows or columns without signal.
    MissingBand,
    /// Columns flipped, rotated by 90 degrees, or upside down; the truth is transformed alike.
    WrongOrientation,
    /// Thick slices: the mean over neighbouring slices of the stack.
    ThickSlices,
    /// The same position in another species' head, with that species' truth.
    OtherSpecies,
}

impl CorruptionKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::GaussianNoise,
        Self::RicianNoise,
        Self::Blur,
        Self::Motion,
        Self::BiasField,
        Self::ContrastLoss,
        Self::MissingBand,
        Self::WrongOrientation,
        Self::ThickSlices,
        Self::OtherSpecies,
    ];

    /// The name used in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian-noise",
            Self::RicianNoise => "rician-noise",
            Self::Blur => "blur",
            Self::Motion => "motion",
            Self::BiasField => "bias-field",
            Self::ContrastLoss => "contrast-loss",
            Self::MissingBand => "missing-band",
            Self::WrongOrientation => "wrong-orientation",
            Self::ThickSlices => "thick-slices",
            Self::OtherSpecies => "other-species",
        }
    }
}

impl fmt::Display for CorruptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Severity of a corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Severity {
    /// Severity 1: a reader would notice and go on.
    Mild,
    /// Severity 2: a reader would hesitate.
    Moderate,
    /// Severity 3: a reader would ask for another scan.
    Severe,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 3] = [Self::Mild, Self::Moderate, Self::Severe];

    /// 1, 2 or 3.
    pub fn number(self) -> u8 {
        self.into()
    }

    /// The entry of a table with one parameter for each severity.
    fn select<T: Copy>(self, table: [T; 3]) -> T {
        table[usize::from(self.number()) - 1]
    }
}

impl TryFrom<u8> for Severity {
    type Error = DataError;

    fn try_from(number: u8) -> Result<Self, DataError> {
        match number {
            1 => Ok(Self::Mild),
            2 => Ok(Self::Moderate),
            3 => Ok(Self::Severe),
            was => Err(DataError::Severity { was: was.to_string() }),
        }
    }
}

impl FromStr for Severity {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text.parse::<u8>() {
            Ok(number) => Self::try_from(number),
            Err(_) => Err(DataError::Severity { was: text.to_owned() }),
        }
    }
}

impl From<Severity> for u8 {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Mild => 1,
            Severity::Moderate => 2,
            Severity::Severe => 3,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

/// A corruption: kind, severity and seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corruption {
    /// Kind.
    pub kind: CorruptionKind,
    /// Severity.
    pub severity: Severity,
    /// Seed of its random parameters.
    pub seed: u64,
}

/// Corrupts `stack[index]`. Name and position stay, and so does the size but for a rotation or another species. The truth is
/// transformed alike where the geometry changes. `other` is used only for another species, the rest of the stack only for thick slices.
///
/// # Errors
/// An image without pixels or with values that are not finite; thick slices of an image without neighbours or with neighbours of another
/// size; another species with an empty `other`.
///
/// # Panics
/// When `index` is not below the stack's length.
pub fn apply(
    corruption: &Corruption,
    stack: &[Example],
    index: usize,
    other: &[Example],
) -> Result<Example, DataError> {
    let example = &stack[index];
    check(example)?;
    let Corruption { kind, severity, .. } = *corruption;
    let mut random = random(corruption, &example.image.pixels);
    let mut corrupted = match kind {
        CorruptionKind::ThickSlices => stack::thicken(stack, index, severity)?,
        CorruptionKind::OtherSpecies => species::replace(example, other, severity)?,
        _ => example.clone(),
    };
    let levels: Vec<f32> = example.image.pixels.outer_iter().map(signal_level).collect();
    let pixels = &mut corrupted.image.pixels;
    let (low, high) = range(pixels);
    match kind {
        CorruptionKind::GaussianNoise => noise::add(pixels, &levels, severity, noise::gaussian, &mut random),
        CorruptionKind::RicianNoise => noise::add(pixels, &levels, severity, noise::rician, &mut random),
        CorruptionKind::Blur => blur::blur(pixels, severity),
        CorruptionKind::Motion => motion::ghosts(pixels, severity, &mut random),
        CorruptionKind::BiasField => intensity::bias(pixels, severity, &mut random),
        CorruptionKind::ContrastLoss => intensity::flatten(pixels, &levels, severity),
        CorruptionKind::MissingBand => bands::erase(pixels, low, severity, &mut random),
        CorruptionKind::WrongOrientation => orientation::turn(&mut corrupted, severity, &mut random),
        CorruptionKind::ThickSlices | CorruptionKind::OtherSpecies => {}
    }
    if matches!(
        kind,
        CorruptionKind::WrongOrientation | CorruptionKind::OtherSpecies
    ) {
        // The geometry of the image's file no longer applies.
        corrupted.image.geometry = None;
    }
    corrupted.image.pixels.mapv_inplace(|v| v.clamp(low, high));
    Ok(corrupted)
}

/// The range of an image's number format, inferred from its pixels: from 0 (or the minimum, where that is negative) to the smallest of
/// 1, 255 and 65535 that is not below the maximum (or to the maximum, where it is above all of them).
pub fn range(pixels: &Array3<f32>) -> (f32, f32) {
    let low = pixels.iter().copied().fold(0.0, f32::min);
    let top = pixels.iter().copied().fold(0.0, f32::max);
    let high = [1.0, 255.0, 65535.0]
        .into_iter()
        .find(|&ceiling| top <= ceiling)
        .unwrap_or(top);
    (low, high)
}

/// The signal level that noise and contrast of a channel are relative to: the mean of all pixels above a tenth of the maximum, which is
/// the mean over tissue where air is dark. 0 for a channel without a positive pixel.
fn signal_level(channel: ArrayView2<'_, f32>) -> f32 {
    let top = channel.iter().copied().fold(0.0, f32::max);
    let (mut sum, mut count) = (0.0_f64, 0_u64);
    for &v in channel.iter().filter(|&&v| v > top / 10.0) {
        sum += f64::from(v);
        count += 1;
    }
    if count == 0 {
        0.0
    } else {
        (sum / count as f64) as f32
    }
}

fn check(example: &Example) -> Result<(), DataError> {
    let wrong = |what: String| DataError::Image {
        name: example.name.clone(),
        what,
    };
    if example.image.pixels.is_empty() {
        return Err(wrong(format!(
            "is {:?} (channels, height, width); each must be at least 1",
            example.image.pixels.dim()
        )));
    }
    match example.image.pixels.iter().find(|v| !v.is_finite()) {
        Some(odd) => Err(wrong(format!(
            "holds the value {odd}; every pixel must be finite"
        ))),
        None => Ok(()),
    }
}

/// The random generator of a corruption of an image: seeded by kind, seed and pixels, but not by the severity.
fn random(corruption: &Corruption, pixels: &Array3<f32>) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(corruption.kind.name());
    hash.update(corruption.seed.to_le_bytes());
    for axis in 0..3 {
        hash.update((pixels.len_of(Axis(axis)) as u64).to_le_bytes());
    }
    for v in pixels {
        hash.update(v.to_bits().to_le_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}
