//! NIfTI files that are packed, cut short, damaged or hostile: what cannot be trusted is refused, by name.
//!
//! What would break: a header that lies makes the process allocate without bound or fall over, and half a scan passes for
//! a whole one.

use sagate_core::imaging::{Format, ImagingError, Limits, Picture, decode};

use crate::nifti_file::NiftiFile;

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
        (|file| file.datatype = 128, "datatype is RGB24 (128)"),
        (
            |file| file.datatype = 77,
            "datatype is 77, which NIfTI does not define",
        ),
        (|file| file.bitpix = 8, "bitpix is 8; it should be 16"),
        (|file| file.vox_offset = 40.0, "vox_offset is 40"),
        (|file| file.vox_offset = f32::NAN, "vox_offset is NaN"),
        (|file| file.slope = f32::INFINITY, "scl_slope is inf"),
        (
            |file| (file.slope, file.intercept) = (1.0, f32::NAN),
            "scl_inter is NaN",
        ),
        (|file| file.magic = *b"ni1\0", "magic is that of a .hdr/.img pair"),
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

#[test]
fn zeros_behind_gzip_are_no_data_and_anything_else_is_refused() {
    let file = NiftiFile::counting(&[2, 3, 4]);
    let plain = try_decode(&file.bytes()).expect("plain");
    let packed = gzip(&file.bytes());
    let joined = |parts: &[&[u8]]| try_decode(&parts.concat());
    for count in [1, 3, 400] {
        let zeros = vec![0; count];
        assert_eq!(
            joined(&[&packed, &zeros]).expect("zeros behind"),
            plain,
            "{count}"
        );
    }
    // What `cat` and bgzip write: several members, the last of them empty; zeros may lie between.
    let bytes = file.bytes();
    let (start, end) = (gzip(&bytes[..100]), gzip(&bytes[100..]));
    for between in [&[][..], &[0; 7]] {
        let read = joined(&[&start, between, &end, between, &gzip(&[]), between]);
        assert_eq!(read.expect("several members"), plain);
    }
    for garbage in [&b"x"[..], b"<!-- cached -->", b"\0\0x", b"\x1f", b"\0\x1f\x8c"] {
        let error = joined(&[&packed, garbage]).expect_err("garbage").to_string();
        assert!(error.contains("gzip data is damaged"), "{error}");
        assert!(error.contains("neither gzip nor zeros"), "{error}");
    }
    let cut = joined(&[&packed, &[0; 5], &packed[..12]]).expect_err("a member that is cut");
    assert!(matches!(cut, ImagingError::Truncated { .. }), "{cut}");
}

#[test]
fn lying_headers_of_nifti_2_are_refused_within_the_limits() {
    let good = NiftiFile::counting(&[2, 3, 4]);
    type Change = fn(&mut [u8]);
    let cases: [(Change, &str); 9] = [
        (
            |bytes| bytes[24..32].copy_from_slice(&i64::MAX.to_le_bytes()),
            "above the limit",
        ),
        (
            |bytes| bytes[24..32].copy_from_slice(&(-3i64).to_le_bytes()),
            "dim[1] is -3",
        ),
        (
            |bytes| bytes[16..24].copy_from_slice(&(1i64 << 40).to_le_bytes()),
            "dim[0] is 1099511627776",
        ),
        (
            |bytes| bytes[168..176].copy_from_slice(&i64::MAX.to_le_bytes()),
            "above the limit",
        ),
        (
            |bytes| bytes[168..176].copy_from_slice(&(-1i64).to_le_bytes()),
            "vox_offset is -1",
        ),
        (
            |bytes| bytes[168..176].copy_from_slice(&352i64.to_le_bytes()),
            "vox_offset is 352; it should be a whole number, 544",
        ),
        (
            |bytes| bytes[176..184].copy_from_slice(&f64::INFINITY.to_le_bytes()),
            "scl_slope is inf",
        ),
        (|bytes| bytes[8..12].copy_from_slice(b"\n\x1a\n\0"), "as text"),
        (|bytes| bytes[4..8].copy_from_slice(b"n+1\0"), "magic is n+1"),
    ];
    for (change, expected) in cases {
        let mut bytes = good.bytes_2();
        change(&mut bytes);
        let message = try_decode(&bytes).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message} lacks {expected}");
    }
    let error = try_decode(&good.bytes_2()[..400]).expect_err("cut").to_string();
    assert!(
        error.contains("NIfTI-2 header is cut short: 400 bytes"),
        "{error}"
    );
}

#[test]
fn steps_that_overflow_are_refused() {
    let mut file = NiftiFile::counting(&[2, 3, 4]).oriented();
    file.sform[0][3] = f32::INFINITY;
    assert!(message(&file).contains("sform"), "{}", message(&file));
    let mut bytes = NiftiFile::counting(&[2, 3, 4]).oriented().bytes_2();
    bytes[400..408].copy_from_slice(&1e300f64.to_le_bytes());
    let error = try_decode(&bytes).expect_err("a step of 1e300").to_string();
    assert!(error.contains("sform"), "{error}");
}

#[test]
fn whole_numbers_that_double_precision_does_not_hold_are_refused() {
    let file = |datatype, value: u64| {
        let data = [1, value].iter().flat_map(|value| value.to_le_bytes()).collect();
        NiftiFile::new(&[2, 1, 1], datatype, 64, data)
    };
    let most = 1u64 << 53;
    for (datatype, value) in [(1024, most), (1280, most), (1024, (-(most as i64)) as u64)] {
        try_decode(&file(datatype, value).bytes()).expect("2^53 is exact");
    }
    for (datatype, value) in [(1024, most + 1), (1280, u64::MAX), (1024, i64::MIN as u64)] {
        let message = message(&file(datatype, value));
        assert!(message.contains("beyond 2^53"), "{message}");
    }
}

#[test]
fn a_series_is_not_taken_for_channels() {
    let series = || NiftiFile::counting(&[2, 3, 4, 3]);
    let mut steps = series();
    steps.pixdim[4] = 2.5;
    let message = message(&steps);
    assert!(
        message.contains("dim[4] is 3 steps of a series: pixdim[4] is 2.5"),
        "{message}"
    );
    for (at, value, expected) in [
        (123, 2 + 16, "milliseconds"),
        (123, 2 + 32, "hertz"),
        (122, 1, "slice_code is 1"),
    ] {
        let mut bytes = series().bytes();
        bytes[at] = value;
        let message = try_decode(&bytes).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
    for (at, expected) in [(132, "slice_duration is 0.5"), (136, "toffset is 0.5")] {
        let mut bytes = series().bytes();
        bytes[at..at + 4].copy_from_slice(&0.5f32.to_le_bytes());
        let message = try_decode(&bytes).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    }
    // Seconds and steps of 0 or 1 are what writers of several modalities leave.
    for step in [0.0, 1.0] {
        let mut modalities = series();
        modalities.pixdim[4] = step;
        let mut bytes = modalities.bytes();
        bytes[123] = 2 + 8;
        let Ok(Picture::Volume(volume)) = try_decode(&bytes) else {
            panic!("three channels")
        };
        assert_eq!(volume.voxels.dim().0, 3);
    }
}
