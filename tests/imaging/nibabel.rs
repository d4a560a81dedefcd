//! The NIfTI reader and the masks against nibabel and SimpleITK, on some 570 generated files: every voxel type, both byte orders, both
//! versions of the header, one file and pairs, all orientations, all codes, scalings, shapes and offsets. Values, transforms and the
//! place of each mask and of single slices' masks are equal, or the file is refused with its reason.
//!
//! What would break: an image is read otherwise than everybody else reads it, or its mask opens beside its organ in a viewer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::{Array2, Array3};
use sagate_core::imaging::{Limits, Picture, Plane, Volume, mask, read};
use serde_json::{Value, json};

fn run(action: &str, folder: &Path) -> String {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("target/nibabel/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `.ci/nibabel` makes it, as `make test` does",
        python.display()
    );
    let ended = Command::new(python)
        .arg(here.join("tests/support/nibabel/matrix.py"))
        .args([Path::new(action), folder])
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(
        ended.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    said
}

/// The formula of the script.
fn label(place: [usize; 3]) -> u8 {
    ((place[0] * 3 + place[1] * 5 + place[2] * 7) % 11) as u8
}

fn labels((x, y, z): (usize, usize, usize)) -> Array3<u8> {
    Array3::from_shape_fn((x, y, z), |(x, y, z)| label([x, y, z]))
}

/// Reads a file, writes its masks, and says what was found.
fn look(folder: &Path, out: &Path, case: &Value) -> Value {
    let name = case["name"].as_str().unwrap();
    let file = folder.join(case["read"].as_str().unwrap());
    let picture = match read(&file, &Limits::default()) {
        Ok(picture) => picture,
        Err(error) => return json!({ "refused": error.to_string() }),
    };
    let oriented = picture.placement().map(|placement| placement.is_oriented());
    let write_values = |values: Vec<u8>| fs::write(out.join(format!("{name}.f32")), values).unwrap();
    match picture {
        Picture::Volume(volume) => {
            write_values(
                volume
                    .voxels
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            );
            let (_, x, y, z) = volume.voxels.dim();
            let path = out.join(format!("{name}.mask.nii.gz"));
            mask::write_nifti(&path, &labels((x, y, z)), &volume).unwrap();
            json!({
                "shape": volume.voxels.shape(),
                "affine": volume.affine(),
                "oriented": oriented,
                "slices": slices(&volume, out, name),
            })
        }
        Picture::Image(image) => {
            write_values(
                image
                    .pixels
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            );
            let geometry = image.geometry.as_deref().expect("a NIfTI file has one");
            let (_, height, width) = image.pixels.dim();
            // The plane is not known here: the one that gives back the shape and the place of the pixels.
            let labels = in_plane(geometry.affine(), [height, width]);
            let mask = mask::encode_nifti_image(&labels, image.spacing, Some(geometry), true).unwrap();
            fs::write(out.join(format!("{name}.mask.nii.gz")), mask).unwrap();
            json!({ "shape": image.pixels.shape(), "affine": geometry.affine(), "oriented": oriented })
        }
    }
}

/// Labels of an image by the formula: the world axes that its rows and columns run along are those of the greatest steps.
fn in_plane(affine: [[f64; 3]; 3], [height, width]: [usize; 2]) -> Array2<u8> {
    let along = |column: usize| {
        let size = |world: &usize| affine[*world][column].abs();
        (0..3).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap()
    };
    let plane = Plane::ALL
        .into_iter()
        .find(|plane| plane.axis() != along(0) && plane.axis() != along(1))
        .unwrap();
    let extent = match plane {
        Plane::Sagittal => (1, width, height),
        Plane::Coronal => (width, 1, height),
        Plane::Axial => (width, height, 1),
    };
    plane.slice(labels(extent).view(), 0).to_owned()
}

/// Masks of the first and the last slice along each plane.
fn slices(volume: &Volume, out: &Path, name: &str) -> Vec<(&'static str, usize)> {
    let (_, x, y, z) = volume.voxels.dim();
    let whole = labels((x, y, z));
    let mut written = Vec::new();
    for plane in Plane::ALL {
        for index in [0, volume.extent(plane) - 1] {
            let image = volume.slice(plane, index);
            let labels = plane.slice(whole.view(), index).to_owned();
            let geometry = image.geometry.as_deref();
            let mask = mask::encode_nifti_image(&labels, image.spacing, geometry, true).unwrap();
            fs::write(out.join(format!("{name}.{}-{index}.nii.gz", plane.name())), mask).unwrap();
            written.push((plane.name(), index));
        }
    }
    written
}

#[test]
fn files_are_read_as_nibabel_reads_them_and_masks_lie_where_their_images_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run("make", folder);
    let out = folder.join("read");
    fs::create_dir(&out).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
    assert!(cases.len() > 500, "{} cases", cases.len());
    for case in &cases {
        let found = look(folder, &out, case);
        let name = case["name"].as_str().unwrap();
        fs::write(out.join(format!("{name}.json")), found.to_string()).unwrap();
    }
    let said = run("check", folder);
    assert!(said.contains("\n0 differ"), "{said}");
}
