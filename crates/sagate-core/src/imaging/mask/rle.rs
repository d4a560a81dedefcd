//! Run lengths as COCO has them.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::imaging::{ImagingError, Limits};

/// One class's pixels as COCO run lengths: column by column, runs of 0 and 1 in turn, the first of 0 (it may be empty).
///
/// As JSON it is COCO's `{"size": [height, width], "counts": "..."}` with the compressed string that pycocotools makes;
/// both that and a plain list of counts are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Json", try_from = "Json")]
pub struct Rle {
    size: [usize; 2],
    counts: Vec<u64>,
}

impl Rle {
    /// The run lengths of the pixels that have this label.
    pub fn of_class(labels: ArrayView2<'_, u8>, class: u8) -> Self {
        let size = [labels.nrows(), labels.ncols()];
        let mut counts = Vec::new();
        let (mut inside, mut run) = (false, 0);
        for &label in labels.t() {
            if (label == class) != inside {
                counts.push(run);
                (inside, run) = (!inside, 0);
            }
            run += 1;
        }
        counts.push(run);
        Self { size, counts }
    }

    /// From a size `[height, width]` and the lengths of the runs.
    ///
    /// # Errors
    /// [`ImagingError::Field`] where the runs do not fill the size exactly.
    pub fn from_counts(size: [usize; 2], counts: Vec<u64>) -> Result<Self, ImagingError> {
        let area = size[0].checked_mul(size[1]).map(|area| area as u64);
        let sum = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count));
        if area.is_none() || sum != area {
            let was = sum.map_or("a number above 64 bits".to_owned(), |sum| sum.to_string());
            let right = format!("{} x {}, the size", size[0], size[1]);
            return Err(ImagingError::field("mask", "sum of run lengths", was, right));
        }
        Ok(Self { size, counts })
    }

    /// From a size `[height, width]` and COCO's compressed string.
    ///
    /// # Errors
    /// [`ImagingError::Field`] where the string is not such a one, or its runs do not fill the size exactly.
    pub fn from_compressed(size: [usize; 2], text: &str) -> Result<Self, ImagingError> {
        let wrong = |was: String| {
            let right = "runs of characters 48 to 111 (`0` to `o`), as pycocotools writes them";
            ImagingError::field("mask", "compressed counts", was, right)
        };
        let mut counts: Vec<u64> = Vec::new();
        let mut bytes = text.bytes().enumerate();
        while let Some(mut next) = bytes.next() {
            let (mut value, mut shift) = (0i64, 0u32);
            loop {
                let (position, byte) = next;
                let five = byte.checked_sub(48).filter(|&bits| bits < 64);
                let five = five.ok_or_else(|| wrong(format!("byte {byte} at position {position}")))?;
                if shift > 55 {
                    return Err(wrong(format!("a number above 60 bits at position {position}")));
                }
                value |= i64::from(five & 0x1f) << shift;
                shift += 5;
                if five & 0x20 == 0 {
                    if five & 0x10 != 0 {
                        value |= -1 << shift;
                    }
                    break;
                }
                next = bytes.next().ok_or_else(|| wrong("cut short".to_owned()))?;
            }
            // From the fourth on, a count is stored as its difference from the one two before.
            if counts.len() > 2 {
                value = value.wrapping_add_unsigned(counts[counts.len() - 2]);
            }
            let count = u64::try_from(value).map_err(|_| wrong(format!("a run of length {value}")))?;
            counts.push(count);
        }
        Self::from_counts(size, counts)
    }

    /// COCO's compressed string: five bits a character, the lowest first.
    pub fn compressed(&self) -> String {
        let mut text = String::new();
        for (index, &count) in self.counts.iter().enumerate() {
            let mut value = count as i64;
            if index > 2 {
                value -= self.counts[index - 2] as i64;
            }
            loop {
                let five = (value & 0x1f) as u8;
                value >>= 5;
                let more = if five & 0x10 != 0 { value != -1 } else { value != 0 };
                text.push(char::from(48 + if more { five | 0x20 } else { five }));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The lengths of the runs.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Inverse of [`Rle::of_class`]: 1 where the class is, `[height, width]`.
    ///
    /// # Errors
    /// [`ImagingError::TooLarge`] above the limits; [`ImagingError::Field`] where there are no pixels.
    pub fn decode(&self, limits: &Limits) -> Result<Array2<u8>, ImagingError> {
        let [height, width] = self.size;
        let count = limits.check("mask", "size", &[height as u64, width as u64], 1)?;
        let mut columns = Vec::with_capacity(count);
        for (index, &run) in self.counts.iter().enumerate() {
            columns.resize(columns.len() + run as usize, (index % 2) as u8);
        }
        let mask = Array2::from_shape_vec((width, height), columns);
        mask.map(Array2::reversed_axes)
            .map_err(|error| ImagingError::damaged("mask", "run length", error))
    }
}

/// The form in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    size: [usize; 2],
    counts: Counts,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Counts {
    Compressed(String),
    Plain(Vec<u64>),
}

impl From<Rle> for Json {
    fn from(rle: Rle) -> Self {
        Self {
            size: rle.size,
            counts: Counts::Compressed(rle.compressed()),
        }
    }
}

impl TryFrom<Json> for Rle {
    type Error = ImagingError;

    fn try_from(json: Json) -> Result<Self, ImagingError> {
        match json.counts {
            Counts::Compressed(text) => Self::from_compressed(json.size, &text),
            Counts::Plain(counts) => Self::from_counts(json.size, counts),
        }
    }
}
