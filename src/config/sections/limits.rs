//! Section `limits`.

use crate::config::rule::whole;
use crate::config::section::section;

section! {
    /// Limits of one image. Beyond them a request gets `INVALID_ARGUMENT`, `IMAGE_TOO_LARGE`, before the image is decoded.
    #[derive(Copy, Eq)]
    pub struct LimitsSettings: "limits" {
        /// Pixels (or voxels), channels counted.
        max_pixels: u64 = 67108864, whole(1..);
        /// Bytes of the file, and of the decoded image.
        max_bytes: u64 = 1073741824, whole(1..);
    }
}
