//! How a picture is to be turned before it is shown: the EXIF tag `Orientation` of cameras, phones and scanners.

use image::metadata::Orientation as Exif;
use ndarray::{ArrayView, Axis, Dimension};

/// The turn from the pixels as stored to the picture as shown. The last two axes of an array are its rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Rows become columns. This comes first,
    transpose: bool,
    /// then the rows are reversed,
    flip_rows: bool,
    /// and the columns.
    flip_columns: bool,
}

impl Orientation {
    /// Shown as stored.
    pub const UPRIGHT: Orientation = Orientation {
        transpose: false,
        flip_rows: false,
        flip_columns: false,
    };

    /// From the tag's value: 1 is as stored, 6 a rotation by 90 degrees clockwise. Values other than 1 to 8 count as 1.
    pub fn from_exif_value(value: u16) -> Orientation {
        Orientation {
            transpose: (5..=8).contains(&value),
            flip_rows: matches!(value, 3 | 4 | 7 | 8),
            flip_columns: matches!(value, 2 | 3 | 6 | 7),
        }
    }

    /// What an EXIF block (the TIFF structure that a JPEG's APP1 or a PNG's eXIf holds) says; upright where it says nothing.
    pub(super) fn from_exif(block: &[u8]) -> Orientation {
        Exif::from_exif_chunk(block).map_or(Orientation::UPRIGHT, |exif| {
            Orientation::from_exif_value(exif.to_exif().into())
        })
    }

    /// The value of the EXIF tag: 1 to 8.
    pub fn exif_value(self) -> u16 {
        (1..=8)
            .find(|&value| Orientation::from_exif_value(value) == self)
            .expect("the eight values are the eight combinations")
    }

    /// An array as stored, turned as it is shown.
    pub fn upright<'a, T, D: Dimension>(self, mut stored: ArrayView<'a, T, D>) -> ArrayView<'a, T, D> {
        let (rows, columns) = last_axes(stored.ndim());
        if self.transpose {
            stored.swap_axes(rows, columns);
        }
        self.flip(stored)
    }

    /// Inverse of [`Orientation::upright`]: an array as shown, in the stored orientation.
    pub fn stored<'a, T, D: Dimension>(self, upright: ArrayView<'a, T, D>) -> ArrayView<'a, T, D> {
        let (rows, columns) = last_axes(upright.ndim());
        let mut stored = self.flip(upright);
        if self.transpose {
            stored.swap_axes(rows, columns);
        }
        stored
    }

    /// A pair of values that belong to rows and columns, such as a size or a spacing, as stored; turned as it is shown.
    pub fn upright_pair<T>(self, [row, column]: [T; 2]) -> [T; 2] {
        if self.transpose {
            [column, row]
        } else {
            [row, column]
        }
    }

    fn flip<T, D: Dimension>(self, mut array: ArrayView<'_, T, D>) -> ArrayView<'_, T, D> {
        let (rows, columns) = last_axes(array.ndim());
        if self.flip_rows {
            array.invert_axis(Axis(rows));
        }
        if self.flip_columns {
            array.invert_axis(Axis(columns));
        }
        array
    }
}

/// # Panics
/// An array of fewer than two axes has no rows and columns.
fn last_axes(count: usize) -> (usize, usize) {
    assert!(count >= 2, "an image has rows and columns");
    (count - 2, count - 1)
}
