//! Two tasks of real T1 MRI slices, made from the volumes of Debian's `mricron-data`.
//!
//! * `t1-brain`: the brain (`ch2bet` > 0) in sagittal slices of the head `ch2`.
//! * `t1-nuclei`: one class of deep grey nuclei (AAL's caudate, putamen, pallidum, thalamus) in coronal half slices.
//!
//! The left hemisphere trains and validates, the right one tests, and a band around the middle belongs to neither. The
//! macaque `inia19`, laid over the human head, gives each task its `other/`. A second human head, the template MNI152, is
//! a folder of test slices beside them ([`build_mni152`]). `docs/research/data-sets.md` has the details and the terms
//! under which the volumes come.

mod anatomy;
mod macaque;
mod mni152;
mod recipe;
mod templates;
mod volume;

use std::path::{Path, PathBuf};

use ndarray::{Array3, Axis};

pub use anatomy::{AAL_NUCLEI, NEUROMAPS_NUCLEI, NEUROMAPS_RIGHT};
pub use mni152::{MNI152_FILE, MNI152_NAME, MNI152_SCALE, build_mni152};
pub use recipe::{BLOCK, BLOCKS, VALIDATION_BLOCK, VALUE_SCALE};
pub use templates::{FOLDER, Templates, install};

use self::macaque::Macaque;
use self::recipe::{BRAIN, NUCLEI, Recipe, Side, Slice, split_of};
use self::volume::Head;
use super::task::FORMAT;
use super::{Class, DataError, Source, SourceFile, Split, Splits, TaskFile, write_image, write_mask};
use sagate_core::imaging::{self, Image, Limits, Picture, Volume, require_aligned};

/// The result of [`build`] for one task.
#[derive(Debug, Clone)]
pub struct Made {
    /// The task's name.
    pub task: String,
    /// Its folder.
    pub dir: PathBuf,
    /// False when the same task was there already and was left as it is.
    pub written: bool,
    /// Slices in train, validation, test and other.
    pub slices: [usize; 4],
}

/// Makes both tasks in `out/t1-brain` and `out/t1-nuclei`. Each folder is written under another name and renamed when
/// whole. A task that is there already and was made from the same files in the same way is left as it is.
///
/// # Errors
/// When a volume is missing, cannot be read or lies on another grid than its fellow, when no slice shows the object,
/// when a folder cannot be written, and, unless `force`, when a different task lies where one is to be written.
pub fn build(templates: &Templates, out: &Path, force: bool) -> Result<Vec<Made>, DataError> {
    templates.check()?;
    let human = read_human(templates)?;
    let other = read_macaque(templates, &human)?;
    let files: Vec<SourceFile> = templates
        .files()
        .map(SourceFile::read)
        .collect::<Result<_, _>>()?;
    std::fs::create_dir_all(out).map_err(DataError::io("create the folder", out))?;
    [BRAIN, NUCLEI]
        .iter()
        .map(|recipe| build_task(recipe, &human, &other, &files, out, force))
        .collect()
}

fn build_task(
    recipe: &Recipe,
    human: &Head,
    other: &Head,
    files: &[SourceFile],
    out: &Path,
    force: bool,
) -> Result<Made, DataError> {
    let left = recipe.slices(human, Side::Left, None);
    let test = recipe.slices(human, Side::Right, None);
    let positions: Vec<usize> = test.iter().map(|slice| slice.position).collect();
    let other = recipe.slices(other, Side::Right, Some(&positions));
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for (rank, slice) in left.into_iter().enumerate() {
        match split_of(rank) {
            Split::Validation => validation.push(slice),
            _ => train.push(slice),
        }
    }
    let parts = [
        ("train", &train),
        ("validation", &validation),
        ("test", &test),
        ("other", &other),
    ];
    if let Some((split, _)) = parts.iter().find(|(_, slices)| slices.is_empty()) {
        return Err(DataError::NoSlices {
            task: recipe.name,
            split,
            minimum: recipe.minimum,
        });
    }
    let dir = out.join(recipe.name);
    let text = describe(recipe, files);
    let slices = parts.map(|(_, slices)| slices.len());
    let made = |written| Made {
        task: recipe.name.to_owned(),
        dir: dir.clone(),
        written,
        slices,
    };
    if std::fs::read_to_string(dir.join("task.toml")).is_ok_and(|there| there == text) && !force {
        return Ok(made(false));
    }
    super::files::replace_folder(&dir, force, |fresh| {
        for (name, slices) in parts {
            write_slices(recipe, &fresh.join(name), slices)?;
        }
        let file = fresh.join("task.toml");
        std::fs::write(&file, &text).map_err(DataError::io("write", &file))
    })?;
    Ok(made(true))
}

fn write_slices(recipe: &Recipe, dir: &Path, slices: &[Slice]) -> Result<(), DataError> {
    let (images, masks) = (dir.join("images"), dir.join("masks"));
    for slice in slices {
        let name = format!("{}-{:03}.png", recipe.plane_name(), slice.position);
        let pixels = slice.image.clone().insert_axis(Axis(0));
        std::fs::create_dir_all(&images).map_err(DataError::io("create the folder", &images))?;
        write_image(&images.join(&name), &Image::new(pixels, [1.0, 1.0]))?;
        if let Some(truth) = &slice.truth {
            std::fs::create_dir_all(&masks).map_err(DataError::io("create the folder", &masks))?;
            write_mask(&masks.join(&name), truth)?;
        }
    }
    Ok(())
}

/// The text of the task's `task.toml`.
fn describe(recipe: &Recipe, files: &[SourceFile]) -> String {
    let sagittal = recipe.plane == imaging::Plane::Sagittal;
    let blocks = format!(
        "of the left hemisphere's slices in blocks of {BLOCK} consecutive ones, counted by position,"
    );
    let nth = VALIDATION_BLOCK + 1;
    let file = TaskFile {
        format: FORMAT,
        name: recipe.name.to_owned(),
        description: recipe.description.to_owned(),
        plane: Some(recipe.plane),
        channels: vec!["T1".to_owned()],
        values: format!(
            "16-bit grey: the source's 8-bit signal (0..255) times {VALUE_SCALE}; 1 mm a pixel in the human slices"
        ),
        source: Source {
            description:
                "Debian package mricron-data: one human head (ch2, Colin Holmes), its brain (ch2bet), its \
                atlas (AAL), a macaque's brain and atlas (INIA19)"
                    .to_owned(),
            command: "sagate data t1".to_owned(),
            files: files.to_vec(),
        },
        splits: Splits {
            train: format!("{blocks} all but block {nth} of every {BLOCKS}"),
            validation: format!("{blocks} block {nth} of every {BLOCKS}"),
            test: if sagittal {
                "the right hemisphere".to_owned()
            } else {
                "the right hemisphere, mirrored".to_owned()
            },
            left_out: recipe.left_out(),
            position: if sagittal {
                "mm from the middle slice".to_owned()
            } else {
                "mm from the back of the volume".to_owned()
            },
        },
        classes: vec![Class {
            name: recipe.class.to_owned(),
            colour: recipe.colour,
        }],
    };
    toml::to_string(&file).expect("a task's description is plain strings and numbers")
}

fn read_human(templates: &Templates) -> Result<Head, DataError> {
    let t1 = read_volume(&templates.ch2)?;
    let brain = read_volume(&templates.ch2bet)?;
    let aal = read_volume(&templates.aal)?;
    same_grid(&templates.ch2bet, &brain, &templates.ch2, &t1)?;
    same_grid(&templates.aal, &aal, &templates.ch2, &t1)?;
    Ok(Head {
        t1: voxels(t1),
        brain: voxels(brain).mapv(|v| u8::from(v > 0.0)),
        nuclei: Some(voxels(aal).mapv(|v| u8::from(anatomy::is_aal_nucleus(v)))),
    })
}

fn read_macaque(templates: &Templates, human: &Head) -> Result<Head, DataError> {
    let t1 = read_volume(&templates.inia19)?;
    let labels = match &templates.neuromaps {
        None => None,
        Some(path) => {
            let labels = read_volume(path)?;
            same_grid(path, &labels, &templates.inia19, &t1)?;
            Some(voxels(labels))
        }
    };
    let t1 = voxels(t1);
    let macaque = Macaque {
        t1: t1.view(),
        nuclei: labels.as_ref().map(Array3::view),
        is_nucleus: anatomy::is_neuromaps_nucleus,
    };
    macaque::onto_human(&macaque, human).ok_or_else(|| {
        let path = if human.brain.iter().any(|&v| v != 0) {
            &templates.inia19
        } else {
            &templates.ch2bet
        };
        DataError::Field {
            path: path.clone(),
            field: "the signal".to_owned(),
            was: "0 everywhere".to_owned(),
            want: "above 0 in the brain".to_owned(),
        }
    })
}

/// Reads a volume of one channel.
fn read_volume(path: &Path) -> Result<Volume, DataError> {
    let field = |field: &str, was: String, want: &str| DataError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        was,
        want: want.to_owned(),
    };
    match imaging::read(path, &Limits::default())? {
        Picture::Image(_) => Err(field("the picture", "a 2D image".to_owned(), "a volume")),
        Picture::Volume(volume) => match volume.voxels.shape()[0] {
            1 => Ok(volume),
            channels => Err(field("the number of channels", channels.to_string(), "1")),
        },
    }
}

/// The only channel of a volume.
fn voxels(volume: Volume) -> Array3<f32> {
    volume.voxels.index_axis_move(Axis(0), 0)
}

/// Checks that two volumes have one shape and lie at one place.
fn same_grid(path: &Path, volume: &Volume, other: &Path, want: &Volume) -> Result<(), DataError> {
    let extent = |volume: &Volume| {
        let (_, x, y, z) = volume.voxels.dim();
        [x, y, z]
    };
    if extent(volume) != extent(want) {
        return Err(DataError::Grid {
            path: path.to_owned(),
            was: extent(volume),
            other: other.to_owned(),
            want: extent(want),
        });
    }
    let names = (path.display().to_string(), other.display().to_string());
    require_aligned(
        volume.placement().as_ref(),
        &names.0,
        want.placement().as_ref(),
        &names.1,
    )?;
    Ok(())
}
