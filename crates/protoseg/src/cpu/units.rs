//! Kernels for the pixel counts of each unit's own SAM, inside and outside a class of the output.

use crate::kernel;
use crate::reference::label_runs::Run;

/// Channels that a kernel keeps in registers.
const TILE: usize = 64;
/// Counters of a slice.
const LANES: usize = 32;

kernel! {
    /// Counts the positions of a channels-last image's runs that lie above their channel's limit: into `both` where the run is of
    /// `class`, into `rest` where it is of another valid one.
    fn count_runs_of_positions(
        image: &[f32],
        channels: usize,
        runs: &[Run],
        class: u8,
        invalid: u8,
        sign: &[f32],
        limit: &[f32],
        both: &mut [u32],
        rest: &mut [u32],
    ) {
        for run in runs.iter().filter(|run| run.class != invalid) {
            let positions = &image[run.start as usize * channels..(run.start + run.length) as usize * channels];
            let counts = if run.class == class { &mut *both } else { &mut *rest };
            let mut first = 0;
            while first + TILE <= channels {
                count_tile::<TILE>(positions, channels, first, sign, limit, counts);
                first += TILE;
            }
            while first + 16 <= channels {
                count_tile::<16>(positions, channels, first, sign, limit, counts);
                first += 16;
            }
            while first + 8 <= channels {
                count_tile::<8>(positions, channels, first, sign, limit, counts);
                first += 8;
            }
            while first < channels {
                count_tile::<1>(positions, channels, first, sign, limit, counts);
                first += 1;
            }
        }
    }
}

#[inline(always)]
fn count_tile<const N: usize>(
    positions: &[f32],
    channels: usize,
    first: usize,
    sign: &[f32],
    limit: &[f32],
    counts: &mut [u32],
) {
    let sign: &[f32; N] = sign[first..first + N].try_into().expect("N values");
    let limit: &[f32; N] = limit[first..first + N].try_into().expect("N values");
    let mut tile = [0u32; N];
    for position in positions.chunks_exact(channels) {
        let values: &[f32; N] = position[first..first + N].try_into().expect("N values");
        for lane in 0..N {
            tile[lane] += u32::from(sign[lane] * values[lane] > limit[lane]);
        }
    }
    for (count, more) in counts[first..first + N].iter_mut().zip(tile) {
        *count += more;
    }
}

kernel! {
    /// The same for one plane: `(both, rest)`.
    fn count_runs_of_plane(
        plane: &[f32],
        runs: &[Run],
        class: u8,
        invalid: u8,
        sign: f32,
        limit: f32,
    ) -> (u32, u32) {
        let (mut both, mut rest) = (0, 0);
        for run in runs.iter().filter(|run| run.class != invalid) {
            let values = &plane[run.start as usize..(run.start + run.length) as usize];
            let mut lanes = [0u32; LANES];
            let parts = values.chunks_exact(LANES);
            let tail = parts.remainder();
            for part in parts {
                for lane in 0..LANES {
                    lanes[lane] += u32::from(sign * part[lane] > limit);
                }
            }
            for (lane, &value) in lanes.iter_mut().zip(tail) {
                *lane += u32::from(sign * value > limit);
            }
            let count: u32 = lanes.iter().sum();
            if run.class == class { both += count } else { rest += count }
        }
        (both, rest)
    }
}

/// The largest float32 that is at most `limit`: `f > limit` for float32 `f` iff `f` is above it.
pub(super) fn rounded_down(limit: f64) -> f32 {
    let near = limit as f32;
    if f64::from(near) > limit {
        near.next_down()
    } else {
        near
    }
}
