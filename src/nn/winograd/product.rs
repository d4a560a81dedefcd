//! For one position of the tiles, the sums over the input channels: `[tiles, in]` by `[in, WIDTH]`.

use super::kernels::WIDTH;

/// Tiles whose sums stay in registers together.
pub(super) const ROWS: usize = 6;

/// Writes `tiles * kernels` to `sums`, a row a tile, for whole sixes of tiles; `tiles` has rows of as many values as there are kernels.
#[inline(always)]
pub(super) fn multiply(tiles: &[f32], kernels: &[[f32; WIDTH]], sums: &mut [[f32; WIDTH]]) {
    let six = tiles.chunks_exact(ROWS * kernels.len());
    for (sums, tiles) in sums.as_chunks_mut::<ROWS>().0.iter_mut().zip(six) {
        *sums = rows(tiles, kernels);
    }
}

/// Channel after channel is added to all sums. Walking all rows at once leaves a loop of little but loads and additions, which is what
/// counts where a core is shared.
#[inline(always)]
fn rows(tiles: &[f32], kernels: &[[f32; WIDTH]]) -> [[f32; WIDTH]; ROWS] {
    let row = |index: usize| &tiles[index * kernels.len()..][..kernels.len()];
    let upper = row(0).iter().zip(row(1)).zip(row(2));
    let lower = row(3).iter().zip(row(4)).zip(row(5));
    let mut sums = [[0.0f32; WIDTH]; ROWS];
    for ((kernel, ((a, b), c)), ((d, e), f)) in kernels.iter().zip(upper).zip(lower) {
        let values = [a, b, c, d, e, f];
        for row in 0..ROWS {
            for output in 0..WIDTH {
                sums[row][output] = values[row].mul_add(kernel[output], sums[row][output]);
            }
        }
    }
    sums
}
