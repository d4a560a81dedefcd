//! One image with its truth, and folders of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use sagate_core::imaging::{self, Image, Limits, Orientation, Picture, require_aligned};

use super::{DataError, difficulty};

/// Extensions of image files; the format is detected from the content.
/// Of a NIfTI pair the header stands for both files.
const EXTENSIONS: [&str; 9] = [
    "png",
    "jpg",
    "jpeg",
    "npy",
    "nii",
    "nii.gz",
    "hdr",
    "hdr.gz",
    "safetensors",
];

/// One image of a data set.
#[derive(Debug, Clone)]
pub struct Example {
    /// The file's name without its extension.
    pub name: String,
    /// Where the slice lies in its stack, in slices; neighbours differ by one.
    pub position: usize,
    /// The pixels, in raw units.
    pub image: Image,
    /// The ground truth, `[height, width]`: 0 background, 1.. the object classes.
    pub truth: Option<Array2<u8>>,
    /// Difficulty from 0 to 1, where it is known (see [`super::phantom`]).
    pub difficulty: Option<f32>,
}

/// Reads a folder of 2D images in the order of their names: `DIR/images/*` when there is such a folder, else `DIR/*`.
/// Ground truth lies in `DIR/masks` under the images' names; where that folder is missing, no image has any.
///
/// An image's position is the number after the last hyphen of its name (`sagittal-034`), and images come in its order;
/// where not every name has one of its own, they are numbered from 0 in the order of their names.
///
/// `DIR/difficulty.csv`, where it exists, has the difficulty of each image.
///
/// # Errors
/// When the folder is missing or holds no image, when a file cannot be read or holds a volume, when masks are kept and
/// an image has none or a mask has no image, when a mask's size is not its image's, and when difficulties are kept and
/// one is outside 0 to 1, an image has none or an entry has no image.
pub fn folder(dir: &Path) -> Result<Vec<Example>, DataError> {
    let inner = dir.join("images");
    let images = by_name(if inner.is_dir() { &inner } else { dir })?;
    if images.is_empty() {
        return Err(DataError::EmptyFolder { path: dir.to_owned() });
    }
    let masks_dir = dir.join("masks");
    let masks = if masks_dir.is_dir() {
        Some(by_name(&masks_dir)?)
    } else {
        None
    };
    let orphan = masks
        .iter()
        .flatten()
        .find(|(name, _)| !images.contains_key(*name));
    if let Some((name, mask)) = orphan {
        return Err(DataError::OrphanMask {
            mask: mask.clone(),
            name: name.clone(),
        });
    }
    let difficulties = difficulty::read(dir, images.keys().map(String::as_str))?;
    let mut examples = Vec::with_capacity(images.len());
    for (position, (name, path)) in images.into_iter().enumerate() {
        let image = read_image(&path)?;
        let truth = match &masks {
            None => None,
            Some(masks) => {
                let mask = masks.get(&name).ok_or_else(|| DataError::MissingMask {
                    image: path.clone(),
                    masks: masks_dir.clone(),
                    name: name.clone(),
                })?;
                Some(read_mask(mask, &image, &path)?)
            }
        };
        examples.push(Example {
            name,
            position,
            image: image.upright(),
            truth,
            difficulty: difficulties.as_ref().map(|all| all[position]),
        });
    }
    let positions: Option<Vec<usize>> = examples.iter().map(|example| position(&example.name)).collect();
    if let Some(positions) = positions.filter(|it| it.iter().collect::<BTreeSet<_>>().len() == it.len()) {
        for (example, position) in examples.iter_mut().zip(positions) {
            example.position = position;
        }
        examples.sort_by_key(|example| example.position);
    }
    Ok(examples)
}

/// Reads one 2D image as an example without truth, named after its file.
///
/// # Errors
/// When the file cannot be read or holds a volume.
pub fn file(path: &Path) -> Result<Example, DataError> {
    let name = image_name(path).unwrap_or_else(|| {
        path.file_stem()
            .map_or_else(|| "image".to_owned(), |stem| stem.to_string_lossy().into_owned())
    });
    Ok(Example {
        position: position(&name).unwrap_or(0),
        name,
        image: read_image(path)?.upright(),
        truth: None,
        difficulty: None,
    })
}

/// The number after the last hyphen of a name.
pub(super) fn position(name: &str) -> Option<usize> {
    let (_, digits) = name.rsplit_once('-')?;
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

/// Reads one 2D image, as its file stores it; a volume is an error.
fn read_image(path: &Path) -> Result<Image, DataError> {
    image_of(path, imaging::read(path, &Limits::default())?)
}

fn image_of(path: &Path, picture: Picture) -> Result<Image, DataError> {
    match picture {
        Picture::Image(image) => Ok(image),
        Picture::Volume(volume) => Err(DataError::Volume {
            path: path.to_owned(),
            slices: volume.voxels.shape()[3],
        }),
    }
}

/// Reads a mask of whole-numbered labels and checks it against its image, which is as its file stores it: so is the mask.
fn read_mask(path: &Path, image: &Image, image_path: &Path) -> Result<Array2<u8>, DataError> {
    let mask = image_of(path, imaging::read_mask(path, &Limits::default())?)?;
    let field = |field: &str, was: String, want: &str| DataError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        was,
        want: want.to_owned(),
    };
    let (channels, height, width) = mask.pixels.dim();
    if channels != 1 {
        return Err(field(
            "the number of channels",
            channels.to_string(),
            "1: a mask is a grey picture of labels",
        ));
    }
    let (_, want_h, want_w) = image.pixels.dim();
    if (height, width) != (want_h, want_w) {
        return Err(DataError::MaskSize {
            mask: path.to_owned(),
            was_h: height,
            was_w: width,
            want_h,
            want_w,
        });
    }
    if mask.orientation != Orientation::UPRIGHT && mask.orientation != image.orientation {
        return Err(field(
            "the EXIF orientation",
            mask.orientation.exif_value().to_string(),
            "absent, 1, or that of its image",
        ));
    }
    let names = (path.display().to_string(), image_path.display().to_string());
    require_aligned(
        mask.placement().as_ref(),
        &names.0,
        image.placement().as_ref(),
        &names.1,
    )?;
    let labels = mask.pixels.index_axis_move(ndarray::Axis(0), 0);
    if let Some(odd) = labels
        .iter()
        .find(|v| !(v.fract() == 0.0 && (0.0..=255.0).contains(*v)))
    {
        return Err(field("a label", odd.to_string(), "a whole number from 0 to 255"));
    }
    let upright = image.orientation.upright(labels.view());
    Ok(upright.as_standard_layout().mapv(|v| v as u8))
}

/// The image files of a folder by their names without extension, sorted.
pub(super) fn by_name(dir: &Path) -> Result<BTreeMap<String, PathBuf>, DataError> {
    if !dir.is_dir() {
        return Err(DataError::NotAFolder { path: dir.to_owned() });
    }
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(DataError::io("list the folder", dir))? {
        let path = entry.map_err(DataError::io("list the folder", dir))?.path();
        let Some(name) = image_name(&path) else { continue };
        if !path.is_file() {
            continue;
        }
        if let Some(earlier) = files.insert(name.clone(), path) {
            return Err(DataError::SameName { path: earlier, name });
        }
    }
    Ok(files)
}

/// The name without extension, where the extension is one of an image file and the file is not hidden.
fn image_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    if file.starts_with('.') {
        return None;
    }
    let lower = file.to_ascii_lowercase();
    let extension = EXTENSIONS.iter().find(|e| {
        lower
            .strip_suffix(*e)
            .is_some_and(|stem| stem.len() > 1 && stem.ends_with('.'))
    })?;
    Some(file[..file.len() - extension.len() - 1].to_owned())
}
