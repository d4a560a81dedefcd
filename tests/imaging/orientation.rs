//! A picture whose EXIF says that it is to be turned: the network sees it upright, and its mask lies as its pixels are stored.
//!
//! What would break: a scan on its side segmented as if it stood, or a mask that fits the picture as a viewer shows it and not its pixels.

use image::{DynamicImage, GrayImage, Luma};
use ndarray::{Array2, Array3, Axis, array};
use sagate_core::imaging::figure;
use sagate_core::imaging::preprocess::{Step, prepare};
use sagate_core::imaging::{Format, Image, Limits, Orientation, Picture, decode};

use crate::exif::{exif, in_jpeg, in_png};
use crate::jpeg_file::jpeg;

fn image_of(bytes: &[u8], format: Format) -> Image {
    match decode(bytes, format, "turned", &Limits::default()) {
        Ok(Picture::Image(image)) => image,
        other => panic!("{other:?}"),
    }
}

/// The eight orientations of the two rows `1 2 3` and `4 5 6`: what is shown, by the EXIF standard's own words.
fn shown(value: u8) -> Array2<f32> {
    match value {
        1 => array![[1., 2., 3.], [4., 5., 6.]],
        // Row 0 is at the top, column 0 on the right.
        2 => array![[3., 2., 1.], [6., 5., 4.]],
        // Bottom, right.
        3 => array![[6., 5., 4.], [3., 2., 1.]],
        // Bottom, left.
        4 => array![[4., 5., 6.], [1., 2., 3.]],
        // Left, top.
        5 => array![[1., 4.], [2., 5.], [3., 6.]],
        // Right, top.
        6 => array![[4., 1.], [5., 2.], [6., 3.]],
        // Right, bottom.
        7 => array![[6., 3.], [5., 2.], [4., 1.]],
        // Left, bottom.
        8 => array![[3., 6.], [2., 5.], [1., 4.]],
        _ => unreachable!("there are eight"),
    }
}

#[test]
fn every_orientation_is_shown_as_the_standard_says_and_undone() {
    let stored = array![[1., 2., 3.], [4., 5., 6.]];
    for value in 1..=8 {
        let orientation = Orientation::from_exif_value(value.into());
        assert_eq!(orientation.exif_value(), u16::from(value));
        let upright = orientation.upright(stored.view());
        assert_eq!(upright, shown(value), "orientation {value}");
        assert_eq!(orientation.stored(upright), stored, "orientation {value}");
    }
    for unknown in [0, 9, 65535] {
        assert_eq!(Orientation::from_exif_value(unknown), Orientation::UPRIGHT);
    }
}

#[test]
fn jpeg_and_png_say_their_orientation_and_keep_their_pixels() {
    let picture: DynamicImage = GrayImage::from_fn(24, 16, |x, y| Luma([(x * 9 + y) as u8])).into();
    let mut png = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("in memory");
    let (png, jpeg) = (png.into_inner(), jpeg(&picture));
    let (plain_png, plain_jpeg) = (image_of(&png, Format::Png), image_of(&jpeg, Format::Jpeg));
    for value in 0..=9 {
        for big_endian in [false, true] {
            let wanted = Orientation::from_exif_value(value.into());
            let exif = exif(value, big_endian);
            for behind_pixels in [false, true] {
                let found = image_of(&in_png(&png, &exif, behind_pixels), Format::Png);
                assert_eq!(
                    (found.orientation, found.pixels),
                    (wanted, plain_png.pixels.clone())
                );
            }
            let found = image_of(&in_jpeg(&jpeg, &exif), Format::Jpeg);
            assert_eq!(
                (found.orientation, found.pixels),
                (wanted, plain_jpeg.pixels.clone())
            );
        }
    }
}

#[test]
fn the_network_sees_it_upright_and_its_answer_comes_back_as_stored() {
    let stored = Array3::from_shape_fn((2, 5, 7), |(channel, row, column)| {
        (channel * 100 + row * 7 + column) as f32
    });
    for value in 1..=8 {
        let orientation = Orientation::from_exif_value(value);
        let image = Image::new(stored.clone(), [1.0, 2.0]).with_orientation(orientation);
        let steps = [Step::PadTo { size: [16, 16] }];
        for steps in [&steps[..0], &steps] {
            let prepared = prepare(image.clone(), steps).expect("it can be prepared");
            let upright = prepare(image.clone().upright(), steps).expect("it can be prepared");
            assert_eq!(prepared.pixels, upright.pixels, "orientation {value}");
            assert_eq!(prepared.spacing, upright.spacing, "orientation {value}");
            assert_eq!(prepared.original_size(), [5, 7]);
            assert_eq!(prepared.has_moved(), value != 1 || !steps.is_empty());
            let back = prepared.restore_probability(prepared.pixels.clone());
            assert_eq!(back, stored, "orientation {value}");
            assert!(back.is_standard_layout());
            let labels = stored.index_axis(Axis(0), 0).mapv(|value| value as u8);
            let there = prepared.prepare_labels(&labels).expect("labels of its size");
            let (rows, columns) = (prepared.pixels.dim().1, prepared.pixels.dim().2);
            assert_eq!(there.dim(), (rows, columns));
            let wanted = prepared.pixels.index_axis(Axis(0), 0).mapv(|value| value as u8);
            assert_eq!(there, wanted, "orientation {value}");
        }
    }
}

#[test]
fn pictures_for_people_are_upright() {
    let stored = Array3::from_shape_fn((1, 30, 50), |(_, row, column)| (row + 3 * column) as f32);
    let labels = Array2::from_shape_fn((30, 50), |(row, column)| u8::from(row < 9 && column > 20));
    for value in 1..=8 {
        let orientation = Orientation::from_exif_value(value);
        let image = Image::new(stored.clone(), [1.0, 1.0]).with_orientation(orientation);
        let upright = image.clone().upright();
        let turned = orientation
            .upright(labels.view())
            .as_standard_layout()
            .into_owned();
        assert_eq!(figure::grey(&image), figure::grey(&upright));
        let drawn = |image: &Image, labels: &Array2<u8>| {
            figure::overlay(image, labels, Some(labels), &[], "caption").expect("it can be drawn")
        };
        assert_eq!(
            drawn(&image, &labels),
            drawn(&upright, &turned),
            "orientation {value}"
        );
        let wrong = Array2::zeros((3, 3));
        assert!(figure::overlay(&image, &wrong, None, &[], "caption").is_err());
    }
}
