//! Processing of rows of tiles, as many tiles at a time as fit into a core's cache.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use tch::Tensor;

use super::Form;
use super::input::Run;
use super::kernels::Kernels;
use super::lanes::{LANES, Lanes};
use super::output::outputs;
use super::planes::{Planes, plane};
#[cfg(target_arch = "x86_64")]
use super::product::multiply_avx512;
use super::product::{Plane, Sums, multiply};
use super::sizes::{POSITIONS, TILE, TILES, WIDTH};

thread_local! {
    /// Buffers of tiles and sums, reused between calls.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    tiles: Vec<Lanes>,
    sums: Vec<[f32; WIDTH]>,
    /// The row above and below an image.
    zeros: Vec<f32>,
}

/// A channels-last feature map.
pub(super) struct NhwcView<'a> {
    values: &'a [f32],
    channels: usize,
}

impl<'a> NhwcView<'a> {
    /// Of a channels-last float32 tensor on the CPU.
    pub fn new(tensor: &'a Tensor) -> NhwcView<'a> {
        // SAFETY: a dense CPU float32 tensor (its maker, `Winograd::forward`, sees to that), kept alive by the borrow; nothing writes to it
        // meanwhile, since the thread that owns it is in this call.
        let values = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) };
        NhwcView {
            values,
            channels: tensor.size()[1] as usize,
        }
    }
}

/// Data shared by all tasks of a convolution.
pub(super) struct Job<'a> {
    pub form: Form,
    pub inputs: Vec<NhwcView<'a>>,
    /// `[H, W]`.
    pub size: [usize; 2],
    pub kernels: &'a Kernels,
    pub relu: bool,
}

/// Some rows of an image's output `[rows, W, out]`, of which the first one is even.
pub(super) struct Task<'a> {
    pub image: usize,
    pub first_row: usize,
    pub output: &'a mut [MaybeUninit<f32>],
}

impl Job<'_> {
    /// Rows of tiles of a task: about twice the number of tiles that are processed at a time, with an equal number of tasks for each thread.
    pub fn tile_rows_a_task(&self, threads: usize) -> usize {
        let [height, width] = self.size.map(|side| side.div_ceil(TILE));
        let tasks = height.div_ceil((2 * TILES).div_ceil(width));
        let a_thread = ((tasks + threads / 2) / threads).max(1);
        height.div_ceil(a_thread * threads)
    }

    /// Writes all of a task's output.
    pub fn run(&self, task: &mut Task<'_>) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            fn avx2(job: &Job<'_>, task: &mut Task<'_>, scratch: &mut Scratch) {
                job.run_with(task, scratch, multiply);
            }
            #[target_feature(enable = "avx2,fma,avx512f")]
            fn avx512(job: &Job<'_>, task: &mut Task<'_>, scratch: &mut Scratch) {
                job.run_with(task, scratch, |tiles, kernels, sums, count| {
                    multiply_avx512(tiles, kernels, sums, count);
                });
            }
            SCRATCH.with_borrow_mut(|scratch| match self.form {
                // SAFETY: `Form::available`, which whoever makes a `Winograd` chooses from, found the features on this processor.
                Form::Avx2 => unsafe { avx2(self, task, scratch) },
                // SAFETY: as above.
                Form::Avx512 => unsafe { avx512(self, task, scratch) },
            });
        }
        #[cfg(not(target_arch = "x86_64"))]
        SCRATCH.with_borrow_mut(|scratch| self.run_with(task, scratch, multiply));
    }

    #[inline(always)]
    fn run_with(
        &self,
        task: &mut Task<'_>,
        scratch: &mut Scratch,
        multiply: impl Fn(&Plane, &[[f32; WIDTH]], &mut Sums, usize),
    ) {
        let width = self.size[1];
        let rows = task.output.len() / (width * self.kernels.outputs());
        let tiles = rows.div_ceil(TILE) * width.div_ceil(TILE);
        scratch.fit(self);
        for first in (0..tiles).step_by(TILES) {
            let some = first..tiles.min(first + TILES);
            self.read(task, some.clone(), scratch);
            for block in 0..self.kernels.bias().len() {
                self.multiply(block, some.len(), scratch, &multiply);
                self.write(task, some.clone(), block, scratch);
            }
        }
    }

    /// Makes some tiles of the inputs.
    #[inline(always)]
    fn read(&self, task: &Task<'_>, some: std::ops::Range<usize>, scratch: &mut Scratch) {
        let [height, width] = self.size;
        let mut planes = Planes {
            values: &mut scratch.tiles,
            channels: self.kernels.inputs(),
        };
        for (row, tiles) in in_rows(some.clone(), width) {
            // The row above the tile.
            let top = task.first_row + TILE * row;
            let mut channel = 0;
            for input in &self.inputs {
                let length = width * input.channels;
                let image = &input.values[task.image * height * length..][..height * length];
                let run = Run {
                    rows: std::array::from_fn(|below| match (top + below).checked_sub(1) {
                        Some(y) if y < height => &image[y * length..][..length],
                        _ => &scratch.zeros[..length],
                    }),
                    width,
                    channels: input.channels,
                    first: tiles.start % width.div_ceil(TILE),
                    tiles: tiles.len(),
                };
                run.write(&mut planes, tiles.start - some.start, channel);
                channel += input.channels;
            }
        }
    }

    /// Sums over the input channels for a block of output channels. Results beyond the last tile are never read.
    #[inline(always)]
    fn multiply(
        &self,
        block: usize,
        tiles: usize,
        scratch: &mut Scratch,
        multiply: &impl Fn(&Plane, &[[f32; WIDTH]], &mut Sums, usize),
    ) {
        let planes = scratch.tiles.chunks_exact(plane(self.kernels.inputs()));
        let sums = scratch.sums.chunks_exact_mut(SUMS);
        for (position, (plane, sums)) in planes.zip(sums).enumerate() {
            let kernels = self.kernels.at(block, position);
            let sums = sums.first_chunk_mut().expect("the sums of all tiles");
            multiply(plane.as_chunks().0, kernels, sums, tiles);
        }
    }

    /// Makes the outputs of a block of channels.
    #[inline(always)]
    fn write(&self, task: &mut Task<'_>, some: std::ops::Range<usize>, block: usize, scratch: &Scratch) {
        let (width, channels) = (self.size[1], self.kernels.outputs());
        let bias = &self.kernels.bias()[block];
        let sums: [&[[f32; WIDTH]]; POSITIONS] =
            std::array::from_fn(|position| &scratch.sums[position * SUMS..][..TILES]);
        for (row, tiles) in in_rows(some.clone(), width) {
            let pair = &mut task.output[TILE * row * width * channels..];
            let (upper, lower) = pair.split_at_mut(width * channels);
            let first = tiles.start % width.div_ceil(TILE);
            for (index, tile) in (tiles.start - some.start..tiles.end - some.start).enumerate() {
                let x = TILE * (first + index);
                for lane in (0..WIDTH).step_by(LANES) {
                    let [a, b, c, d] = outputs(&sums, tile, lane, bias, self.relu);
                    let left = x * channels + block * WIDTH + lane;
                    put(upper, left, &a);
                    // The last tile of a row or of the image may reach beyond it.
                    if x + 1 < width {
                        put(upper, left + channels, &b);
                    }
                    if !lower.is_empty() {
                        put(lower, left, &c);
                        if x + 1 < width {
                            put(lower, left + channels, &d);
                        }
                    }
                }
            }
        }
    }
}

/// Sums of a position.
const SUMS: usize = TILES + 1;

impl Scratch {
    fn fit(&mut self, job: &Job<'_>) {
        grow(
            &mut self.tiles,
            POSITIONS * plane(job.kernels.inputs()),
            [0.0; LANES],
        );
        grow(&mut self.sums, POSITIONS * SUMS, [0.0; WIDTH]);
        grow(&mut self.zeros, job.size[1] * job.kernels.inputs(), 0.0);
    }
}

fn grow<T: Clone>(values: &mut Vec<T>, length: usize, value: T) {
    if values.len() < length {
        values.resize(length, value);
    }
}

/// Tiles, counted row by row, as the runs of each row.
fn in_rows(
    tiles: std::ops::Range<usize>,
    width: usize,
) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let across = width.div_ceil(TILE);
    let rows = tiles.start / across..tiles.end.div_ceil(across);
    rows.map(move |row| {
        let whole = row * across..(row + 1) * across;
        (row, tiles.start.max(whole.start)..tiles.end.min(whole.end))
    })
}

#[inline(always)]
fn put(row: &mut [MaybeUninit<f32>], offset: usize, lanes: &Lanes) {
    let values = &mut row[offset..offset + LANES];
    for (slot, &value) in values.iter_mut().zip(lanes) {
        slot.write(value);
    }
}
