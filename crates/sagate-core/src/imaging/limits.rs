//! Size limits of pictures.

use super::ImagingError;

/// Size limits of one decoded picture. Checked against the header before allocation, and again while bytes are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values in all: height x width x channels, or the voxels of a volume x channels.
    pub max_pixels: u64,
    /// Bytes, of the file itself and of what it unpacks to in its own voxel type.
    pub max_bytes: u64,
}

impl Default for Limits {
    /// 64 Mi values and 1 GiB.
    fn default() -> Self {
        Self {
            max_pixels: 64 << 20,
            max_bytes: 1 << 30,
        }
    }
}

impl Limits {
    /// Checks a shape (outermost axis first) and the size of one value in bytes; returns the number of values.
    ///
    /// # Errors
    /// [`ImagingError::Field`] where an axis is zero, [`ImagingError::TooLarge`] above a limit (also where the product
    /// does not fit into 64 bits).
    pub(crate) fn check(
        &self,
        file: &str,
        field: &'static str,
        shape: &[u64],
        value_bytes: u64,
    ) -> Result<usize, ImagingError> {
        let shown = || shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        if shape.is_empty() || shape.contains(&0) {
            let was = if shape.is_empty() {
                "empty".to_owned()
            } else {
                shown()
            };
            return Err(ImagingError::field(
                file,
                field,
                was,
                "at least 1 along every axis",
            ));
        }
        let too_large = |limit: String| ImagingError::TooLarge {
            file: file.to_owned(),
            field,
            was: shown(),
            limit,
        };
        let count = shape
            .iter()
            .try_fold(1u64, |product, &side| product.checked_mul(side));
        let count = count.filter(|&count| count <= self.max_pixels);
        let count = count.ok_or_else(|| too_large(format!("{} values", self.max_pixels)))?;
        let bytes = count
            .checked_mul(value_bytes)
            .filter(|&bytes| bytes <= self.max_bytes);
        bytes.ok_or_else(|| too_large(format!("{} bytes", self.max_bytes)))?;
        usize::try_from(count).map_err(|_| too_large(format!("{} values", usize::MAX)))
    }

    /// Checks a number of bytes.
    ///
    /// # Errors
    /// [`ImagingError::TooLarge`] above `max_bytes`.
    pub(crate) fn check_bytes(
        &self,
        file: &str,
        field: &'static str,
        bytes: u64,
    ) -> Result<(), ImagingError> {
        if bytes > self.max_bytes {
            return Err(ImagingError::TooLarge {
                file: file.to_owned(),
                field,
                was: format!("{bytes} bytes"),
                limit: format!("{} bytes", self.max_bytes),
            });
        }
        Ok(())
    }
}
