//! Figures: what they show is there, in the colour that the legend gives, large enough to read, whatever they are given.
//!
//! What would break: a person reviews a mask whose outline is missing, hidden or in another class's colour, or an odd
//! image ends the program in the middle of its work.

use image::{Rgb, RgbImage};
use ndarray::{Array2, Array3, array};
use sagate_core::imaging::figure::{
    Cell, ClassStyle, distinct, encode_png, grey, grid, heat, heat_map, masked, overlay, sorted_scores,
    viridis, with_colour_bar, write_png,
};
use sagate_core::imaging::{Format, Image, Limits, Picture, decode};

fn image(height: usize, width: usize) -> Image {
    let pixels = Array3::from_shape_fn((1, height, width), |(_, row, column)| (row * 3 + column) as f32);
    Image::new(pixels, [1.0, 1.0])
}

fn square(height: usize, width: usize, label: u8) -> Array2<u8> {
    Array2::from_shape_fn((height, width), |(row, column)| {
        let inside =
            (height / 4..height * 3 / 4).contains(&row) && (width / 4..width * 3 / 4).contains(&column);
        if inside { label } else { 0 }
    })
}

fn classes() -> Vec<ClassStyle> {
    ["brain", "lesion"]
        .into_iter()
        .enumerate()
        .map(|(index, name)| ClassStyle {
            name: name.to_owned(),
            colour: distinct(index),
        })
        .collect()
}

fn count(picture: &RgbImage, colour: [u8; 3]) -> usize {
    picture.pixels().filter(|&&pixel| pixel == Rgb(colour)).count()
}

/// The part of a figure that lies below its picture: caption and legend.
fn below(figure: &RgbImage, rows: u32) -> RgbImage {
    image::imageops::crop_imm(figure, 0, figure.height() - rows, figure.width(), rows).to_image()
}

#[test]
fn an_overlay_draws_outline_truth_and_legend_each_in_its_colour() {
    let (picture, labels, truth) = (image(40, 40), square(40, 40, 2), square(40, 40, 1));
    let alone = overlay(&picture, &labels, None, &classes(), "one slice").expect("shapes that fit");
    assert!(
        alone.width() >= 512 && alone.height() >= 512,
        "small images are enlarged"
    );
    // 20 pixels a side, enlarged 13 times: an outline 2 wide.
    let outline = 4 * 20 * 13 * 2;
    assert!(
        count(&alone, distinct(1)) > outline * 9 / 10,
        "the class's own colour"
    );
    assert!(
        count(&below(&alone, 60), distinct(0)) > 100,
        "the legend names classes that are not there, too"
    );
    assert!(count(&below(&alone, 60), distinct(1)) > 100);

    let white = [255; 3];
    let both = overlay(&picture, &labels, Some(&truth), &classes(), "one slice").expect("shapes that fit");
    let picture_of = |figure: &RgbImage| image::imageops::crop_imm(figure, 16, 16, 500, 500).to_image();
    let dashes = count(&picture_of(&both), white) - count(&picture_of(&alone), white);
    assert!(
        (outline / 3..outline).contains(&dashes),
        "{dashes} pixels of dashes"
    );
    assert!(
        count(&both, distinct(1)) > outline / 3,
        "both outlines can be seen where they agree"
    );
}

#[test]
fn the_truth_never_takes_a_class_colour() {
    let white = [ClassStyle {
        name: "bone".to_owned(),
        colour: [255; 3],
    }];
    let labels = square(40, 40, 1);
    let black = Image::new(Array3::zeros((1, 40, 40)), [1.0; 2]);
    let figure =
        overlay(&black, &Array2::zeros((40, 40)), Some(&labels), &white, "").expect("shapes that fit");
    let picture = image::imageops::crop_imm(&figure, 16, 16, 500, 500).to_image();
    assert_eq!(count(&picture, [255; 3]), 0);
    assert!(
        picture.pixels().any(|pixel| pixel.0 != [0; 3]),
        "the truth is drawn"
    );
}

#[test]
fn pixels_that_are_not_square_keep_their_proportion() {
    let wide = Image {
        spacing: [1.0, 2.0],
        ..image(40, 40)
    };
    let figure = overlay(&wide, &square(40, 40, 1), None, &classes(), "").expect("shapes that fit");
    let plain = overlay(&image(40, 40), &square(40, 40, 1), None, &classes(), "").expect("shapes that fit");
    assert!(figure.width() > plain.width() && figure.height() < plain.height());
}

#[test]
fn an_overlay_of_other_shapes_is_refused_by_name() {
    let picture = image(8, 8);
    let error = overlay(&picture, &Array2::zeros((8, 9)), None, &classes(), "").expect_err("another shape");
    assert!(error.to_string().contains("mask: shape is [8, 9]"), "{error}");
    let error = overlay(
        &picture,
        &Array2::zeros((8, 8)),
        Some(&Array2::zeros((1, 8))),
        &classes(),
        "",
    );
    assert!(
        error
            .expect_err("another shape")
            .to_string()
            .contains("true mask: shape is [1, 8]")
    );
    let empty = Image::new(Array3::zeros((1, 0, 4)), [1.0; 2]);
    assert!(overlay(&empty, &Array2::zeros((0, 4)), None, &[], "").is_err());
}

#[test]
fn bare_pictures_have_a_pixel_for_each_of_the_image_s() {
    let shown = grey(&image(5, 7));
    assert_eq!(shown.dimensions(), (7, 5));
    assert_eq!(*shown.get_pixel(0, 0), Rgb([0; 3]));
    assert_eq!(*shown.get_pixel(6, 4), Rgb([255; 3]));
    let colour = Image::new(array![[[0.0, 9.0]], [[9.0, 0.0]], [[0.0, 0.0]]], [1.0; 2]);
    assert_eq!(grey(&colour).get_pixel(0, 0)[1], 255);
    let constant = Image::new(Array3::from_elem((1, 2, 2), 3.0), [1.0; 2]);
    assert_eq!(grey(&constant).dimensions(), (2, 2));

    let mask = masked(array![[0, 1], [2, 9]].view(), &classes());
    assert_eq!(
        [
            mask.get_pixel(0, 0).0,
            mask.get_pixel(1, 0).0,
            mask.get_pixel(0, 1).0
        ],
        [[0; 3], distinct(0), distinct(1)]
    );
    assert_ne!(
        mask.get_pixel(1, 1).0,
        [0; 3],
        "a class without a style still shows"
    );

    let map = heat(array![[0.0, 1.0, f32::NAN, -5.0, f32::INFINITY]].view());
    let colours: Vec<_> = map.pixels().map(|pixel| pixel.0).collect();
    assert_eq!(
        colours,
        [viridis(0.0), viridis(1.0), [128; 3], viridis(0.0), viridis(1.0)]
    );
}

#[test]
fn a_heat_map_has_its_colour_bar() {
    let figure = heat_map(Array2::from_elem((16, 16), 0.0).view(), "layer 18");
    assert!(figure.width() >= 512);
    let bar = below(&figure, 60);
    for value in [0.25, 0.5, 0.75, 0.97] {
        let near = |pixel: &Rgb<u8>| {
            pixel
                .0
                .iter()
                .zip(viridis(value))
                .all(|(&a, b)| a.abs_diff(b) <= 3)
        };
        assert!(bar.pixels().any(near), "{value} is on the bar");
    }
}

#[test]
fn a_grid_shows_every_cell() {
    let cells: Vec<Cell> = (0..20)
        .map(|index| {
            Cell::new(
                format!("layer {index}: SA 0.9"),
                RgbImage::from_pixel(20, 16, Rgb([index * 10 + 5, 77, 99])),
            )
        })
        .collect();
    let figure = grid(&cells, 5, "segmentation ability maps");
    for index in 0..20 {
        assert!(
            count(&figure, [index * 10 + 5, 77, 99]) > 140 * 100,
            "cell {index} is enlarged"
        );
    }
    let with_bar = with_colour_bar(&figure, "probability");
    assert!(with_bar.height() > figure.height() && with_bar.width() > figure.width());
}

#[test]
fn sorted_scores_draws_curve_and_mark() {
    let scores = [0.9, f64::NAN, 0.1, 0.5];
    let plain = sorted_scores(&scores, "units of layer 18", None);
    let marked = sorted_scores(&scores, "units of layer 18", Some(0.7));
    assert!(count(&plain, distinct(4)) > 500);
    assert_eq!(count(&plain, distinct(3)), 0);
    assert!(count(&marked, distinct(3)) > 300);
    assert_eq!(
        sorted_scores(&[0.1, 0.5, 0.9], "a", None),
        sorted_scores(&[0.9, 0.1, 0.5], "a", None)
    );
}

#[test]
fn a_warning_is_written_in_a_colour_of_its_own_and_framed() {
    let cell = Cell::new("one slice", RgbImage::from_pixel(200, 200, Rgb([10, 20, 30])));
    let warned = Cell {
        warning: Some("wrong: accepted, Dice below 0.5".to_owned()),
        ..cell.clone()
    };
    let red = |figure: &RgbImage| count(figure, [0xb4, 0x2a, 0x00]);
    assert_eq!(red(&grid(std::slice::from_ref(&cell), 1, "")), 0);
    let figure = grid(&[cell, warned], 2, "");
    let frame = 4 * 3 * 200 - 4 * 3 * 3;
    assert!(red(&figure) > frame, "{} red pixels", red(&figure));
    let left = image::imageops::crop_imm(&figure, 0, 0, figure.width() / 2, figure.height()).to_image();
    assert_eq!(red(&left), 0, "only the cell with the warning is marked");
}

#[test]
fn odd_inputs_give_some_figure_and_no_panic() {
    for scores in [&[][..], &[0.5], &[f64::INFINITY], &[-1.0, 7.0]] {
        sorted_scores(scores, "", Some(f64::NAN));
        sorted_scores(scores, &"long ".repeat(200), Some(9.0));
    }
    heat_map(Array2::zeros((0, 0)).view(), "");
    heat_map(
        Array2::zeros((1, 3000)).view(),
        "wide \u{1f9e0} and not in the font",
    );
    grid(&[], 0, "nothing");
    let sides = [(1, 1), (1, 2000), (2000, 1)];
    let cells = sides.map(|(width, height)| Cell::new("x".repeat(300), RgbImage::new(width, height)));
    grid(&cells, 99, &"y".repeat(300));
    grid(&[Cell::new(String::new(), RgbImage::new(0, 0))], 1, "");
    for (height, width) in [(1, 1), (1, 700), (700, 1)] {
        let labels = Array2::from_elem((height, width), 255);
        overlay(
            &image(height, width),
            &labels,
            Some(&labels),
            &[],
            &"z".repeat(400),
        )
        .expect("shapes that fit");
    }
    let odd = Image {
        spacing: [f64::NAN, 1e-30],
        ..image(3, 3)
    };
    overlay(&odd, &square(3, 3, 1), None, &classes(), "").expect("shapes that fit");
}

#[test]
fn figures_are_written_as_png() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("figure.png");
    let figure = heat(array![[0.0, 0.5, 1.0]].view());
    write_png(&path, &figure).expect("written");
    let bytes = std::fs::read(&path).expect("read");
    assert_eq!(bytes, encode_png(&figure).expect("not empty"));
    let Ok(Picture::Image(back)) = decode(&bytes, Format::Png, "figure.png", &Limits::default()) else {
        panic!("an image")
    };
    assert_eq!(back.pixels.dim(), (3, 1, 3));
    assert!(encode_png(&RgbImage::new(0, 0)).is_err());
    let error = write_png(&folder.path().join("absent/figure.png"), &figure).expect_err("no folder");
    assert!(
        error.to_string().contains("absent/figure.png: cannot be written"),
        "{error}"
    );
}
