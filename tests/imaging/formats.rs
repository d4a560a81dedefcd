//! PNG, JPEG, `.npy`, safetensors and raw tensors: the values arrive as they were written, and the format is found by
//! content.
//!
//! What would break: a 16-bit image read as 8 bits, channels mixed up, a transposed array, a file refused for its name.

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use ndarray::{Array3, array};
use safetensors::tensor::{Dtype as Stored, TensorView};
use sagate_core::imaging::{Dtype, Format, Image, Limits, Picture, decode, read};

use crate::jpeg_file::{jpeg, three_scans};

fn image_of(bytes: &[u8], format: Format) -> Image {
    match decode(bytes, format, "picture", &Limits::default()) {
        Ok(Picture::Image(image)) => image,
        Ok(Picture::Volume(_)) => panic!("a volume, not an image"),
        Err(error) => panic!("{error}"),
    }
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image
        .into()
        .write_to(&mut bytes, format)
        .expect("encoding into memory");
    bytes.into_inner()
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn png_keeps_depth_and_channels() {
    let grey = GrayImage::from_fn(3, 2, |x, y| Luma([(10 * y + x) as u8]));
    let read = image_of(&encoded(grey, ImageFormat::Png), Format::Png);
    assert_eq!(read.pixels, array![[[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]]);
    assert_eq!(read.spacing, [1.0, 1.0]);

    let deep = ImageBuffer::from_fn(2, 1, |x, _| Luma([300 + 65000 * x as u16]));
    let read = image_of(
        &encoded(DynamicImage::ImageLuma16(deep), ImageFormat::Png),
        Format::Png,
    );
    assert_eq!(read.pixels, array![[[300.0, 65300.0]]]);

    let colour = ImageBuffer::from_fn(2, 1, |x, _| Rgb([x as u8, 100 + x as u8, 200 + x as u8]));
    let read = image_of(
        &encoded(DynamicImage::ImageRgb8(colour), ImageFormat::Png),
        Format::Png,
    );
    assert_eq!(
        read.pixels,
        array![[[0.0, 1.0]], [[100.0, 101.0]], [[200.0, 201.0]]]
    );

    let deep = ImageBuffer::from_fn(1, 1, |_, _| Rgb([1u16, 1000, 65535]));
    let read = image_of(
        &encoded(DynamicImage::ImageRgb16(deep), ImageFormat::Png),
        Format::Png,
    );
    assert_eq!(read.pixels, array![[[1.0]], [[1000.0]], [[65535.0]]]);
}

#[test]
fn an_opaque_alpha_channel_is_dropped_and_another_refused() {
    let opaque = ImageBuffer::from_pixel(2, 1, Rgba([1u8, 2, 3, 255]));
    let read = image_of(
        &encoded(DynamicImage::ImageRgba8(opaque), ImageFormat::Png),
        Format::Png,
    );
    assert_eq!(read.pixels.dim(), (3, 1, 2));
    let sheer = ImageBuffer::from_pixel(2, 1, LumaA([1u16, 65534]));
    let bytes = encoded(DynamicImage::ImageLumaA16(sheer), ImageFormat::Png);
    let error = decode(&bytes, Format::Png, "sheer.png", &Limits::default()).expect_err("transparent");
    assert!(error.to_string().contains("alpha channel"), "{error}");
}

#[test]
fn jpeg_gives_its_values_nearly() {
    let grey = GrayImage::from_fn(32, 16, |x, _| Luma([(4 * x) as u8]));
    let read = image_of(&jpeg(&grey.into()), Format::Jpeg);
    assert_eq!(read.pixels.dim(), (1, 16, 32));
    assert!(
        read.pixels
            .indexed_iter()
            .all(|((_, _, x), &value)| (value - 4.0 * x as f32).abs() < 12.0)
    );
    let colour = ImageBuffer::from_pixel(16, 16, Rgb([200u8, 50, 50]));
    let read = image_of(&jpeg(&DynamicImage::ImageRgb8(colour)), Format::Jpeg);
    assert_eq!(read.pixels.dim(), (3, 16, 16));
    assert!((read.pixels[[0, 8, 8]] - 200.0).abs() < 6.0 && (read.pixels[[2, 8, 8]] - 50.0).abs() < 6.0);
}

/// One scan a component, the colours at half the sides: brightness 150, and the differences of a green that changes once.
#[test]
fn a_colour_jpeg_of_three_scans_keeps_its_colours() {
    let brightness = GrayImage::from_pixel(48, 32, Luma([150]));
    let half =
        |left: u8, right: u8| GrayImage::from_fn(24, 16, |x, _| Luma([if x < 8 { left } else { right }]));
    let bytes = three_scans(&brightness, [&half(128, 90), &half(128, 100)]);
    let read = image_of(&bytes, Format::Jpeg);
    assert_eq!(read.pixels.dim(), (3, 32, 48));
    let colour = |column: usize| [0, 1, 2].map(|channel| read.pixels[[channel, 20, column]]);
    let near = |found: [f32; 3], wanted: [f32; 3]| {
        let near = found
            .iter()
            .zip(wanted)
            .all(|(found, wanted)| (found - wanted).abs() < 4.0);
        assert!(near, "{found:?} should be {wanted:?}");
    };
    near(colour(4), [150.0; 3]);
    // Red is Y + 1.402 (Cr - 128), blue Y + 1.772 (Cb - 128), green what is left.
    near(colour(40), [110.7, 183.1, 82.7]);
}

#[test]
fn npy_reads_every_number_type_order_and_rank() {
    let values = [0.0f64, 1.0, 2.0, 3.0, 4.0, 100.0];
    let expected = array![[[0.0, 1.0, 2.0], [3.0, 4.0, 100.0]]];
    macro_rules! check {
        ($kind:ty, $name:expr, $convert:expr) => {
            let convert = $convert;
            let little: Vec<u8> = values
                .iter()
                .flat_map(|&v| <$kind>::to_le_bytes(convert(v)))
                .collect();
            let big: Vec<u8> = values
                .iter()
                .flat_map(|&v| <$kind>::to_be_bytes(convert(v)))
                .collect();
            for (order, data) in [("<", &little), (">", &big)] {
                let bytes = npy(&format!("{order}{}", $name), false, "(2, 3)", data);
                assert_eq!(
                    image_of(&bytes, Format::Npy).pixels,
                    expected,
                    "{order}{}",
                    $name
                );
            }
        };
    }
    check!(u8, "u1", |v| v as u8);
    check!(i8, "i1", |v| v as i8);
    check!(u16, "u2", |v| v as u16);
    check!(i16, "i2", |v| v as i16);
    check!(u32, "u4", |v| v as u32);
    check!(i32, "i4", |v| v as i32);
    check!(u64, "u8", |v| v as u64);
    check!(i64, "i8", |v| v as i64);
    check!(half::f16, "f2", half::f16::from_f64);
    check!(f32, "f4", |v| v as f32);
    check!(f64, "f8", |v| v);

    let data = [0u8, 3, 1, 4, 2, 100];
    assert_eq!(
        image_of(&npy("|u1", true, "(2, 3)", &data), Format::Npy).pixels,
        expected
    );
    let stack = image_of(&npy("|u1", false, "(3, 1, 2)", &[1, 2, 3, 4, 5, 6]), Format::Npy);
    assert_eq!(stack.pixels, array![[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]);
}

#[test]
fn safetensors_reads_the_tensor_named_image() {
    let values = [half::f16::from_f32(0.5), half::f16::from_f32(-2.0)];
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = TensorView::new(Stored::F16, vec![2, 1, 1], &data).expect("a whole tensor");
    let bytes =
        safetensors::serialize([("image", tensor)], None::<HashMap<String, String>>).expect("in memory");
    assert_eq!(
        image_of(&bytes, Format::Safetensors).pixels,
        array![[[0.5]], [[-2.0]]]
    );
}

#[test]
fn raw_bytes_take_their_type_and_shape_from_the_caller() {
    let data: Vec<u8> = [-5i16, 7, 300, -300]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let raw = |shape: &[usize]| Format::Raw {
        dtype: Dtype::I16,
        shape: shape.to_vec(),
    };
    assert_eq!(
        image_of(&data, raw(&[2, 2])).pixels,
        array![[[-5.0, 7.0], [300.0, -300.0]]]
    );
    assert_eq!(
        image_of(&data, raw(&[2, 1, 2])).pixels,
        array![[[-5.0, 7.0]], [[300.0, -300.0]]]
    );
    let wide = Format::Raw {
        dtype: Dtype::BF16,
        shape: vec![1, 1],
    };
    assert_eq!(
        image_of(&half::bf16::from_f32(1.5).to_le_bytes(), wide).pixels,
        array![[[1.5]]]
    );
}

#[test]
fn content_decides_the_format_whatever_the_name_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let grey = GrayImage::from_pixel(2, 2, Luma([9]));
    let tensor = TensorView::new(Stored::U8, vec![2, 2], &[9; 4]).expect("a whole tensor");
    let files = [
        ("png.jpg", encoded(grey.clone(), ImageFormat::Png)),
        ("jpeg.png", jpeg(&grey.into())),
        ("npy.nii", npy("|u1", false, "(2, 2)", &[9; 4])),
        (
            "safetensors",
            safetensors::serialize([("image", tensor)], None).expect("in memory"),
        ),
    ];
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        match read(&path, &Limits::default()) {
            Ok(Picture::Image(image)) => {
                assert_eq!(image.pixels, Array3::from_elem((1, 2, 2), 9.0), "{name}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
