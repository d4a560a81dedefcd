//! Points in an image.

/// A point of the plane: x to the right, y down; the image spans -1 to 1 along both.
pub(super) type Point = [f32; 2];
