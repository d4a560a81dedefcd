//! Files that are no images, each with the words that its error must have.

#![allow(dead_code, reason = "every test file uses a part")]

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, RgbImage};

use super::binary::{floats, gzip, npy, safetensors};
use super::jpeg_file::jpeg;
use super::nifti_file::NiftiFile;

/// A file, what is in it, and the words that its error must have.
pub struct Bad {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub words: &'static [&'static str],
}

pub fn bad(name: &'static str, bytes: impl Into<Vec<u8>>, words: &'static [&'static str]) -> Bad {
    Bad {
        name,
        bytes: bytes.into(),
        words,
    }
}

pub fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    if format == ImageFormat::Jpeg {
        return jpeg(picture);
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn grey() -> DynamicImage {
    GrayImage::from_fn(40, 32, |x, y| Luma([(x * 37 + y * 91 + x * y) as u8])).into()
}

/// A PNG that says of itself that it has this size.
pub fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(&grey(), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    bytes
}

/// A JPEG that says of itself that it has no lines.
pub fn jpeg_without_lines() -> Vec<u8> {
    let mut bytes = encoded(&grey(), ImageFormat::Jpeg);
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].fill(0);
    bytes
}

pub fn nifti_floats(values: Vec<f32>) -> NiftiFile {
    NiftiFile::new(&[16, 16, 2], 16, 32, floats(values))
}

pub fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

pub fn of_no_size() -> Vec<Bad> {
    let mut no_rows = NiftiFile::counting(&[16, 16, 2]);
    no_rows.dim[2] = 0;
    vec![
        bad(
            "none.npy",
            npy("<f4", "(0, 32)", &[]),
            &["shape is 0 x 32", "at least 1"],
        ),
        bad(
            "none.safetensors",
            safetensors(
                r#"{"image":{"dtype":"F32","shape":[1,0,32],"data_offsets":[0,0]}}"#,
                &[],
            ),
            &["shape is 1 x 0 x 32", "at least 1"],
        ),
        bad("none.nii", no_rows.bytes(), &["dim[2] is 0", "at least 1"]),
        bad("none.png", png_of(0, 32), &["PNG"]),
        bad("none.jpg", jpeg_without_lines(), &["JPEG"]),
    ]
}

pub fn not_finite() -> Vec<Bad> {
    let mut values = vec![1.0; 512];
    values[77] = f32::NAN;
    let huge: Vec<u8> = (0..1024).flat_map(|_| 1e300f64.to_le_bytes()).collect();
    vec![
        bad(
            "nan.npy",
            npy("<f4", "(16, 32)", &floats(values.clone())),
            &["values: 1 of 512 are NaN or infinite", "[2, 13]", "finite number"],
        ),
        bad(
            "nan.safetensors",
            safetensors(
                r#"{"image":{"dtype":"F32","shape":[16,32],"data_offsets":[0,2048]}}"#,
                &floats(values.clone()),
            ),
            &["values: 1 of 512 are NaN or infinite", "finite number"],
        ),
        bad(
            "nan.nii",
            nifti_floats(values.clone()).bytes(),
            &["values: 1 of 512 are NaN or infinite", "finite number"],
        ),
        bad(
            "nan.nii.gz",
            gzip(&nifti_floats(values).bytes()),
            &["values: 1 of 512 are NaN or infinite", "finite number"],
        ),
        bad(
            "huge.npy",
            npy("<f8", "(32, 32)", &huge),
            &["1024 of 1024 are NaN or infinite", "finite number"],
        ),
    ]
}

pub fn wrong_channels() -> Vec<Bad> {
    let three = &["has 3 channels", "tiny@1 takes 1 (any)"];
    let colours: Vec<u8> = [7, 7, 8].into_iter().flat_map(|value| [value; 1024]).collect();
    vec![
        bad("colours.npy", npy("|u1", "(3, 32, 32)", &colours), three),
        bad(
            "colours.png",
            encoded(
                &RgbImage::from_pixel(32, 32, image::Rgb([1, 2, 3])).into(),
                ImageFormat::Png,
            ),
            three,
        ),
        bad(
            "channels.nii",
            NiftiFile::counting(&[16, 16, 3, 2]).bytes(),
            &["channels.nii#0", "has 2 channels", "tiny@1 takes 1 (any)"],
        ),
        bad(
            "cube.npy",
            npy("|u1", "(2, 2, 2, 2)", &[7; 16]),
            &["shape is (2, 2, 2, 2)", "(height, width)"],
        ),
    ]
}

pub fn wrong_type() -> Vec<Bad> {
    vec![
        bad(
            "complex.npy",
            npy("<c8", "(32, 32)", &[0; 8192]),
            &["dtype (descr) is `<c8`", "such as <f4"],
        ),
        bad(
            "flags.npy",
            npy("|b1", "(32, 32)", &[1; 1024]),
            &["dtype (descr) is `|b1`", "such as <f4"],
        ),
        bad(
            "flags.safetensors",
            safetensors(
                r#"{"image":{"dtype":"BOOL","shape":[8,8],"data_offsets":[0,64]}}"#,
                &[1; 64],
            ),
            &["dtype of tensor `image` is BOOL", "such as F32"],
        ),
        bad(
            "other.safetensors",
            safetensors(
                r#"{"picture":{"dtype":"U8","shape":[8,8],"data_offsets":[0,64]}}"#,
                &[1; 64],
            ),
            &[
                "tensor `image` is missing",
                "picture",
                "[channels, height, width]",
            ],
        ),
        bad(
            "complex.nii",
            NiftiFile::new(&[16, 16, 2], 32, 64, vec![0; 4096]).bytes(),
            &["datatype is complex64 (32)", "float32 (16)"],
        ),
    ]
}

pub fn wrong_length() -> Vec<Bad> {
    let lying = r#"{"image":{"dtype":"F32","shape":[32,32],"data_offsets":[0,64]}}"#;
    let beyond = r#"{"image":{"dtype":"F32","shape":[32,32],"data_offsets":[0,4096]}}"#;
    vec![
        bad(
            "short.npy",
            npy("<f4", "(32, 32)", &[0; 1000]),
            &["array data is cut short", "1000 bytes", "needs 4096"],
        ),
        bad(
            "long.npy",
            npy("<f4", "(32, 32)", &[0; 5000]),
            &["byte count is 5000", "it should be 4096"],
        ),
        bad(
            "lying.safetensors",
            safetensors(lying, &[0; 64]),
            &["safetensors data is damaged"],
        ),
        bad(
            "beyond.safetensors",
            safetensors(beyond, &[0; 64]),
            &["safetensors data is damaged"],
        ),
        bad(
            "short.nii",
            &NiftiFile::counting(&[16, 16, 2]).bytes()[..800],
            &[
                "voxel data is cut short",
                "448 bytes",
                "16 x 16 x 2",
                "1024 bytes",
            ],
        ),
    ]
}

pub fn truncated() -> Vec<Bad> {
    let volume = gzip(&NiftiFile::counting(&[16, 16, 4]).bytes());
    let mut flipped = volume.clone();
    let sum = flipped.len() - 8;
    flipped[sum] ^= 0xff;
    vec![
        bad(
            "cut.nii.gz",
            half(&volume),
            &["gzip data is cut short", "copy the whole file again"],
        ),
        bad(
            "flipped.nii.gz",
            flipped,
            &["gzip data is damaged", "write the file again"],
        ),
        bad(
            "header.nii",
            &NiftiFile::counting(&[16, 16, 4]).bytes()[..200],
            &["NIfTI-1 header is cut short", "200 bytes", "348"],
        ),
        bad(
            "cut.png",
            half(&encoded(&grey(), ImageFormat::Png)),
            &["PNG data is cut short", "copy the whole file again"],
        ),
        bad(
            "cut.jpg",
            half(&encoded(&grey(), ImageFormat::Jpeg)),
            &["JPEG data is cut short", "copy the whole file again"],
        ),
        bad(
            "header.npy",
            &npy("<f4", "(32, 32)", &[])[..30],
            &[".npy header is cut short", "30 bytes"],
        ),
        bad(
            "cut.safetensors",
            &safetensors(
                r#"{"image":{"dtype":"U8","shape":[8,8],"data_offsets":[0,64]}}"#,
                &[],
            )[..40],
            &["safetensors data is damaged"],
        ),
    ]
}

pub fn absurd() -> Vec<Bad> {
    let mut endless = NiftiFile::counting(&[16, 16, 2]);
    endless.dim[1..4].fill(i16::MAX);
    vec![
        bad(
            "vast.npy",
            npy("<f4", "(4000000000, 4000000000)", &[]),
            &["shape is 4000000000 x 4000000000", "above the limit"],
        ),
        bad(
            "beyond.npy",
            npy("<f4", "(99999999999999999999, 2)", &[]),
            &["shape is (99999999999999999999, 2)", "(height, width)"],
        ),
        bad(
            "minus.npy",
            npy("<f4", "(-4, 4)", &[]),
            &["shape is (-4, 4)", "(height, width)"],
        ),
        bad(
            "vast.safetensors",
            safetensors(
                r#"{"image":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}}"#,
                &[0; 4],
            ),
            &["safetensors data is damaged"],
        ),
        bad(
            "vast.png",
            png_of(200_000, 200_000),
            &["200000 x 200000", "above the limit"],
        ),
        bad(
            "vast.nii",
            endless.bytes(),
            &["dim is 1 x 32767 x 32767 x 32767", "above the limit"],
        ),
        bad(
            "vast.nii.gz",
            gzip(&endless.bytes()),
            &["dim is 1 x 32767 x 32767 x 32767", "above the limit"],
        ),
    ]
}

/// Bytes that are nothing, the same each time.
pub fn garbage(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..3000).map(next).collect()
}
