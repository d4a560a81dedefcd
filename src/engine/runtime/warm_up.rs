//! The first images of a thread, so that the first one that counts does not wait for libtorch's caches.

use std::time::Instant;

use ndarray::Array3;
use sagate_core::executor::{ExecutorError, ModelExecutor, PreparedImage};
use sagate_core::imaging::Image;
use sagate_core::nn::layers::LAYER_COUNT;
use sagate_core::nn::threads::use_threads_here;

use crate::engine::admission::cost::Work;
use crate::engine::scheduling::slots::Slots;

/// What a model is warmed up with before it is ready.
#[derive(Debug, Clone)]
pub struct WarmUp {
    /// Sides of square images, brought within the sizes that the model is for.
    pub sides: Vec<usize>,
    /// Images in the largest batch.
    pub max_batch: usize,
    pub slots: Slots,
}

impl WarmUp {
    /// Warms up the first thread of a model: every size alone on one slot and on all, and in the largest batch. Says what an image
    /// costs, once things are warm.
    ///
    /// # Errors
    /// The model failed on them.
    pub fn first(&self, pass: &ModelExecutor, measured: impl Fn(Work, f64)) -> Result<(), ExecutorError> {
        for &side in &self.sides {
            let image = image(pass, side)?;
            use_threads_here(1);
            pass.segment(&[&image])?;
            let begun = Instant::now();
            pass.segment(&[&image])?;
            measured(Work::segmentation(pixels(&image)), begun.elapsed().as_secs_f64());
            if self.slots.divisible {
                use_threads_here(self.slots.count);
            }
            pass.segment(&vec![&image; self.max_batch])?;
            let seen = pass.interpret(&image, &[1, LAYER_COUNT])?;
            seen.layer(LAYER_COUNT)?;
        }
        Ok(())
    }

    /// Warms up another thread, whose model others have warmed up already.
    ///
    /// # Errors
    /// The model failed on it.
    pub fn again(&self, pass: &ModelExecutor) -> Result<(), ExecutorError> {
        use_threads_here(1);
        match self.sides.first() {
            Some(&side) => pass.segment(&[&image(pass, side)?]).map(drop),
            None => Ok(()),
        }
    }
}

fn pixels(image: &PreparedImage) -> u64 {
    image.size().iter().map(|&side| side as u64).product()
}

fn image(pass: &ModelExecutor, side: usize) -> Result<PreparedImage, ExecutorError> {
    let input = &pass.manifest().input;
    let side = |axis: usize| {
        let most = input.max_size.map_or(usize::MAX, |size| size[axis]);
        let least = input.min_size.map_or(1, |size| size[axis]);
        side.clamp(least, most.max(least))
    };
    let (height, width) = (side(0), side(1));
    // Not constant, which some preprocessing steps rightly refuse.
    let pixels = Array3::from_shape_fn((input.channels.len(), height, width), |(_, row, column)| {
        ((row + column) % 7) as f32
    });
    pass.prepare(&Image::new(pixels, [1.0, 1.0]))
}
