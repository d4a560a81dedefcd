//! Small made-up images to train on: bright discs (and squares) on a noisy ground.

#![allow(dead_code, reason = "every test file uses a part")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array3};
use sagate_core::imaging::Image;
use sagate_lab::data;
use sagate_lab::train::augment::Augmentation;
use sagate_lab::train::{Job, Loss, Observer, Recipe, Row, Sample, Samples, Start, Step};

/// An image with a disc of label 1 and, with two classes, a square of label 2.
pub fn sample(index: usize, height: usize, width: usize, classes: u8) -> Sample {
    let spot = |k: usize, side: usize| 9.0 + ((index * 7 + k * 5) % (side - 18)) as f32;
    let (disc, square) = (
        [spot(0, height), spot(1, width)],
        [spot(3, height), spot(2, width)],
    );
    let labels = Array2::from_shape_fn((height, width), |(y, x)| {
        let (y, x) = (y as f32, x as f32);
        if (y - disc[0]).hypot(x - disc[1]) < 6.0 {
            1
        } else if classes > 1 && (y - square[0]).abs().max((x - square[1]).abs()) < 5.0 {
            2
        } else {
            0
        }
    });
    let pixels = Array3::from_shape_fn((1, height, width), |(_, y, x)| {
        let noise = ((y * 31 + x * 17 + index * 13) as f32 * 12.9898).sin() * 0.2;
        [-0.5, 1.5, 0.6][usize::from(labels[[y, x]])] + noise
    });
    Sample {
        pixels,
        labels,
        valid: None,
    }
}

pub fn samples(train: usize, validation: usize, side: usize, classes: u8) -> Samples {
    let make =
        |range: std::ops::Range<usize>| range.map(|index| sample(index, side, side, classes)).collect();
    Samples::new(make(0..train), make(train..train + validation), 1)
}

pub fn recipe(loss: Loss) -> Recipe {
    Recipe {
        base_width: 2,
        loss,
        epochs: 3,
        batch_size: 3,
        learning_rate: 1e-2,
        halve_every: 2,
        checkpoint_every: 2,
        // Images this small gain nothing from more, and tests run beside each other.
        threads: 1,
        preprocessing: Vec::new(),
        augmentation: Augmentation::default(),
        ..Recipe::default()
    }
}

pub fn job(recipe: Recipe, samples: &Arc<Samples>, classes: i64, folder: &Path, start: Start) -> Job {
    let folder = folder.to_path_buf();
    Job {
        recipe,
        samples: samples.clone(),
        classes,
        device: tch::Device::Cpu,
        folder,
        start,
        snapshots: Vec::new(),
    }
}

/// Ends the training after some number of further steps; never where there are fewer.
pub struct StopAfter(pub u64);

impl Observer for StopAfter {
    fn begin(&mut self, _step: u64, _steps: u64) {}

    fn step(&mut self, _step: &Step) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn epoch(&mut self, _row: &Row, _best: bool) {}
}

/// Lets it run.
pub fn never() -> StopAfter {
    StopAfter(u64::MAX)
}

/// Writes `DIR/task`, a task of such images as PNG: 6 to train, 3 to validate, 3 to test.
pub fn write_task(dir: &Path) -> std::path::PathBuf {
    let task = dir.join("task");
    let mut index = 0;
    for (split, count) in [("train", 6), ("validation", 3), ("test", 3)] {
        for folder in ["images", "masks"] {
            std::fs::create_dir_all(task.join(split).join(folder)).unwrap();
        }
        for _ in 0..count {
            let sample = sample(index, 40, 36, 1);
            let pixels = sample
                .pixels
                .mapv(|value| ((value + 1.0) * 10_000.0).max(0.0).round());
            let file = |folder: &str| {
                task.join(split)
                    .join(folder)
                    .join(format!("phantom-{index:03}.png"))
            };
            let image = Image::new(pixels, [1.0, 1.0]);
            data::write_image(&file("images"), &image).unwrap();
            data::write_mask(&file("masks"), &sample.labels).unwrap();
            index += 1;
        }
    }
    std::fs::write(task.join("task.toml"), TASK).unwrap();
    task
}

const TASK: &str = r#"
format = 1
name = "phantom"
description = "Discs on a noisy ground"
channels = ["made up"]
values = "made up"

[source]
description = "made up"
command = "none"
files = []

[splits]
train = "some"
validation = "others"
test = "others again"
left_out = "none"
position = "the place in the list"

[[classes]]
name = "disc"
colour = [200, 40, 0]
"#;
