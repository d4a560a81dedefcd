//! A mask is paired with an image only where both lie at one place.
//!
//! What would break: Dice is told, or a network trained, against a mask that lies elsewhere in the patient.

use sagate_core::imaging::{Format, Image, ImagingError, Limits, Picture, decode, require_aligned};

use crate::nifti_file::NiftiFile;

fn picture(file: &NiftiFile) -> Picture {
    decode(&file.bytes(), Format::Nifti, "file.nii", &Limits::default()).unwrap()
}

/// A scan of 2 x 3 x 4 voxels of 2 mm, a little oblique.
fn scan() -> NiftiFile {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.sform_code = 1;
    file.sform = [
        [2.0, 0.1, 0.0, -30.0],
        [-0.1, 2.0, 0.0, 12.0],
        [0.0, 0.0, 2.0, 5.0],
    ];
    file
}

fn aligned(mask: &Picture, name: &str, image: &Picture) -> Result<(), ImagingError> {
    require_aligned(
        mask.placement().as_ref(),
        name,
        image.placement().as_ref(),
        "image.nii",
    )
}

fn check(mask: &NiftiFile, image: &NiftiFile) -> Result<(), ImagingError> {
    aligned(&picture(mask), "mask.nii", &picture(image))
}

#[test]
fn rounding_is_let_pass_and_a_shift_is_not() {
    check(&scan(), &scan()).expect("the same");
    for (shift, fits) in [
        (0.0001, true),
        (0.19, true),
        (0.21, false),
        (2.0, false),
        (f32::MAX, false),
    ] {
        let mut mask = scan();
        mask.sform[1][3] += shift;
        match (check(&mask, &scan()), fits) {
            (Ok(()), true) => {}
            (Err(error @ ImagingError::Misplaced { .. }), false) => {
                let message = error.to_string();
                assert!(message.starts_with("mask.nii: "), "{message}");
                assert!(message.contains("image.nii"), "{message}");
            }
            (other, _) => panic!("{shift}: {other:?}"),
        }
    }
    // Steps that differ move the far corner alone.
    let mut mask = scan();
    mask.sform[2][2] = 2.2;
    assert!(matches!(
        check(&mask, &scan()),
        Err(ImagingError::Misplaced { .. })
    ));
}

#[test]
fn files_whose_axes_run_otherwise_fit_where_they_lie_at_one_place() {
    // k, -i, j: the first voxel is the one that lies last along the image's i.
    let mut mask = NiftiFile::counting(&[4, 2, 3]);
    mask.sform_code = 1;
    mask.sform = [
        [0.0, -2.0, 0.1, -28.0],
        [0.0, 0.1, 2.0, 11.9],
        [2.0, 0.0, 0.0, 5.0],
    ];
    check(&mask, &scan()).expect("the same place");
    mask.sform[0][3] = -30.0;
    assert!(matches!(
        check(&mask, &scan()),
        Err(ImagingError::Misplaced { .. })
    ));
}

#[test]
fn units_count() {
    let mut bytes = scan().bytes();
    bytes[123] = 3; // micrometres
    let small = decode(&bytes, Format::Nifti, "small.nii", &Limits::default()).unwrap();
    assert!(aligned(&small, "small.nii", &picture(&scan())).is_err());
}

#[test]
fn a_file_that_does_not_say_how_it_lies_fits_only_its_like() {
    let without = NiftiFile::counting(&[2, 3, 4]);
    check(&without, &without).expect("both are read by one rule");
    for (mask, image, named) in [
        (&without, &scan(), "mask.nii: orientation is missing"),
        (&scan(), &without, "image.nii: orientation is missing"),
    ] {
        let error = check(mask, image).expect_err("one of them says it").to_string();
        assert!(error.contains(named), "{error}");
    }
    // A PNG cannot say it, and its size is checked elsewhere.
    let plain = Image::new(ndarray::Array3::zeros((1, 4, 3)), [1.0; 2]);
    aligned(&Picture::Image(plain), "mask.png", &picture(&scan())).expect("nothing to compare");
}

#[test]
fn files_of_two_dimensions_are_compared_too() {
    let flat = |offset: f32| {
        let mut file = NiftiFile::counting(&[4, 3]);
        file.sform_code = 1;
        file.sform = [
            [0.0, 0.0, 1.0, offset],
            [1.2, 0.0, 0.0, -100.0],
            [0.0, 0.8, 0.0, -70.0],
        ];
        file
    };
    check(&flat(5.0), &flat(5.0)).expect("the same");
    assert!(matches!(
        check(&flat(6.0), &flat(5.0)),
        Err(ImagingError::Misplaced { .. })
    ));
}
