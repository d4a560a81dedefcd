//! Damage: what scanners and people do to an image, seeded and in three grades.
//!
//! [`apply`] spoils one image of a stack. What is random in it comes from the damage's kind and seed and the image's
//! own pixels, so the same image is always spoilt in the same way, whatever else is done before, after or beside it; and
//! a higher grade is more of the same, not another draw. Values stay within what the image's number format holds (see
//! [`range`]). `docs/research/data-sets.md` has the table of kinds and what each grade means.

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

/// A kind of damage.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
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
    /// Tissues that look alike, as with a badly timed sequence; air stays dark.
    ContrastLoss,
    /// A band of rows or columns without signal.
    MissingBand,
    /// Columns flipped, turned by a quarter, or upside down; the truth moves along.
    WrongOrientation,
    /// Thick slices: the mean over neighbouring slices of the stack.
    ThickSlices,
    /// The same place in another species' head, with that species' truth.
    OtherSpecies,
}

impl Kind {
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How bad a damage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Grade {
    /// Grade 1: a reader would notice and go on.
    Mild,
    /// Grade 2: a reader would hesitate.
    Moderate,
    /// Grade 3: a reader would ask for another scan.
    Severe,
}

impl Grade {
    /// All grades, mildest first.
    pub const ALL: [Self; 3] = [Self::Mild, Self::Moderate, Self::Severe];

    /// 1, 2 or 3.
    pub fn number(self) -> u8 {
        self.into()
    }

    /// The entry of a table of one parameter a grade.
    fn of<T: Copy>(self, table: [T; 3]) -> T {
        table[usize::from(self.number()) - 1]
    }
}

impl TryFrom<u8> for Grade {
    type Error = DataError;

    fn try_from(number: u8) -> Result<Self, DataError> {
        match number {
            1 => Ok(Self::Mild),
            2 => Ok(Self::Moderate),
            3 => Ok(Self::Severe),
            was => Err(DataError::Grade { was: was.to_string() }),
        }
    }
}

impl FromStr for Grade {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text.parse::<u8>() {
            Ok(number) => Self::try_from(number),
            Err(_) => Err(DataError::Grade { was: text.to_owned() }),
        }
    }
}

impl From<Grade> for u8 {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Mild => 1,
            Grade::Moderate => 2,
            Grade::Severe => 3,
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.number(), f)
    }
}

/// One damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// What happens.
    pub kind: Kind,
    /// How badly.
    pub grade: Grade,
    /// Which of the many ways it can happen.
    pub seed: u64,
}

/// Damages `stack[index]`. Name, position and, but for a quarter turn or another species, size stay; so does the truth,
/// which moves along where the geometry changes. `other` is only looked at for another species, the rest of the stack
/// only for thick slices.
///
/// # Errors
/// When the image holds values that are not finite or no pixel, when thick slices are asked of an image without
/// neighbours or with neighbours of another size, and when another species is asked for and `other` is empty.
///
/// # Panics
/// When `index` is not below the stack's length.
pub fn apply(
    damage: &Damage,
    stack: &[Example],
    index: usize,
    other: &[Example],
) -> Result<Example, DataError> {
    let example = &stack[index];
    check(example)?;
    let Damage { kind, grade, .. } = *damage;
    let mut random = random(damage, &example.image.pixels);
    let mut damaged = match kind {
        Kind::ThickSlices => stack::thicken(stack, index, grade)?,
        Kind::OtherSpecies => species::replace(example, other, grade)?,
        _ => example.clone(),
    };
    let levels: Vec<f32> = example.image.pixels.outer_iter().map(signal_level).collect();
    let pixels = &mut damaged.image.pixels;
    let (low, high) = range(pixels);
    match kind {
        Kind::GaussianNoise => noise::spoil(pixels, &levels, grade, noise::gaussian, &mut random),
        Kind::RicianNoise => noise::spoil(pixels, &levels, grade, noise::rician, &mut random),
        Kind::Blur => blur::blur(pixels, grade),
        Kind::Motion => motion::ghosts(pixels, grade, &mut random),
        Kind::BiasField => intensity::bias(pixels, grade, &mut random),
        Kind::ContrastLoss => intensity::flatten(pixels, &levels, grade),
        Kind::MissingBand => bands::erase(pixels, low, grade, &mut random),
        Kind::WrongOrientation => orientation::turn(&mut damaged, grade, &mut random),
        Kind::ThickSlices | Kind::OtherSpecies => {}
    }
    if matches!(kind, Kind::WrongOrientation | Kind::OtherSpecies) {
        // Its pixels no longer lie where the image's file says.
        damaged.image.geometry = None;
    }
    damaged.image.pixels.mapv_inplace(|v| v.clamp(low, high));
    Ok(damaged)
}

/// The values an image's number format holds, as far as its pixels tell: from 0 (or the least value, where that is
/// negative) to the smallest of 1, 255 and 65535 that is not below the greatest value (or to that value, where it is
/// above all of them).
pub fn range(pixels: &Array3<f32>) -> (f32, f32) {
    let low = pixels.iter().copied().fold(0.0, f32::min);
    let top = pixels.iter().copied().fold(0.0, f32::max);
    let high = [1.0, 255.0, 65535.0]
        .into_iter()
        .find(|&ceiling| top <= ceiling)
        .unwrap_or(top);
    (low, high)
}

/// The signal that noise and contrast of a channel are measured against: the mean of all its pixels above a tenth of the
/// greatest, which is the mean over tissue where air is dark. 0 for a channel without a positive pixel.
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

/// The random numbers of a damage to an image: from kind, seed and pixels, but not from the grade.
fn random(damage: &Damage, pixels: &Array3<f32>) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(damage.kind.name());
    hash.update(damage.seed.to_le_bytes());
    for axis in 0..3 {
        hash.update((pixels.len_of(Axis(axis)) as u64).to_le_bytes());
    }
    for v in pixels {
        hash.update(v.to_bits().to_le_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}
