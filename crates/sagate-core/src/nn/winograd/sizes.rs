//! Sizes that all parts of the Winograd convolution share.

/// Outputs of a tile's side.
pub(super) const TILE: usize = 2;
/// Values of a tile in Winograd's form.
pub(super) const POSITIONS: usize = 16;
/// Tiles at a time: whole runs of each form of the product.
pub(super) const TILES: usize = 48;
/// Output channels of a block: two vectors for each of six tiles fill the registers.
pub(super) const WIDTH: usize = 16;
