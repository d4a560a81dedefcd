//! Images of several sizes in one batch.

use tch::{TchError, Tensor};

/// Sizes of the images of a batch, each with its own padding.
pub(super) struct Extents<'a> {
    /// `[H', W']` of the batch.
    pub bucket: [i64; 2],
    /// `[H', W']` of each image; empty where all have the size of the batch.
    pub own: &'a [[i64; 2]],
}

impl Extents<'_> {
    pub fn all() -> Extents<'static> {
        Extents {
            bucket: [0, 0],
            own: &[],
        }
    }

    /// Sets a feature map of any layer to zero beyond each image, as the padding of a convolution does beyond its border.
    pub fn clear(&self, map: &Tensor) -> Result<(), TchError> {
        for (index, own) in self.own.iter().enumerate() {
            let image = map.f_narrow(0, index as i64, 1)?;
            for (axis, dimension) in [(0, 2), (1, 3)] {
                let side = map.size()[dimension as usize];
                // Both sides are multiples of the deepest layer's downsampling.
                let reach = own[axis] * side / self.bucket[axis];
                if reach < side {
                    let _ = image.f_narrow(dimension, reach, side - reach)?.f_zero_()?;
                }
            }
        }
        Ok(())
    }
}
