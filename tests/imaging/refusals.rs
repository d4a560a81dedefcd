//! What is wrong with a picture is said in a sentence that names the file, the field, what it was and what would be
//! right; nothing panics and nothing is guessed.
//!
//! What would break: a damaged image is segmented as if it were whole, a hostile one brings the process down, or a person
//! cannot tell what to do about it.

use std::fs;
use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};
use sagate_core::imaging::{Dtype, Format, ImagingError, Limits, decode, read};

use crate::jpeg_file::{jpeg, three_scans};

fn error(bytes: &[u8], format: Format) -> ImagingError {
    decode(bytes, format, "picture.dat", &Limits::default()).expect_err("a refusal")
}

fn assert_says(error: &ImagingError, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "`{message}` lacks `{word}`");
    }
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let noisy = GrayImage::from_fn(64, 48, |x, y| Luma([(x * 37 + y * 91 + x * y) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    if format == ImageFormat::Jpeg {
        return jpeg(&noisy.into());
    }
    noisy.write_to(&mut bytes, format).expect("encoding into memory");
    bytes.into_inner()
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn a_cut_png_or_jpeg_is_refused_at_every_length() {
    for (image_format, format) in [(ImageFormat::Png, Format::Png), (ImageFormat::Jpeg, Format::Jpeg)] {
        let whole = picture(image_format);
        assert!(decode(&whole, format.clone(), "whole", &Limits::default()).is_ok());
        for length in 0..whole.len() {
            assert_says(&error(&whole[..length], format.clone()), &["picture.dat"]);
        }
        assert!(matches!(
            error(&whole[..whole.len() / 2], format),
            ImagingError::Truncated { .. }
        ));
    }
}

/// What decoders fill with grey: a scan that ends early, zeros in it, bytes that are missing from it.
#[test]
fn a_jpeg_whose_scan_is_damaged_is_refused() {
    let whole = picture(ImageFormat::Jpeg);
    let scan = whole
        .windows(2)
        .position(|pair| pair == [0xff, 0xda])
        .expect("a scan")
        + 10;
    let (middle, end) = ((scan + whole.len()) / 2, b"\xff\xd9");
    let cut = [&whole[..middle], &end[..]].concat();
    let zeros = [&whole[..middle], &[0; 200], &whole[middle + 200..]].concat();
    let missing = [&whole[..middle], &whole[middle + 100..]].concat();
    let empty = [&whole[..scan], &end[..]].concat();
    let stray = [&whole[..scan - 10], b"stray", &whole[scan - 10..]].concat();
    for bytes in [cut, zeros, missing, empty, stray] {
        assert_says(
            &error(&bytes, Format::Jpeg),
            &["picture.dat", "JPEG data is damaged"],
        );
    }
    // Scans of components that never come.
    let plane = GrayImage::from_pixel(16, 16, Luma([7]));
    let three = three_scans(&GrayImage::from_pixel(32, 32, Luma([9])), [&plane, &plane]);
    assert!(decode(&three, Format::Jpeg, "three", &Limits::default()).is_ok());
    let third = three
        .windows(2)
        .rposition(|pair| pair == [0xff, 0xda])
        .expect("a scan");
    let two = [&three[..third], &end[..]].concat();
    assert_says(
        &error(&two, Format::Jpeg),
        &["the scan of component 3 is missing"],
    );
    let twice = [&three[..three.len() - 2], &three[third..]].concat();
    assert_says(&error(&twice, Format::Jpeg), &["a scan is there twice"]);
}

/// A few bytes a scan, each of which costs a pass over the whole picture.
#[test]
fn a_jpeg_of_scans_without_end_is_refused_before_it_is_decoded() {
    let plane = GrayImage::from_pixel(16, 16, Luma([7]));
    let mut bytes = three_scans(&GrayImage::from_pixel(32, 32, Luma([9])), [&plane, &plane]);
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .expect("a frame");
    bytes[frame + 1] = 0xc2;
    let scan = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xda])
        .expect("a scan");
    bytes.truncate(scan);
    for bit in (0..10u8).rev() {
        for coefficient in 1..=63 {
            let before = if bit == 9 { 0 } else { bit + 1 };
            bytes.extend([
                0xff,
                0xda,
                0,
                8,
                1,
                1,
                0,
                coefficient,
                coefficient,
                before << 4 | bit,
                0,
            ]);
        }
    }
    bytes.extend(b"\xff\xd9");
    assert_says(
        &error(&bytes, Format::Jpeg),
        &["number of JPEG scans is 101", "at most 100"],
    );
}

#[test]
fn damaged_bytes_never_panic() {
    for (image_format, format) in [(ImageFormat::Png, Format::Png), (ImageFormat::Jpeg, Format::Jpeg)] {
        let whole = picture(image_format);
        for position in (8..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x55;
            // Some flips only change values; what matters is that each ends in a picture or a typed error.
            let _ = decode(&bytes, format.clone(), "flipped", &Limits::default());
        }
    }
}

#[test]
fn a_png_that_claims_absurd_dimensions_is_refused_before_decoding() {
    let mut bytes = picture(ImageFormat::Png);
    bytes[16..20].copy_from_slice(&200_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&200_000u32.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    let error = error(&bytes, Format::Png);
    assert!(matches!(error, ImagingError::TooLarge { .. }), "{error}");
    assert_says(&error, &["width x height x channels", "200000 x 200000", "limit"]);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn npy_headers_are_checked_key_by_key() {
    let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
    let data = [0u8; 8];
    assert!(decode(&npy(good, &data), Format::Npy, "good", &Limits::default()).is_ok());
    let cases = [
        (good.replace("<f4", "<c8"), vec!["dtype", "`<c8`"]),
        (good.replace("<f4", "|b1"), vec!["dtype", "`|b1`"]),
        (good.replace("<f4", "|O"), vec!["dtype"]),
        (good.replace("'descr'", "'describe'"), vec!["descr", "missing"]),
        (good.replace("False", "Maybe"), vec!["fortran_order is Maybe"]),
        (
            good.replace("(1, 2)", "(2,)"),
            vec!["shape is (2,)", "(height, width)"],
        ),
        (good.replace("(1, 2)", "(1, 1, 1, 2)"), vec!["shape"]),
        (
            good.replace("(1, 2)", "(0, 2)"),
            vec!["shape is 0 x 2", "at least 1"],
        ),
        (good.replace("(1, 2)", "(-1, 2)"), vec!["shape is (-1, 2)"]),
        (good.replace("(1, 2)", "(1, 2"), vec!["shape"]),
        (
            good.replace("(1, 2)", "(4000000000, 4000000000, 4000000000)"),
            vec!["shape", "limit of"],
        ),
        (
            good.replace("(1, 2)", "(1, 3)"),
            vec!["8 bytes are there", "needs 12"],
        ),
        ("(".repeat(4000), vec!["descr", "missing"]),
        (" ".repeat(5000), vec!["header length is 5000"]),
    ];
    for (header, words) in cases {
        assert_says(&error(&npy(&header, &data), Format::Npy), &words);
    }
    let whole = npy(good, &data);
    for length in 0..whole.len() {
        assert_says(&error(&whole[..length], Format::Npy), &["picture.dat"]);
    }
    let mut version = whole.clone();
    version[6] = 9;
    assert_says(&error(&version, Format::Npy), &[".npy version is 9"]);
}

#[test]
fn safetensors_without_a_usable_image_say_what_is_there() {
    let other = safetensors(
        r#"{"feature":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}"#,
        &[0; 4],
    );
    assert_says(
        &error(&other, Format::Safetensors),
        &["tensor `image` is missing", "feature"],
    );
    let boolean = safetensors(
        r#"{"image":{"dtype":"BOOL","shape":[1,4],"data_offsets":[0,4]}}"#,
        &[0; 4],
    );
    assert_says(
        &error(&boolean, Format::Safetensors),
        &["dtype of tensor `image` is BOOL"],
    );
    let flat = safetensors(
        r#"{"image":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
        &[0; 4],
    );
    assert_says(&error(&flat, Format::Safetensors), &["shape is [1]"]);
    let short = safetensors(
        r#"{"image":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#,
        &[0; 4],
    );
    assert!(matches!(
        error(&short, Format::Safetensors),
        ImagingError::Damaged { .. }
    ));
    assert_says(
        &error(&u64::MAX.to_le_bytes(), Format::Safetensors),
        &["header length"],
    );
}

#[test]
fn raw_byte_counts_must_match_the_shape() {
    let raw = |dtype, shape: &[usize]| Format::Raw {
        dtype,
        shape: shape.to_vec(),
    };
    assert_says(
        &error(&[0; 7], raw(Dtype::F32, &[1, 2])),
        &["byte count is 7", "it should be 8", "[1, 2]"],
    );
    assert_says(&error(&[0; 9], raw(Dtype::F32, &[1, 2])), &["byte count is 9"]);
    assert_says(&error(&[], raw(Dtype::F32, &[0, 2])), &["shape is 0 x 2"]);
    assert_says(&error(&[0; 4], raw(Dtype::F32, &[1])), &["shape is [1]"]);
    assert_says(
        &error(&[0; 4], raw(Dtype::U8, &[usize::MAX, usize::MAX])),
        &["shape", "limit"],
    );
    let nan = f32::NAN.to_le_bytes();
    assert_says(
        &error(&nan, raw(Dtype::F32, &[1, 1])),
        &["1 of 1 are NaN or infinite", "[0, 0]"],
    );
    let infinite = half::f16::INFINITY.to_le_bytes();
    assert!(matches!(
        error(&infinite, raw(Dtype::F16, &[1, 1])),
        ImagingError::NotFinite { count: 1, .. }
    ));
}

#[test]
fn folders_absent_empty_large_and_strange_files_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let limits = Limits::default();
    let refused = |name: &str, bytes: Option<&[u8]>, limits: &Limits| {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).expect("a file");
        }
        let error = read(&path, limits).expect_err(name);
        assert_says(&error, &[name]);
        error
    };
    let error = read(folder.path(), &limits).expect_err("a folder");
    assert!(matches!(error, ImagingError::Folder { .. }), "{error}");
    assert_says(&error, &["is a folder", "name one image file"]);
    assert!(matches!(
        refused("absent.png", None, &limits),
        ImagingError::Unreadable { .. }
    ));
    assert_says(&refused("empty.png", Some(b""), &limits), &["0 bytes"]);
    let unknown = refused("notes.txt", Some(b"hello, world"), &limits);
    assert_says(&unknown, &["68 65 6c 6c 6f", "NIfTI (.nii", "PNG"]);
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    assert_says(&refused("scan.dcm", Some(&dicom), &limits), &["it is DICOM"]);
    let mut second = vec![0x1c, 2, 0, 0];
    second.extend([0; 540]);
    assert_says(&refused("scan2", Some(&second), &limits), &["NIfTI-2"]);
    assert!(matches!(
        refused("lies.png", Some(b"not a png"), &limits),
        ImagingError::Damaged { .. }
    ));
    assert!(matches!(
        refused("short.nii", Some(b"\x5c\x01\0\0"), &limits),
        ImagingError::Truncated { .. }
    ));
    let small = Limits {
        max_bytes: 100,
        ..limits
    };
    assert!(matches!(
        refused("large.png", Some(&[0; 101]), &small),
        ImagingError::TooLarge { .. }
    ));
}
