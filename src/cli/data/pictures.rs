//! One picture of a few images of each task, the easiest on the left.

use image::{Rgb, RgbImage};
use ndarray::{Array2, Axis};
use sagate_core::imaging::Image;
use sagate_core::imaging::figure::{Cell, grey, grid};
use sagate_lab::data::{DataError, Example, Split, Task};

/// Images of a task, evenly from the easiest to the hardest.
const SHOWN: usize = 6;
/// Pictures with an outline are enlarged to about this many pixels, so that the line hides little.
const OUTLINED: usize = 230;

/// For each task a row for each of its channels (one for a photograph) and a row with the object outlined.
///
/// # Errors
/// When a test split cannot be read.
pub fn draw(tasks: &[Task]) -> Result<RgbImage, DataError> {
    let mut cells = Vec::new();
    for task in tasks {
        let mut examples = task.split(Split::Test)?;
        examples.sort_by(|a, b| {
            let order = a.difficulty.partial_cmp(&b.difficulty);
            order.expect("difficulties are read as numbers from 0 to 1")
        });
        let last = examples.len() - 1;
        let shown: Vec<&Example> = (0..SHOWN)
            .map(|rank| &examples[rank * last / (SHOWN - 1)])
            .collect();
        for (name, channels) in views(task) {
            cells.extend(
                shown
                    .iter()
                    .map(|example| cell(task, &name, &channels, example, false)),
            );
        }
        if let Some((name, channels)) = views(task).pop() {
            cells.extend(
                shown
                    .iter()
                    .map(|example| cell(task, &name, &channels, example, true)),
            );
        }
    }
    let heading =
        "Phantoms by difficulty (d), each family's last row with the object outlined. Drawn: no patients";
    Ok(grid(&cells, SHOWN, heading))
}

/// What is shown of an image: the channels that go into a picture, and their name.
fn views(task: &Task) -> Vec<(String, Vec<usize>)> {
    let names = task.channels();
    if names.len() == 3 {
        return vec![("colour".to_owned(), vec![0, 1, 2])];
    }
    let single = |(index, name): (usize, &String)| (name.clone(), vec![index]);
    names.iter().enumerate().map(single).collect()
}

fn cell(task: &Task, name: &str, channels: &[usize], example: &Example, with_object: bool) -> Cell {
    let mut picture = grey(&Image::new(
        example.image.pixels.select(Axis(0), channels),
        example.image.spacing,
    ));
    if let (true, Some(truth)) = (with_object, &example.truth) {
        picture = outlined(&picture, truth, task);
    }
    let difficulty = example
        .difficulty
        .map_or_else(String::new, |d| format!(", d {d:.2}"));
    Cell::new(format!("{} {name}{difficulty}", task.name()), picture)
}

/// The picture enlarged, with the object's outline one of the enlarged pixels wide in its class's colour.
fn outlined(picture: &RgbImage, truth: &Array2<u8>, task: &Task) -> RgbImage {
    let zoom = (OUTLINED / truth.nrows().max(truth.ncols())).max(1);
    let label = |row: usize, column: usize| {
        let found = truth.get([row / zoom, column / zoom]);
        found.copied().unwrap_or(0)
    };
    let (height, width) = (zoom * truth.nrows(), zoom * truth.ncols());
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let (row, column) = (y as usize, x as usize);
        let own = label(row, column);
        let around = [
            label(row.wrapping_sub(1), column),
            label(row + 1, column),
            label(row, column.wrapping_sub(1)),
            label(row, column + 1),
        ];
        if own > 0 && around.iter().any(|&other| other != own) {
            Rgb(task.classes()[usize::from(own) - 1].colour)
        } else {
            *picture.get_pixel((column / zoom) as u32, (row / zoom) as u32)
        }
    })
}
