//! From prepared images to a network's input: one way for training and for serving.

use ndarray::{Array3, Array4, ArrayView2, ArrayView3, Axis, s};
use tch::{Device, TchError, Tensor};
use thiserror::Error;

use super::layout::channels_last;
use super::unet::padded_side;

/// Prepared images of one batch, padded at the bottom and at the right to a common size of multiples of 16.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// `[B, C, H, W]`. What was added has its image's and channel's least value, as background has.
    pub pixels: Array4<f32>,
    /// `[B, H, W]`: 1 where a pixel comes from the image, 0 where padding added it. None where nothing was added.
    pub valid: Option<Array3<u8>>,
}

/// Images that make no batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// There is no image, or an empty one.
    #[error("image {index} of the batch has the shape {shape:?}; it must have at least one channel, row and column")]
    Empty {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its shape, `[C, H, W]`.
        shape: Vec<usize>,
    },
    /// Images differ in their channels.
    #[error("image {index} of the batch has {found} channels; it must have {expected}, as the first image has")]
    Channels {
        /// Its place in the batch, from 0.
        index: usize,
        /// Its channels.
        found: usize,
        /// The first image's channels.
        expected: usize,
    },
    /// A validity mask is not of its image's size.
    #[error("image {index} of the batch has a validity mask of {found:?} (height, width); it must be {expected:?}")]
    Valid {
        /// Its place in the batch, from 0.
        index: usize,
        /// The mask's size.
        found: (usize, usize),
        /// The image's size.
        expected: (usize, usize),
    },
}

impl Batch {
    /// Puts prepared images `[C, H, W]`, each with the validity mask `[H, W]` that its preparation left, into a batch.
    ///
    /// # Errors
    /// Names the first image that does not fit. No image at all is the empty image 0.
    pub fn new(images: &[(ArrayView3<'_, f32>, Option<ArrayView2<'_, u8>>)]) -> Result<Batch, BatchError> {
        let channels = images.first().map_or(0, |(first, _)| first.dim().0);
        if images.is_empty() {
            return Err(BatchError::Empty { index: 0, shape: Vec::new() });
        }
        for (index, (image, valid)) in images.iter().enumerate() {
            let (found, height, width) = image.dim();
            if image.is_empty() {
                return Err(BatchError::Empty { index, shape: image.shape().to_vec() });
            }
            if found != channels {
                return Err(BatchError::Channels { index, found, expected: channels });
            }
            if let Some(valid) = valid.filter(|valid| valid.dim() != (height, width)) {
                return Err(BatchError::Valid { index, found: valid.dim(), expected: (height, width) });
            }
        }
        let most = |axis| images.iter().map(|(image, _)| image.len_of(Axis(axis))).max().unwrap_or(0);
        let [height, width] = [1, 2].map(|axis| padded_side(most(axis) as i64) as usize);
        let mut pixels = Array4::zeros((images.len(), channels, height, width));
        let mut validity = Array3::zeros((images.len(), height, width));
        for (index, (image, valid)) in images.iter().enumerate() {
            let (_, rows, columns) = image.dim();
            for (mut target, source) in pixels.index_axis_mut(Axis(0), index).outer_iter_mut().zip(image.outer_iter())
            {
                if (rows, columns) != (height, width) {
                    target.fill(source.iter().copied().fold(f32::INFINITY, f32::min));
                }
                target.slice_mut(s![..rows, ..columns]).assign(&source);
            }
            let mut target = validity.slice_mut(s![index, ..rows, ..columns]);
            match valid {
                Some(valid) => target.assign(valid),
                None => target.fill(1),
            }
        }
        let all = validity.iter().all(|&valid| valid != 0);
        Ok(Batch { pixels, valid: (!all).then_some(validity) })
    }

    /// Height and width after padding.
    pub fn size(&self) -> (usize, usize) {
        let (_, _, height, width) = self.pixels.dim();
        (height, width)
    }

    /// The pixels as `[B, C, H, W]` float32, channels last in memory.
    ///
    /// # Errors
    /// When libtorch cannot allocate.
    pub fn pixels(&self, device: Device) -> Result<Tensor, TchError> {
        let (batch, channels, height, width) = self.pixels.dim();
        let shape = [batch, channels, height, width].map(|side| side as i64);
        let values = self.pixels.as_standard_layout();
        let tensor = Tensor::f_from_slice(values.as_slice().unwrap_or_default())?.f_view(shape)?;
        channels_last(&tensor.f_to_device(device)?)
    }

    /// The validity mask as `[B, 1, H, W]` float32 of 0 and 1; None where every pixel comes from an image.
    ///
    /// # Errors
    /// When libtorch cannot allocate.
    pub fn valid(&self, device: Device) -> Result<Option<Tensor>, TchError> {
        let Some(valid) = &self.valid else { return Ok(None) };
        let (batch, height, width) = valid.dim();
        let values: Vec<f32> = valid.iter().map(|&valid| f32::from(valid != 0)).collect();
        let shape = [batch, 1, height, width].map(|side| side as i64);
        Ok(Some(Tensor::f_from_slice(&values)?.f_view(shape)?.f_to_device(device)?))
    }
}
