//! A second human head to evaluate the model of `t1-brain` on: the template MNI152.

use std::path::Path;

use ndarray::Array3;

use super::recipe::{BRAIN, Side, VALUE_SCALE};
use super::volume::Head;
use super::{Made, read_volume, voxels, write_slices};
use crate::data::files::replace_folder;
use crate::data::{DataError, Source, SourceFile};

/// The T1 template as the Python package nilearn carries it: an average of 152 heads without their skulls, 197 x 233 x 189
/// voxels of 1 mm, 8 bit.
pub const MNI152_FILE: &str = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz";

/// The folder that is written.
pub const MNI152_NAME: &str = "mni152-brain";

/// Factor from the template's 8-bit signal to the scale of `ch2`: its white matter has a median of 220 and
/// its grey matter of 167, those of `ch2` are 108 and 87.
pub const MNI152_SCALE: f32 = 0.5;

/// The file that records the source.
const SOURCE: &str = "source.toml";

/// Writes the right hemisphere's sagittal slices of MNI152 (the left one is its mirror image, voxel by voxel) as a plain
/// folder `out/mni152-brain` of images and masks, in the orientation, spacing and range of `t1-brain`'s. The brain is where
/// the template shows signal, as it has no skull. `file` is the template, or the folder that holds it as [`MNI152_FILE`].
/// A folder that is there already and was made from the same file in the same way is left as it is.
///
/// # Errors
/// When the template is missing or cannot be read, shows no brain, or the folder cannot be written, and, unless `force`,
/// when something else lies where it is to be written.
pub fn build_mni152(file: &Path, out: &Path, force: bool) -> Result<Made, DataError> {
    let file = if file.is_dir() {
        file.join(MNI152_FILE)
    } else {
        file.to_owned()
    };
    if !file.is_file() {
        return Err(DataError::NoTemplate {
            path: file,
            advice: "`make nilearn` unpacks it from the Python package nilearn into .tools/nilearn; or give --mni152 \
                the folder nilearn/datasets/data of an installed nilearn"
                .to_owned(),
        });
    }
    let t1 = voxels(read_volume(&file)?);
    let brain: Array3<u8> = t1.mapv(|v| u8::from(v > 0.0));
    let head = Head {
        t1: t1.mapv(|v| v * MNI152_SCALE),
        brain,
        nuclei: None,
    };
    let slices = BRAIN.slices(&head, Side::Right, None);
    if slices.is_empty() {
        return Err(DataError::NoSlices {
            task: MNI152_NAME,
            split: "test",
            minimum: BRAIN.minimum,
        });
    }
    let source = Source {
        description: format!(
            "MNI152 (ICBM 2009a, nonlinear, symmetric), the T1 template without skull that the Python package nilearn \
             carries; right hemisphere; {}; 16-bit grey: the 8-bit signal times {}; brain: signal above 0",
            BRAIN.left_out(),
            MNI152_SCALE * VALUE_SCALE
        ),
        command: "sagate data mni152".to_owned(),
        files: vec![SourceFile::read(&file)?],
    };
    let text = toml::to_string(&source).expect("a source is plain strings");
    let dir = out.join(MNI152_NAME);
    let there = std::fs::read_to_string(dir.join(SOURCE)).is_ok_and(|there| there == text);
    let written = !there || force;
    if written {
        replace_folder(&dir, force, |fresh| {
            write_slices(&BRAIN, fresh, &slices)?;
            let file = fresh.join(SOURCE);
            std::fs::write(&file, &text).map_err(DataError::io("write", &file))
        })?;
    }
    Ok(Made {
        task: MNI152_NAME.to_owned(),
        dir,
        written,
        slices: [0, 0, slices.len(), 0],
    })
}
