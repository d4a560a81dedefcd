//! For one position of the tiles, the sums over the input channels: `[tiles, in]` by `[in, WIDTH]`.
//!
//! The channels are accumulated one after the other, by fused multiply-add, for as many tiles as fit into registers, so that every form of
//! the loop gives the same bits.

use super::lanes::{LANES, Lanes};
use super::sizes::{TILES, WIDTH};

/// The input channels of all tiles at a position, one vector of channels after the other: tiles that are multiplied together are
/// contiguous.
pub(super) type Plane = [[Lanes; TILES]];
/// The sums of all tiles at a position.
pub(super) type Sums = [[f32; WIDTH]; TILES];

/// Writes the sums of the first `count` tiles, and of those beyond that share their registers.
#[inline(always)]
pub(super) fn multiply(tiles: &Plane, kernels: &[[f32; WIDTH]], sums: &mut Sums, count: usize) {
    /// Two vectors of sums for each of six tiles fill the sixteen registers of AVX2.
    const ROWS: usize = 6;
    const { assert!(TILES.is_multiple_of(ROWS)) };
    let kernels = kernels.as_chunks::<LANES>().0;
    let runs = sums.as_chunks_mut::<ROWS>().0.iter_mut();
    for (run, sums) in runs.take(count.div_ceil(ROWS)).enumerate() {
        let mut own = [[0.0f32; WIDTH]; ROWS];
        for (channels, kernels) in tiles.iter().zip(kernels) {
            let tiles = &channels.as_chunks::<ROWS>().0[run];
            for channel in 0..LANES {
                for row in 0..ROWS {
                    for output in 0..WIDTH {
                        own[row][output] =
                            tiles[row][channel].mul_add(kernels[channel][output], own[row][output]);
                    }
                }
            }
        }
        *sums = own;
    }
}

/// The same with explicit 512-bit vectors, since the compiler does not vectorise the loop that wide.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
pub(super) fn multiply_avx512(tiles: &Plane, kernels: &[[f32; WIDTH]], sums: &mut Sums, count: usize) {
    use std::arch::x86_64::{
        __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };
    /// One vector of sums for each tile: enough tiles to amortise the loads of the kernel.
    const ROWS: usize = 16;
    const { assert!(TILES.is_multiple_of(ROWS)) };
    // SAFETY: reads a vector of the array that it is given.
    let load = |values: &[f32; WIDTH]| unsafe { _mm512_loadu_ps(values.as_ptr()) };
    // SAFETY: writes a vector to the array that it is given.
    let store =
        |values: &mut [f32; WIDTH], sum: __m512| unsafe { _mm512_storeu_ps(values.as_mut_ptr(), sum) };

    let kernels = kernels.as_chunks::<LANES>().0;
    let runs = sums.as_chunks_mut::<ROWS>().0.iter_mut();
    for (run, sums) in runs.take(count.div_ceil(ROWS)).enumerate() {
        let mut own = [_mm512_setzero_ps(); ROWS];
        for (channels, kernels) in tiles.iter().zip(kernels) {
            let tiles = &channels.as_chunks::<ROWS>().0[run];
            for channel in 0..LANES {
                let kernel = load(&kernels[channel]);
                for row in 0..ROWS {
                    own[row] = _mm512_fmadd_ps(_mm512_set1_ps(tiles[row][channel]), kernel, own[row]);
                }
            }
        }
        for (sums, own) in sums.iter_mut().zip(own) {
            store(sums, own);
        }
    }
}
