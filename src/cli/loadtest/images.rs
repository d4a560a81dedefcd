//! The images to send: read from files, or generated.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ndarray::Array3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_core::imaging::Image;

use super::super::inputs::{self, Stems};
use super::super::subject::Subject;
use super::mix::Images;
use crate::client::ServedModel;
use crate::config::Settings;

/// Limit on the images of one kind, which are kept in memory.
const MOST: usize = 2000;

/// The images of a kind, for a model.
///
/// # Errors
/// An unreadable file, or too many images.
pub fn images(
    wanted: &Images,
    model: &ServedModel,
    seed: u64,
    settings: &Settings,
) -> anyhow::Result<Vec<Image>> {
    match wanted {
        Images::Made { size, count } => {
            let mut chance = ChaCha8Rng::seed_from_u64(seed);
            Ok((0..*count)
                .map(|_| made(*size, model.channels, &mut chance))
                .collect())
        }
        Images::Read(path) => {
            let subject = Subject::from_served(model);
            let mut images = Vec::new();
            for file in files(path)? {
                let input = inputs::read(&file, &mut Stems::default(), settings)?;
                images.extend(
                    input
                        .slices(&subject)?
                        .into_iter()
                        .map(|slice| slice.image.upright()),
                );
                if images.len() > MOST {
                    bail!(
                        "{}: holds more than {MOST} images, which are all kept in memory; name a smaller folder",
                        path.display()
                    );
                }
            }
            Ok(images)
        }
    }
}

/// 12-bit intensities: a bright disc at a random place on a noisy background, as a rough model of a scan.
fn made([height, width]: [usize; 2], channels: usize, chance: &mut ChaCha8Rng) -> Image {
    let least = height.min(width) as f32;
    let radius = least * chance.gen_range(0.1..0.3);
    let at = [height, width].map(|side| side as f32 * chance.gen_range(0.35..0.65));
    let pixels = Array3::from_shape_fn((channels, height, width), |(_, row, column)| {
        let away = (row as f32 - at[0]).hypot(column as f32 - at[1]);
        let intensity = if away < radius { 1500.0 } else { 300.0 };
        (intensity + chance.gen_range(-50.0..50.0f32)).round()
    });
    Image::new(pixels, [1.0, 1.0])
}

/// A file, or the files of a folder by name.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| path.display().to_string())?.path();
        if entry.is_file() {
            files.push(entry);
        }
    }
    if files.is_empty() {
        bail!("{}: holds no file", path.display());
    }
    files.sort();
    Ok(files)
}
