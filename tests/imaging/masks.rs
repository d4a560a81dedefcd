//! Masks go out in every form and come back as they were, on the grid of the file that their image came from.
//!
//! What would break: a mask opened in a viewer lies beside its organ, other tools cannot read it, or the name of a
//! patient travels along in it.

use ndarray::{Array2, Array3, Axis, array};
use proptest::prelude::*;
use sagate_core::imaging::mask::{self, Rle};
use sagate_core::imaging::{Format, Image, ImagingError, Limits, Picture, Plane, Volume, decode, read};

use crate::nifti_file::NiftiFile;

fn volume_of(bytes: &[u8]) -> Volume {
    match decode(bytes, Format::Nifti, "head.nii", &Limits::default()) {
        Ok(Picture::Volume(volume)) => volume,
        other => panic!("not a volume: {other:?}"),
    }
}

fn image_of(bytes: &[u8], format: Format) -> Image {
    match decode(bytes, format, "mask", &Limits::default()) {
        Ok(Picture::Image(image)) => image,
        other => panic!("not an image: {other:?}"),
    }
}

fn labels(height: usize, width: usize) -> Array2<u8> {
    Array2::from_shape_fn((height, width), |(row, column)| {
        ((row * 7 + column * 3) % 4) as u8
    })
}

/// A sagittal scan, as scanners store it: i runs back, j down, k to the left; an oblique sform and a header with words.
fn scan() -> NiftiFile {
    let mut file = NiftiFile::counting(&[3, 4, 5, 2]);
    file.description = "DOE^JANE 1970-01-01";
    file.big_endian = true;
    file.data = (0..120i16).flat_map(i16::to_be_bytes).collect();
    (file.slope, file.intercept) = (2.0, -7.0);
    file.pixdim = [-1.0, 0.5, 0.75, 1.25, 1.0, 0.0, 0.0, 0.0];
    (file.qform_code, file.sform_code) = (1, 2);
    file.quaternion = [0.5, 0.5, 0.5, 11.0, 12.0, 13.0];
    file.sform = [
        [0.01, 0.02, -1.25, 90.0],
        [-0.5, 0.03, 0.01, -126.0],
        [0.02, -0.75, 0.04, -72.0],
    ];
    file
}

/// The header's fields that say where voxels lie: dim[1..4], pixdim, units, qform and sform with all their numbers.
fn geometry(bytes: &[u8]) -> [&[u8]; 4] {
    [&bytes[42..48], &bytes[76..92], &bytes[123..124], &bytes[252..328]]
}

#[test]
fn a_nifti_mask_keeps_the_geometry_of_its_volume_s_file() {
    let source = scan().bytes();
    let volume = volume_of(&source);
    assert_eq!(volume.voxels.dim(), (2, 5, 3, 4), "x is k, y is i, z is j");
    let wanted = Array3::from_shape_fn((5, 3, 4), |(x, y, z)| (x * 12 + y * 4 + z) as u8);
    let bytes = mask::encode_nifti(&wanted, &volume, false).expect("the volume's shape");
    assert_eq!(geometry(&bytes), geometry(&source));
    assert_eq!(bytes.len(), 352 + 60);
    assert_eq!(
        &bytes[40..42],
        3i16.to_be_bytes(),
        "three dimensions: labels have one channel"
    );
    assert!(
        !bytes.windows(3).any(|window| window == b"DOE"),
        "no words of the source's header"
    );

    let back = volume_of(&bytes);
    assert_eq!(mask::from_volume(&back, "mask.nii").expect("labels"), wanted);
    assert_eq!(back.spacing, volume.spacing);
    // Voxel by voxel in the file's own order: where the source has its n-th voxel, the mask has that voxel's label.
    let channel = volume.voxels.index_axis(Axis(0), 0);
    for (index, &label) in bytes[352..].iter().enumerate() {
        let stored = 2.0 * index as f32 - 7.0;
        let place = channel.indexed_iter().find(|&(_, &value)| value == stored);
        let (place, _) = place.expect("every stored value is somewhere");
        assert_eq!(label, wanted[place], "voxel {index}");
    }
    let packed = mask::encode_nifti(&wanted, &volume, true).expect("the volume's shape");
    assert_eq!(volume_of(&packed), back);
}

#[test]
fn a_volume_of_no_file_gets_a_plain_geometry() {
    let volume = Volume::new(ndarray::Array4::zeros((1, 2, 3, 4)), [0.5, 1.5, 2.5]);
    let wanted = Array3::from_shape_fn((2, 3, 4), |(x, y, z)| (x + 2 * y + 6 * z) as u8);
    let back = volume_of(&mask::encode_nifti(&wanted, &volume, false).expect("the volume's shape"));
    assert_eq!(mask::from_volume(&back, "mask").expect("labels"), wanted);
    assert_eq!(back.spacing, volume.spacing);
}

#[test]
fn slices_can_be_put_back_into_a_volume_s_mask() {
    let volume = volume_of(&scan().bytes());
    let channel = volume.voxels.index_axis(Axis(0), 0);
    for plane in [Plane::Sagittal, Plane::Coronal, Plane::Axial] {
        let mut whole = Array3::zeros(channel.raw_dim());
        for index in 0..volume.extent(plane) {
            let slice = volume.slice(plane, index);
            plane
                .slice_mut(whole.view_mut(), index)
                .assign(&slice.pixels.index_axis(Axis(0), 0));
        }
        assert_eq!(whole, channel, "{plane:?}");
    }
}

#[test]
fn an_image_s_mask_goes_out_as_nifti_with_its_own_spacing() {
    let wanted = labels(4, 6);
    for gzip in [false, true] {
        let bytes = mask::encode_nifti_image(&wanted, [2.0, 0.5], None, gzip).expect("a valid mask");
        let back = image_of(&bytes, Format::Nifti);
        assert_eq!(back.spacing, [2.0, 0.5]);
        assert_eq!(mask::from_image(&back, "mask").expect("labels"), wanted);
    }
    assert!(mask::encode_nifti_image(&wanted, [0.0, 1.0], None, false).is_err());
    assert!(mask::encode_nifti_image(&Array2::zeros((0, 3)), [1.0, 1.0], None, false).is_err());
    let error =
        mask::encode_nifti_image(&Array2::zeros((1, 40_000)), [1.0, 1.0], None, false).expect_err("too wide");
    assert!(error.to_string().contains("40000"), "{error}");
}

#[test]
fn masks_go_through_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let wanted = labels(9, 5);
    let path = folder.path().join("mask.png");
    mask::write_png(&path, &wanted).expect("written");
    assert_eq!(mask::read(&path, &Limits::default()).expect("read"), wanted);

    let volume = volume_of(&scan().bytes());
    let wanted = Array3::from_elem((5, 3, 4), 3u8);
    for (name, magic) in [
        ("mask.nii", &b"\0\0\x01\x5c"[..]),
        ("mask.nii.gz", &b"\x1f\x8b"[..]),
    ] {
        let path = folder.path().join(name);
        mask::write_nifti(&path, &wanted, &volume).expect("written");
        assert!(std::fs::read(&path).expect("a file").starts_with(magic), "{name}");
        let Ok(Picture::Volume(back)) = read(&path, &Limits::default()) else {
            panic!("a volume")
        };
        assert_eq!(mask::from_volume(&back, name).expect("labels"), wanted);
        let error = mask::read(&path, &Limits::default()).expect_err("no image");
        assert!(error.to_string().contains("mask is a volume"), "{error}");
    }
}

#[test]
fn what_is_no_mask_is_refused() {
    let image = |pixels| Image::new(pixels, [1.0; 2]);
    for (pixels, expected) in [
        (array![[[0.5]]], "mask value is 0.5"),
        (array![[[-1.0]]], "mask value is -1"),
        (array![[[256.0]]], "mask value is 256"),
        (array![[[1.0]], [[1.0]]], "mask channels is 2"),
    ] {
        let error = mask::from_image(&image(pixels), "mask.png").expect_err(expected);
        assert!(error.to_string().starts_with("mask.png: "), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let volume = volume_of(&scan().bytes());
    let error = mask::encode_nifti(&Array3::zeros((5, 4, 3)), &volume, false).expect_err("another shape");
    assert!(error.to_string().contains("[5, 3, 4]"), "{error}");
    assert!(mask::encode_png(&Array2::zeros((3, 0))).is_err());
}

/// The bits that pycocotools' `encode` was given below.
fn noise() -> Array2<u8> {
    let mut state = 12345u64;
    Array2::from_shape_simple_fn((37, 41), || {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        (state >> 16 & 1) as u8
    })
}

#[test]
fn coco_strings_are_those_of_pycocotools() {
    let mut block = Array2::zeros((5, 7));
    block.slice_mut(ndarray::s![1..4, 2..5]).fill(1);
    let ring = Array2::from_shape_fn((200, 160), |(row, column)| {
        let (y, x) = (row as i64 - 90, column as i64 - 70);
        let hole = (80..95).contains(&row) && (60..70).contains(&column);
        u8::from(!hole && y * y * 55 * 55 + x * x * 40 * 40 < 40 * 40 * 55 * 55)
    });
    let cases = [
        (block, ";320009"),
        (Array2::ones((3, 2)), "06"),
        (Array2::zeros((4, 4)), "`0"),
        (
            ring,
            "cV3?f56J6L2M4L4M2N2N2N2N2N2N2N2N2N2O0O2N2O0O2O0O2N2O000O2O0O2O000O2O000O2O000O2O0000000O2O00^NfL6Z3JfL6\
             Z3JfL6Z3JfL6Z3JfL6Z3JfL6Z3JfL6Z3JfL6Z3JfL6Z3JfL6Z3\\10000000000000000000000001N100000001N10001N10001N10\
             001N101N10001N2N101N101N2N101N2N2N2N2N2N2N2N2N2N3L4L3N4J6JXh6",
        ),
    ];
    for (labels, expected) in cases {
        let rle = Rle::of_class(labels.view(), 1);
        assert_eq!(rle.compressed(), expected);
        let size = [labels.nrows(), labels.ncols()];
        let back = Rle::from_compressed(size, expected).expect("pycocotools' own");
        assert_eq!(back, rle);
        assert_eq!(
            back.decode(&Limits::default()).expect("within the limits"),
            labels
        );
    }
    let text = Rle::of_class(noise().view(), 1).compressed();
    assert!(
        text.starts_with(
            "141M0080H001111NO1OO3011M10N0021M00O0000010O32MN20N41L13NN031NO0000N000031MO0021NO"
        )
    );
    assert!(text.ends_with(
        "020N012O00N2040J0001000O1011OOO02130K00O021N23N24KN0O0N1115NL0N040L021O0O02OO002ON041LO3\
                            1N0001ON0020N020N0010O152KM0000"
    ));
}

#[test]
fn run_lengths_go_column_by_column_and_a_class_each() {
    let labels = array![[1, 0, 2], [1, 2, 2]];
    assert_eq!(Rle::of_class(labels.view(), 1).counts(), [0, 2, 4]);
    assert_eq!(Rle::of_class(labels.view(), 2).counts(), [3, 3]);
    assert_eq!(Rle::of_class(labels.view(), 3).counts(), [6]);
    let json = serde_json::to_string(&Rle::of_class(labels.view(), 2)).expect("json");
    assert_eq!(json, r#"{"size":[2,3],"counts":"33"}"#);
    for text in [json.as_str(), r#"{"size":[2,3],"counts":[3,3]}"#] {
        let rle: Rle = serde_json::from_str(text).expect("either form");
        assert_eq!(rle.size(), [2, 3]);
        assert_eq!(
            rle.decode(&Limits::default()).expect("small"),
            array![[0, 0, 1], [0, 1, 1]]
        );
    }
}

#[test]
fn run_lengths_that_lie_are_refused() {
    for (size, text) in [
        ([2, 2], "5"),
        ([2, 2], "04~"),
        ([2, 2], "o"),
        ([2, 2], "oooooooooooooooo"),
        ([2, 2], "O"),
    ] {
        assert!(Rle::from_compressed(size, text).is_err(), "{text}");
    }
    assert!(Rle::from_counts([2, 2], vec![u64::MAX, 5]).is_err());
    assert!(Rle::from_counts([usize::MAX, 2], vec![0]).is_err());
    let bomb = Rle::from_counts([1 << 30, 1 << 30], vec![1 << 60]).expect("consistent");
    assert!(matches!(
        bomb.decode(&Limits::default()),
        Err(ImagingError::TooLarge { .. })
    ));
    assert!(serde_json::from_str::<Rle>(r#"{"size":[2,2],"counts":[3]}"#).is_err());
}

#[test]
fn packed_bits_are_numpys() {
    // numpy.packbits([[1,0,1],[0,0,1],[1,1,1]])
    let labels = array![[2, 0, 2], [1, 1, 2], [2, 2, 2]];
    assert_eq!(mask::pack(labels.view(), 2), [0b1010_0111, 0b1000_0000]);
    let back = mask::unpack(&[0b1010_0111, 0b1000_0000], [3, 3]).expect("two bytes");
    assert_eq!(back, labels.mapv(|label| u8::from(label == 2)));
    for (bytes, size) in [(1, [3, 3]), (3, [3, 3]), (0, [usize::MAX, 2])] {
        assert!(mask::unpack(&vec![0; bytes], size).is_err());
    }
}

proptest! {
    #[test]
    fn every_form_of_any_mask_comes_back(
        labels in (1usize..25, 1usize..25).prop_flat_map(|(height, width)| {
            proptest::collection::vec(0u8..4, height * width)
                .prop_map(move |labels| Array2::from_shape_vec((height, width), labels).expect("that many"))
        }),
    ) {
        let size = [labels.nrows(), labels.ncols()];
        let png = image_of(&mask::encode_png(&labels).expect("not empty"), Format::Png);
        prop_assert_eq!(&mask::from_image(&png, "png").expect("labels"), &labels);
        let nifti = mask::encode_nifti_image(&labels, [1.0, 1.0], None, false).expect("not empty");
        prop_assert_eq!(&mask::from_image(&image_of(&nifti, Format::Nifti), "nifti").expect("labels"), &labels);
        for class in 1..4 {
            let expected = labels.mapv(|label| u8::from(label == class));
            let rle = Rle::of_class(labels.view(), class);
            let back = Rle::from_compressed(size, &rle.compressed()).expect("its own");
            prop_assert_eq!(back.decode(&Limits::default()).expect("small"), expected.clone());
            prop_assert_eq!(mask::unpack(&mask::pack(labels.view(), class), size).expect("that many"), expected);
        }
    }

    #[test]
    fn no_string_of_counts_makes_the_decoder_panic(text in "[0-~]{0,40}", height in 0usize..50, width in 0usize..50) {
        if let Ok(rle) = Rle::from_compressed([height, width], &text) {
            let _ = rle.decode(&Limits::default());
        }
    }
}
