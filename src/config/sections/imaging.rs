//! Section `imaging`.

use crate::config::rule::switch;
use crate::config::section::section;

section! {
    /// How image files are read.
    #[derive(Copy, Eq)]
    pub struct ImagingSettings: "imaging" {
        /// Whether an image file with equal red, green and blue everywhere counts as one channel for a model that takes one.
        /// If false, or if one pixel differs, the number of channels is wrong.
        grey_from_rgb: bool = true, switch();
    }
}
