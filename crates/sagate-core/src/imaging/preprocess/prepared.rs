//! A prepared image, with the transform back to the image's own grid.

use ndarray::{Array2, Array3, ArrayViewMut2, Axis, s};

use super::resample;
use crate::imaging::{Image, ImagingError, Orientation};

/// An image after its preprocessing.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// `[channels, height, width]`, what the network takes.
    pub pixels: Array3<f32>,
    /// `[height, width]`: 1 where a pixel comes from the image, 0 where padding added it. None where there is no
    /// padding.
    pub valid: Option<Array2<u8>>,
    /// Millimetres per row step and per column step of `pixels`.
    pub spacing: [f64; 2],
    /// Height and width of the image itself.
    original: [usize; 2],
    /// The changes of the grid, in order.
    moves: Vec<Move>,
}

/// A change of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
    Turn(Orientation),
    Resize {
        from: [usize; 2],
        to: [usize; 2],
    },
    Pad {
        from: [usize; 2],
        to: [usize; 2],
        offset: [usize; 2],
    },
}

impl Prepared {
    /// The image as it is shown.
    pub(super) fn untouched(image: Image) -> Self {
        let (_, height, width) = image.pixels.dim();
        let turn = (image.orientation != Orientation::UPRIGHT).then_some(Move::Turn(image.orientation));
        let image = image.upright();
        let pixels = if image.pixels.is_standard_layout() {
            image.pixels
        } else {
            image.pixels.as_standard_layout().into_owned()
        };
        Self {
            pixels,
            valid: None,
            spacing: image.spacing,
            original: [height, width],
            moves: turn.into_iter().collect(),
        }
    }

    /// The same pixels as an image whose own grid is the prepared grid.
    pub fn on_its_own_grid(&self) -> Self {
        Self {
            original: self.size(),
            moves: Vec::new(),
            ..self.clone()
        }
    }

    /// Height and width of the prepared grid.
    pub fn size(&self) -> [usize; 2] {
        let (_, height, width) = self.pixels.dim();
        [height, width]
    }

    /// Height and width of the image before preprocessing: the grid that [`Prepared::restore_probability`] returns to.
    pub fn original_size(&self) -> [usize; 2] {
        self.original
    }

    pub(super) fn resize(&mut self, to: [usize; 2]) {
        let from = self.size();
        self.pixels = resample::linear(self.pixels.view(), to);
        self.valid = self.valid.take().map(|valid| resample::nearest(&valid, to));
        for axis in 0..2 {
            self.spacing[axis] *= from[axis] as f64 / to[axis] as f64;
        }
        self.moves.push(Move::Resize { from, to });
    }

    pub(super) fn pad(&mut self, to: [usize; 2]) {
        let from = self.size();
        let offset = [(to[0] - from[0]) / 2, (to[1] - from[1]) / 2];
        let mut padded = Array3::zeros((self.pixels.len_of(Axis(0)), to[0], to[1]));
        for (mut target, source) in padded.outer_iter_mut().zip(self.pixels.outer_iter()) {
            let least = source.iter().copied().fold(f32::INFINITY, f32::min);
            target.fill(least);
            window(target, from, offset).assign(&source);
        }
        let valid = self
            .valid
            .take()
            .unwrap_or_else(|| Array2::ones((from[0], from[1])));
        self.valid = Some(pad_zeros(&valid, to, offset));
        self.pixels = padded;
        self.moves.push(Move::Pad { from, to, offset });
    }

    /// Brings probabilities `[K, height, width]` on the prepared grid back to the image's own grid: padding is cut
    /// off, resampling undone linearly, so that values within 0..=1 stay there, and the image's pixels lie as they are stored.
    ///
    /// # Panics
    /// Where height and width are not those of [`Prepared::pixels`].
    pub fn restore_probability(&self, probability: Array3<f32>) -> Array3<f32> {
        assert_eq!(
            probability.shape()[1..],
            self.size(),
            "probabilities lie on the prepared grid"
        );
        let mut restored = probability;
        for step in self.moves.iter().rev() {
            restored = match *step {
                Move::Turn(orientation) => {
                    let stored = orientation.stored(restored.view());
                    stored.as_standard_layout().into_owned()
                }
                Move::Resize { from, .. } => resample::linear(restored.view(), from),
                Move::Pad {
                    from: [height, width],
                    offset: [top, left],
                    ..
                } => restored
                    .slice(s![.., top..top + height, left..left + width])
                    .to_owned(),
            };
        }
        restored
    }

    /// Whether the prepared grid is another than the image's own.
    pub fn has_moved(&self) -> bool {
        !self.moves.is_empty()
    }

    /// Brings labels `[height, width]` on the image's own grid to the prepared grid: nearest neighbour, background in
    /// the padding.
    ///
    /// # Errors
    /// [`ImagingError::Field`] where the labels' shape is not the image's.
    pub fn prepare_labels(&self, labels: &Array2<u8>) -> Result<Array2<u8>, ImagingError> {
        if labels.shape() != self.original {
            let right = format!("{:?}, as its image has", self.original);
            return Err(ImagingError::field(
                "mask",
                "shape",
                format!("{:?}", labels.shape()),
                right,
            ));
        }
        Ok(self
            .moves
            .iter()
            .fold(labels.clone(), |labels, step| match *step {
                Move::Turn(orientation) => {
                    let upright = orientation.upright(labels.view());
                    upright.as_standard_layout().into_owned()
                }
                Move::Resize { to, .. } => resample::nearest(&labels, to),
                Move::Pad { to, offset, .. } => pad_zeros(&labels, to, offset),
            }))
    }
}

/// The part of `target` that starts at `offset`.
fn window<T>(
    target: ArrayViewMut2<'_, T>,
    size: [usize; 2],
    [top, left]: [usize; 2],
) -> ArrayViewMut2<'_, T> {
    target.slice_move(s![top..top + size[0], left..left + size[1]])
}

/// `values` at `offset` among zeros.
fn pad_zeros(values: &Array2<u8>, to: [usize; 2], offset: [usize; 2]) -> Array2<u8> {
    let mut placed = Array2::zeros((to[0], to[1]));
    window(placed.view_mut(), [values.nrows(), values.ncols()], offset).assign(values);
    placed
}
