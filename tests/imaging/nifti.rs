//! NIfTI: every voxel type, byte order and orientation arrives in RAS+ order.
//!
//! What would break: a network trained on one orientation is shown another, left becomes right, or scaled values are
//! read unscaled.

use ndarray::{Array4, ArrayView4, Axis};
use sagate_core::imaging::{Format, Image, ImagingError, Limits, Picture, Plane, Volume, decode};

use crate::nifti_file::NiftiFile;

fn try_decode(bytes: &[u8]) -> Result<Picture, ImagingError> {
    decode(bytes, Format::Nifti, "head.nii", &Limits::default())
}

fn volume(file: &NiftiFile) -> Volume {
    match try_decode(&file.bytes()).expect("a valid file") {
        Picture::Volume(volume) => volume,
        Picture::Image(_) => panic!("an image, not a volume"),
    }
}

/// `[c, i, j, k]` with the value of voxel (i, j, k) of channel c: its place in the file.
fn counting(extent: [usize; 4]) -> Array4<f32> {
    let [c, i, j, k] = extent;
    Array4::from_shape_fn((c, i, j, k), |(c, x, y, z)| {
        (((c * k + z) * j + y) * i + x) as f32
    })
}

#[test]
fn every_voxel_type_in_either_byte_order_gives_its_values() {
    let values = [0.0f64, 1.0, 2.0, 100.0, 5.0, 127.0];
    macro_rules! check {
        ($kind:ty, $datatype:expr) => {
            for big_endian in [false, true] {
                let store = |v: &f64| {
                    if big_endian {
                        (*v as $kind).to_be_bytes()
                    } else {
                        (*v as $kind).to_le_bytes()
                    }
                };
                let data: Vec<u8> = values.iter().flat_map(store).collect();
                let mut file = NiftiFile::new(&[3, 2, 1], $datatype, 8 * size_of::<$kind>() as i16, data);
                file.big_endian = big_endian;
                let file = file.oriented();
                let read: Vec<f64> = volume(&file)
                    .voxels
                    .t()
                    .iter()
                    .map(|&value| f64::from(value))
                    .collect();
                assert_eq!(
                    read, values,
                    "datatype {} big endian {big_endian}",
                    $datatype
                );
            }
        };
    }
    check!(u8, 2);
    check!(i16, 4);
    check!(i32, 8);
    check!(f32, 16);
    check!(f64, 64);
    check!(i8, 256);
    check!(u16, 512);
    check!(u32, 768);
    check!(i64, 1024);
    check!(u64, 1280);
}

#[test]
fn negative_values_survive_in_signed_types() {
    let mut file = NiftiFile::new(
        &[1, 2, 1],
        4,
        16,
        [-1000i16, 3071].iter().flat_map(|v| v.to_le_bytes()).collect(),
    );
    assert_eq!(volume(&file).voxels.as_slice(), Some(&[-1000.0, 3071.0][..]));
    file.datatype = 256;
    file.bitpix = 8;
    file.data = vec![0xff, 0x80];
    assert_eq!(volume(&file).voxels.as_slice(), Some(&[-1.0, -128.0][..]));
}

#[test]
fn slope_and_intercept_scale_and_a_slope_of_zero_or_nan_does_not() {
    let mut file = NiftiFile::counting(&[2, 1, 1]).oriented();
    (file.slope, file.intercept) = (0.5, -10.0);
    assert_eq!(volume(&file).voxels.as_slice(), Some(&[-10.0, -9.5][..]));
    for none in [0.0, f32::NAN] {
        (file.slope, file.intercept) = (none, f32::NAN);
        assert_eq!(
            volume(&file).voxels.as_slice(),
            Some(&[0.0, 1.0][..]),
            "slope {none}"
        );
    }
}

/// The file's `[c, i, j, k]` must come out permuted by `axes` and flipped along `flips`.
fn expect_ras(file: &NiftiFile, axes: [usize; 3], flips: [bool; 3], spacing: [f64; 3]) {
    let read = volume(file);
    let stored = counting([1, 2, 3, 4]);
    let mut expected: ArrayView4<'_, f32> =
        stored
            .view()
            .permuted_axes([0, axes[0] + 1, axes[1] + 1, axes[2] + 1]);
    for (axis, _) in flips.iter().enumerate().filter(|&(_, &flip)| flip) {
        expected.invert_axis(Axis(axis + 1));
    }
    assert_eq!(read.voxels, expected);
    for (read, expected) in read.spacing.into_iter().zip(spacing) {
        assert!(
            (read - expected).abs() < 1e-6,
            "{:?} is not {spacing:?}",
            file.sform
        );
    }
}

/// As nibabel and FSL have it: what no transform places runs to the left.
#[test]
fn without_transforms_the_first_axis_runs_to_the_left() {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.pixdim[1..4].copy_from_slice(&[0.5, 2.0, 3.0]);
    expect_ras(&file, [0, 1, 2], [true, false, false], [0.5, 2.0, 3.0]);
    let oriented = |file: &NiftiFile| volume(file).placement().map(|placement| placement.is_oriented());
    assert_eq!(oriented(&file), Some(false));
    assert_eq!(oriented(&file.oriented()), Some(true));
}

#[test]
fn the_sform_turns_every_orientation_into_ras() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let steps = [0.5f32, 2.0, 3.0];
    for axes in orders {
        for flips in 0..8 {
            let flips = [flips & 1 != 0, flips & 2 != 0, flips & 4 != 0];
            let mut file = NiftiFile::counting(&[2, 3, 4]);
            file.sform_code = 1;
            for world in 0..3 {
                let sign = if flips[world] { -1.0 } else { 1.0 };
                file.sform[world][axes[world]] = sign * steps[axes[world]];
                // A little oblique, as scanners are.
                file.sform[world][(axes[world] + 1) % 3] += 0.05;
            }
            let length = |axis: usize| {
                (0..3)
                    .map(|w| f64::from(file.sform[w][axis]).powi(2))
                    .sum::<f64>()
                    .sqrt()
            };
            let spacing = axes.map(length);
            expect_ras(&file, axes, flips, spacing);
        }
    }
}

#[test]
fn the_qform_counts_where_there_is_no_sform() {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.qform_code = 1;
    file.pixdim = [1.0, 0.5, 2.0, 3.0, 1.0, 1.0, 1.0, 1.0];
    expect_ras(&file, [0, 1, 2], [false; 3], [0.5, 2.0, 3.0]);
    // A half turn about y, and the mirror of qfac -1: x is flipped alone.
    file.quaternion = [0.0, 1.0, 0.0, 90.0, -126.0, -72.0];
    file.pixdim[0] = -1.0;
    expect_ras(&file, [0, 1, 2], [true, false, false], [0.5, 2.0, 3.0]);
    // A quarter turn about x takes the file's second axis to z and its third to -y.
    file.quaternion = [0.5f32.sqrt(), 0.0, 0.0, 0.0, 0.0, 0.0];
    file.pixdim[0] = 1.0;
    expect_ras(&file, [0, 2, 1], [false, true, false], [0.5, 3.0, 2.0]);
    // The sform takes precedence.
    file.sform_code = 2;
    file.sform = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    expect_ras(&file, [0, 1, 2], [false; 3], [1.0; 3]);
}

#[test]
fn slices_are_laid_out_as_the_planes_promise() {
    let read = volume(&NiftiFile::counting(&[2, 3, 4]));
    assert_eq!(
        [Plane::Sagittal, Plane::Coronal, Plane::Axial].map(|plane| read.extent(plane)),
        [2, 3, 4]
    );
    let voxel = |x: usize, y: usize, z: usize| read.voxels[[0, x, y, z]];
    let sagittal = read.slice(Plane::Sagittal, 1);
    assert_eq!(sagittal.pixels.dim(), (1, 4, 3));
    assert_eq!(
        sagittal.pixels[[0, 0, 0]],
        voxel(1, 2, 3),
        "top left is superior and anterior"
    );
    assert_eq!(
        sagittal.pixels[[0, 3, 2]],
        voxel(1, 0, 0),
        "bottom right is inferior and posterior"
    );
    let coronal = read.slice(Plane::Coronal, 2);
    assert_eq!(coronal.pixels.dim(), (1, 4, 2));
    assert_eq!(
        coronal.pixels[[0, 0, 0]],
        voxel(0, 2, 3),
        "top left is superior and x = 0"
    );
    assert_eq!(coronal.pixels[[0, 3, 1]], voxel(1, 2, 0));
    let axial = read.slice(Plane::Axial, 0);
    assert_eq!(axial.pixels.dim(), (1, 3, 2));
    assert_eq!(
        axial.pixels[[0, 0, 0]],
        voxel(0, 2, 0),
        "top left is anterior and x = 0"
    );
    assert_eq!(axial.pixels[[0, 2, 1]], voxel(1, 0, 0));
}

#[test]
fn slices_take_their_own_spacing_and_millimetres() {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.pixdim[1..4].copy_from_slice(&[0.5, 2.0, 3.0]);
    let read = volume(&file);
    assert_eq!(read.slice(Plane::Sagittal, 0).spacing, [3.0, 2.0]);
    assert_eq!(read.slice(Plane::Coronal, 0).spacing, [3.0, 0.5]);
    assert_eq!(read.slice(Plane::Axial, 0).spacing, [2.0, 0.5]);
    let mut bytes = file.bytes();
    bytes[123] = 3; // micrometres
    let Ok(Picture::Volume(read)) = try_decode(&bytes) else {
        panic!("a volume")
    };
    assert!(
        read.spacing
            .iter()
            .zip([0.5e-3, 2e-3, 3e-3])
            .all(|(a, b)| (a - b).abs() < 1e-12)
    );
}

#[test]
fn a_fourth_dimension_becomes_channels() {
    let read = volume(&NiftiFile::counting(&[2, 3, 4, 5]).oriented());
    assert_eq!(read.voxels, counting([5, 2, 3, 4]));
    assert_eq!(read.slice(Plane::Axial, 1).pixels.dim(), (5, 3, 2));
}

#[test]
fn a_file_of_two_dimensions_is_an_image() {
    let mut file = NiftiFile::counting(&[3, 2]);
    file.pixdim[1..3].copy_from_slice(&[0.5, 2.0]);
    let Ok(Picture::Image(Image { pixels, spacing, .. })) = try_decode(&file.bytes()) else {
        panic!("an image")
    };
    assert_eq!(spacing, [2.0, 0.5]);
    // Without transforms the first axis runs to the left and the second to the front, which is up.
    assert_eq!(pixels.into_raw_vec_and_offset().0, [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]);
    let single = volume(&NiftiFile::counting(&[3, 1, 2]));
    assert_eq!(single.single_plane(), Some(Plane::Coronal));
    assert_eq!(volume(&NiftiFile::counting(&[3, 2, 2])).single_plane(), None);
}
