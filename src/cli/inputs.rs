//! The files that a command line names, as the single images in them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ndarray::Array2;
use sagate_core::imaging::{self, Image, Orientation, Picture, Plane, Volume};

use super::UsageError;
use super::subject::Subject;
use crate::config::Settings;

/// Endings of the files that can be read.
const ENDINGS: [&str; 11] = [
    ".nii.gz",
    ".nii",
    ".hdr.gz",
    ".hdr",
    ".img.gz",
    ".img",
    ".png",
    ".jpeg",
    ".jpg",
    ".npy",
    ".safetensors",
];

/// One file that could be read.
pub struct Input {
    /// The file.
    pub path: PathBuf,
    /// A name for what is written of it: the file's own without its ending, made unique among the inputs.
    pub stem: String,
    /// What it holds.
    pub picture: Picture,
    /// Whether three equal channels are one for a model that takes one.
    grey_from_rgb: bool,
}

/// One 2D image of an input.
pub struct Slice {
    /// What results call it: the file, and for a volume the slice.
    pub name: String,
    /// Its number within the volume, along the plane; none for a plain image.
    pub index: Option<usize>,
    /// The image.
    pub image: Image,
}

/// Names for outputs, unique among the inputs of one run, the slices of volumes (`STEM-0000`) counted in.
#[derive(Default)]
pub struct Stems {
    /// Every name that was given, and whether a volume has it.
    given: HashMap<String, bool>,
    /// What stands before the slice's number in the given names that could be a volume's slice.
    before_numbers: HashSet<String>,
}

impl Stems {
    /// The file's name without its ending; with a number behind it where an output of an earlier file has that name.
    pub fn unique(&mut self, path: &Path, picture: &Picture) -> String {
        let plain = stem(path);
        let volume = matches!(picture, Picture::Volume(_));
        let numbered = (2..).map(|count| format!("{plain}-{count}"));
        let free = std::iter::once(plain.clone())
            .chain(numbered)
            .find(|name| self.is_free(name, volume));
        let name = free.expect("there is always a higher number");
        self.before_numbers
            .extend(before_number(&name).map(str::to_owned));
        self.given.insert(name.clone(), volume);
        name
    }

    fn is_free(&self, name: &str, volume: bool) -> bool {
        let is_slice = before_number(name).is_some_and(|stem| self.given.get(stem) == Some(&true));
        let has_slice = volume && self.before_numbers.contains(name);
        !self.given.contains_key(name) && !is_slice && !has_slice
    }
}

/// `STEM` of `STEM-0000`, the name of a volume's slice.
fn before_number(name: &str) -> Option<&str> {
    let (stem, digits) = name.rsplit_once('-')?;
    (digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(stem)
}

/// A file's name without its ending.
fn stem(path: &Path) -> String {
    let name = path
        .file_name()
        .map_or_else(|| "image".into(), |name| name.to_string_lossy().into_owned());
    let lower = name.to_ascii_lowercase();
    let ending = ENDINGS
        .iter()
        .find(|ending| lower.ends_with(*ending))
        .map_or(0, |ending| ending.len());
    name[..name.len() - ending].to_owned()
}

/// Reads one file.
///
/// # Errors
/// Whatever is wrong with it, in a sentence that names it.
pub fn read(path: &Path, stems: &mut Stems, settings: &Settings) -> anyhow::Result<Input> {
    let picture = imaging::read(path, &limits(settings))?;
    warn_unoriented(path, &picture);
    Ok(Input {
        path: path.to_owned(),
        stem: stems.unique(path, &picture),
        picture,
        grey_from_rgb: settings.imaging.grey_from_rgb,
    })
}

fn limits(settings: &Settings) -> imaging::Limits {
    imaging::Limits {
        max_pixels: settings.limits.max_pixels,
        max_bytes: settings.limits.max_bytes,
    }
}

/// Logs that a NIfTI file does not say how its axes lie in the patient.
fn warn_unoriented(path: &Path, picture: &Picture) {
    if picture
        .placement()
        .is_some_and(|placement| !placement.is_oriented())
    {
        tracing::warn!(
            "{}: sform_code and qform_code are 0, so left and right are not known; the axes are taken to run to the left, to the \
             front and to the head, as nibabel and FSL take them",
            path.display()
        );
    }
}

/// The true masks of an input's slices, from the file of the input's name in a folder; none where there is no such file. A mask lies as
/// its image is stored, whatever the image says of being turned.
///
/// # Errors
/// A mask that cannot be read, has another size than its image, lies elsewhere by its header, or says that it is to be turned in another
/// way.
pub fn truths(
    folder: &Path,
    input: &Input,
    slices: &[Slice],
    subject: &Subject,
    settings: &Settings,
) -> anyhow::Result<Vec<Option<Array2<u8>>>> {
    let stem = stem(&input.path);
    let candidates = ENDINGS
        .iter()
        .map(|ending| folder.join(format!("{stem}{ending}")));
    let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
        return Ok(vec![None; slices.len()]);
    };
    let truth = Input {
        stem,
        picture: imaging::read_mask(&path, &limits(settings))?,
        path,
        // A mask saved in colour is refused: which of its colours is which label is not known.
        grey_from_rgb: false,
    };
    let file = truth.path.display();
    let names = (file.to_string(), input.path.display().to_string());
    let (of_truth, of_image) = (truth.picture.placement(), input.picture.placement());
    imaging::require_aligned(of_truth.as_ref(), &names.0, of_image.as_ref(), &names.1)?;
    let masks = truth.slices(subject)?;
    if masks.len() != slices.len() {
        bail!(
            "{file}: the true mask has {} slices; it must have {}, as its image {} has",
            masks.len(),
            slices.len(),
            input.path.display()
        );
    }
    let mask = |(mask, slice): (&Slice, &Slice)| {
        let labels = imaging::mask::from_image(&mask.image, &mask.name)?;
        let (found, wanted) = (
            labels.dim(),
            (slice.image.pixels.dim().1, slice.image.pixels.dim().2),
        );
        if found != wanted {
            bail!(
                "{}: the true mask is {} x {} pixels (height x width); it must be {} x {}, as its image {} is{}",
                mask.name,
                found.0,
                found.1,
                wanted.0,
                wanted.1,
                slice.name,
                match slice.image.orientation {
                    Orientation::UPRIGHT => "",
                    _ => " stored (its EXIF orientation turns only what is shown)",
                }
            );
        }
        let (own, image) = (mask.image.orientation, slice.image.orientation);
        if own != Orientation::UPRIGHT && own != image {
            bail!(
                "{}: the EXIF orientation of the true mask is {}; it must be absent, 1 or {}, as its image {} has",
                mask.name,
                own.exif_value(),
                image.exif_value(),
                slice.name
            );
        }
        check_labels(&labels, &mask.name, subject.classes.len(), &subject.reference)?;
        Ok(Some(labels))
    };
    masks.iter().zip(slices).map(mask).collect()
}

/// Labels that a message lists at most.
const LISTED_LABELS: usize = 8;

/// Refuses a true mask with labels that the model has no class for: against those, Dice would say nothing.
///
/// # Errors
/// The first such label; `name` is what the message calls the mask, `model` the model.
pub fn check_labels(labels: &Array2<u8>, name: &str, classes: usize, model: &str) -> anyhow::Result<()> {
    let Some(label) = labels.iter().find(|&&label| usize::from(label) > classes) else {
        return Ok(());
    };
    let held: BTreeSet<u8> = labels.iter().copied().collect();
    let listed: Vec<String> = held.iter().take(LISTED_LABELS).map(u8::to_string).collect();
    let (listed, more) = (
        listed.join(", "),
        if held.len() > LISTED_LABELS { ", ..." } else { "" },
    );
    bail!(
        "{name}: the true mask holds label {label} (its values are {listed}{more}); model {model} has the labels 0 (background) \
         to {classes}"
    )
}

/// The slice that is asked for, or the middle one.
///
/// # Errors
/// There is no such slice in `file`.
pub fn one_slice(mut slices: Vec<Slice>, wanted: Option<usize>, file: &Path) -> anyhow::Result<Slice> {
    let count = slices.len();
    let index = wanted.unwrap_or(count / 2);
    if index >= count {
        let (file, last) = (file.display(), count - 1);
        let message = format!("--slice is {index}; {file} has the slices 0 to {last}");
        return Err(UsageError(message).into());
    }
    Ok(slices.swap_remove(index))
}

/// The plane in which a volume is cut for a model: that of its only slice, else the one that the model is for.
///
/// # Errors
/// A volume of many slices for a model that names no plane.
pub fn plane(volume: &Volume, subject: &Subject) -> anyhow::Result<Plane> {
    match volume.single_plane().or(subject.plane) {
        Some(plane) => Ok(plane),
        None => bail!(
            "the volume has {} x {} x {} voxels, and model {} does not say in which plane it sees slices \
             (input.plane in its manifest): give single slices",
            volume.voxels.dim().1,
            volume.voxels.dim().2,
            volume.voxels.dim().3,
            subject.reference
        ),
    }
}

impl Input {
    /// The 2D images of the input, in the order of its slices.
    ///
    /// # Errors
    /// A volume that the model cannot cut.
    pub fn slices(&self, subject: &Subject) -> anyhow::Result<Vec<Slice>> {
        let file = self.path.display();
        match &self.picture {
            Picture::Image(image) => Ok(vec![Slice {
                name: file.to_string(),
                index: None,
                image: match (self.grey_from_rgb, subject.channels) {
                    (true, 1) => image.clone().grey_if_equal(),
                    _ => image.clone(),
                },
            }]),
            Picture::Volume(volume) => {
                let plane = plane(volume, subject).with_context(|| file.to_string())?;
                let name = |index: usize| format!("{file}#{index}");
                let slice = |index| Slice {
                    name: name(index),
                    index: Some(index),
                    image: volume.slice(plane, index),
                };
                Ok((0..volume.extent(plane)).map(slice).collect())
            }
        }
    }
}
