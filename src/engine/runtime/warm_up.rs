//! Warm-up images of a thread: they fill libtorch's caches before the first request.

use std::time::Instant;

use ndarray::Array3;
use sagate_core::executor::{ExecutorError, ModelExecutor, PreparedImage};
use sagate_core::imaging::Image;
use sagate_core::nn::layers::LAYER_COUNT;
use sagate_core::nn::threads::use_threads_here;

use crate::engine::admission::cost::Work;
use crate::engine::scheduling::slots::Slots;

/// Warm-up of a model before it becomes ready.
#[derive(Debug, Clone)]
pub struct WarmUp {
    /// Sides of square images, clamped to the sizes that the model accepts.
    pub sides: Vec<usize>,
    /// Images in the largest batch.
    pub max_batch: usize,
    pub slots: Slots,
}

impl WarmUp {
    /// Warms up the first thread of a model: every size on one slot, on all slots, and in the largest batch. Reports the measured cost of
    /// an image.
    ///
    /// # Errors
    /// The model failed on a warm-up image.
    pub fn first(&self, executor: &ModelExecutor, measured: impl Fn(Work, f64)) -> Result<(), ExecutorError> {
        for &side in &self.sides {
            let image = image(executor, side)?;
            use_threads_here(1);
            executor.segment(&[&image])?;
            let begun = Instant::now();
            executor.segment(&[&image])?;
            measured(Work::segmentation(pixels(&image)), begun.elapsed().as_secs_f64());
            if self.slots.divisible {
                use_threads_here(self.slots.count);
            }
            executor.segment(&vec![&image; self.max_batch])?;
            let seen = executor.interpret(&image, &[1, LAYER_COUNT])?;
            seen.layer(LAYER_COUNT)?;
        }
        Ok(())
    }

    /// Warms up a further thread of a model.
    ///
    /// # Errors
    /// The model failed on the warm-up image.
    pub fn again(&self, executor: &ModelExecutor) -> Result<(), ExecutorError> {
        use_threads_here(1);
        match self.sides.first() {
            Some(&side) => executor.segment(&[&image(executor, side)?]).map(drop),
            None => Ok(()),
        }
    }
}

fn pixels(image: &PreparedImage) -> u64 {
    image.size().iter().map(|&side| side as u64).product()
}

fn image(executor: &ModelExecutor, side: usize) -> Result<PreparedImage, ExecutorError> {
    let input = &executor.manifest().input;
    let side = |axis: usize| {
        let most = input.max_size.map_or(usize::MAX, |size| size[axis]);
        let least = input.min_size.map_or(1, |size| size[axis]);
        side.clamp(least, most.max(least))
    };
    let (height, width) = (side(0), side(1));
    // Not constant, since some preprocessing steps refuse constant images.
    let pixels = Array3::from_shape_fn((input.channels.len(), height, width), |(_, row, column)| {
        ((row + column) % 7) as f32
    });
    executor.prepare(&Image::new(pixels, [1.0, 1.0]))
}
