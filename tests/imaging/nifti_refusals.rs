//! NIfTI-1 files that are packed, cut short, damaged or hostile: what cannot be trusted is refused, by name.
//!
//! What would break: a header that lies makes the process allocate without bound or fall over, and half a scan passes for
//! a whole one.

use crate::nifti_file::NiftiFile;
use sagate::imaging::{Format, ImagingError, Limits, Picture, decode};

fn try_decode(bytes: &[u8]) -> Result<Picture, ImagingError> {
    decode(bytes, Format::Nifti, "head.nii", &Limits::default())
}

fn message(file: &NiftiFile) -> String {
    try_decode(&file.bytes()).expect_err("a wrong file").to_string()
}

/// Packs bytes as `.gz`.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("packing into memory")
}

#[test]
fn packed_and_plain_files_are_the_same_to_a_reader() {
    let file = NiftiFile::counting(&[2, 3, 4]);
    assert_eq!(
        try_decode(&gzip(&file.bytes())).expect("packed"),
        try_decode(&file.bytes()).expect("plain")
    );
}

#[test]
fn every_wrong_field_is_named_with_its_value() {
    type Change = fn(&mut NiftiFile);
    let cases: [(Change, &str); 15] = [
        (|file| file.dim[0] = 9, "dim[0] is 9"),
        (|file| file.dim[0] = -1, "dim[0] is -1"),
        (|file| file.dim[2] = 0, "dim[2] is 0"),
        (|file| file.dim[3] = -4, "dim[3] is -4"),
        (
            |file| file.dim = [5, 2, 3, 1, 2, 2, 1, 1],
            "dim[4..] is [2, 2, 1, 1]",
        ),
        (|file| file.datatype = 128, "datatype is 128 (Rgb24)"),
        (|file| file.datatype = 77, "datatype is 77"),
        (|file| file.bitpix = 8, "bitpix is 8; it should be 16"),
        (|file| file.vox_offset = 40.0, "vox_offset is 40"),
        (|file| file.vox_offset = f32::NAN, "vox_offset is NaN"),
        (|file| file.slope = f32::INFINITY, "scl_slope is inf"),
        (
            |file| (file.slope, file.intercept) = (1.0, f32::NAN),
            "scl_inter is NaN",
        ),
        (|file| file.magic = *b"ni1\0", "magic is ni1"),
        (|file| file.sform_code = 1, "sform"),
        (
            |file| (file.qform_code, file.quaternion[0]) = (1, f32::NAN),
            "qform",
        ),
    ];
    for (change, expected) in cases {
        let mut file = NiftiFile::counting(&[2, 3, 4]);
        change(&mut file);
        let message = message(&file);
        assert!(message.starts_with("head.nii: "), "{message}");
        assert!(message.contains(expected), "{message} lacks {expected}");
        assert!(message.contains("should be"), "{message}");
    }
}

#[test]
fn nan_voxels_are_refused_with_their_place() {
    let data = [0.0f32, f32::NAN, 1.0, f32::INFINITY]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let message = message(&NiftiFile::new(&[2, 2, 1], 16, 32, data));
    assert!(
        message.contains("2 of 4 are NaN or infinite (the first at [0, 1, 0, 0])"),
        "{message}"
    );
    // 1e300 is finite in the file but not as float32.
    let data = 1e300f64.to_le_bytes().to_vec();
    assert!(matches!(
        try_decode(&NiftiFile::new(&[1, 1, 1], 64, 64, data).bytes()),
        Err(ImagingError::NotFinite { count: 1, .. })
    ));
}

#[test]
fn absurd_dimensions_are_refused_before_anything_is_allocated() {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.dim = [7, 32767, 32767, 32767, 32767, 1, 1, 1];
    assert!(matches!(
        try_decode(&file.bytes()),
        Err(ImagingError::TooLarge { field: "dim", .. })
    ));
    assert!(matches!(
        try_decode(&gzip(&file.bytes())),
        Err(ImagingError::TooLarge { .. })
    ));
    file = NiftiFile::counting(&[2, 3, 4]);
    file.vox_offset = 1e30;
    assert!(matches!(
        try_decode(&file.bytes()),
        Err(ImagingError::TooLarge { .. })
    ));
}

#[test]
fn a_small_file_that_claims_much_is_cut_short_not_filled_up() {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.dim = [3, 400, 400, 400, 1, 1, 1, 1];
    for bytes in [file.bytes(), gzip(&file.bytes())] {
        assert!(matches!(
            try_decode(&bytes),
            Err(ImagingError::Truncated {
                field: "voxel data",
                ..
            })
        ));
    }
}

#[test]
fn a_decompression_bomb_is_stopped_at_the_limit() {
    let mut file = NiftiFile::counting(&[2, 3, 4]);
    file.data.resize(4 << 20, 0);
    let packed = gzip(&file.bytes());
    assert!(packed.len() < 20_000, "the bomb is small");
    let limits = Limits {
        max_pixels: 1000,
        max_bytes: 1 << 20,
    };
    let error = decode(&packed, Format::Nifti, "bomb.nii.gz", &limits).expect_err("a bomb");
    assert!(
        matches!(
            error,
            ImagingError::TooLarge {
                field: "unpacked gzip data",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn truncation_anywhere_is_an_error_and_never_a_panic() {
    let whole = NiftiFile::counting(&[2, 3, 4]).bytes();
    let packed = gzip(&whole);
    for bytes in [&whole, &packed] {
        for length in 0..bytes.len() {
            let error = try_decode(&bytes[..length]).expect_err("cut short");
            assert!(error.to_string().starts_with("head.nii: "), "{error}");
        }
    }
    assert!(matches!(
        try_decode(&packed[..packed.len() - 4]),
        Err(ImagingError::Truncated { .. })
    ));
    let mut wrong_sum = packed.clone();
    let last = wrong_sum.len() - 6;
    wrong_sum[last] ^= 0xff;
    assert!(matches!(
        try_decode(&wrong_sum),
        Err(ImagingError::Damaged { format: "gzip", .. })
    ));
}
