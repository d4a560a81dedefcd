//! Preprocessing: each step does what its documentation says, training and serving get bit-equal tensors, and what was
//! done to the grid can be undone.
//!
//! What would break: a model is served other numbers than it was trained on, a mask lands beside its image, or a manifest
//! with a misspelt key is taken for a right one.

use ndarray::{Array2, Array3, Axis, array, s};
use proptest::prelude::*;
use sagate_core::imaging::preprocess::{Prepared, Step, prepare};
use sagate_core::imaging::{Format, Image, ImagingError, Limits, Picture, decode};

fn image(pixels: Array3<f32>) -> Image {
    Image::new(pixels, [1.0, 1.0])
}

fn prepared(pixels: Array3<f32>, steps: &[Step]) -> Prepared {
    prepare(image(pixels), steps).expect("steps that fit")
}

/// Something like a head: smooth, bright in the middle, with texture.
fn head(height: usize, width: usize) -> Array3<f32> {
    Array3::from_shape_fn((1, height, width), |(_, row, column)| {
        let (y, x) = (
            row as f32 / height as f32 - 0.5,
            column as f32 / width as f32 - 0.5,
        );
        (1000.0 * (-6.0 * (x * x + y * y)).exp() + ((row * 31 + column * 17) % 23) as f32).floor()
    })
}

fn all_steps() -> Vec<Step> {
    vec![
        Step::SelectChannels { channels: vec![0] },
        Step::ClipPercentiles { low: 1.0, high: 99.0 },
        Step::Resample { spacing: [1.5, 0.75] },
        Step::ZScore,
        Step::PadTo { size: [64, 96] },
    ]
}

#[test]
fn steps_are_read_from_a_manifest_and_strange_keys_are_errors() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Manifest {
        preprocessing: Vec<Step>,
    }
    let text = r#"
        preprocessing = [
            { op = "select_channels", channels = [1, 0] },
            { op = "clip_percentiles", low = 1, high = 99.5 },
            { op = "window", low = -160, high = 240.0 },
            { op = "z_score" },
            { op = "unit_range" },
            { op = "resample", spacing = [1, 0.5] },
            { op = "resample_to", size = [128, 96] },
            { op = "pad_to", size = [256, 256] },
        ]"#;
    let manifest: Manifest = toml::from_str(text).expect("every step");
    let expected = [
        Step::SelectChannels { channels: vec![1, 0] },
        Step::ClipPercentiles { low: 1.0, high: 99.5 },
        Step::Window {
            low: -160.0,
            high: 240.0,
        },
        Step::ZScore,
        Step::UnitRange,
        Step::Resample { spacing: [1.0, 0.5] },
        Step::ResampleTo { size: [128, 96] },
        Step::PadTo { size: [256, 256] },
    ];
    assert_eq!(manifest.preprocessing, expected);
    let written = toml::to_string(&manifest).expect("steps can be written");
    assert_eq!(
        toml::from_str::<Manifest>(&written)
            .expect("and read again")
            .preprocessing,
        expected
    );
    for wrong in [
        r#"{"op": "z_score", "epsilon": 1}"#,
        r#"{"op": "window", "low": 0, "high": 1, "width": 2}"#,
        r#"{"op": "window", "low": 0}"#,
        r#"{"op": "zscore"}"#,
        r#"{"low": 0, "high": 1}"#,
    ] {
        assert!(serde_json::from_str::<Step>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn channels_are_kept_in_the_order_asked_for() {
    let pixels = array![[[1.0]], [[2.0]], [[3.0]]];
    let steps = [Step::SelectChannels { channels: vec![2, 0] }];
    assert_eq!(prepared(pixels, &steps).pixels, array![[[3.0]], [[1.0]]]);
}

#[test]
fn intensity_steps_work_on_each_channel_alone() {
    let pixels = array![
        [[3.0, 1.0, 4.0, 1.0], [5.0, 9.0, 2.0, 6.0]],
        [[30.0, 10.0, 40.0, 10.0], [50.0, 90.0, 20.0, 60.0]]
    ];
    let clipped = prepared(
        pixels.clone(),
        &[Step::ClipPercentiles {
            low: 50.0,
            high: 90.0,
        }],
    )
    .pixels;
    // NumPy: the median is 3.5, the 90th percentile 6.9.
    assert_eq!(
        clipped.index_axis(Axis(0), 0),
        array![[3.5, 3.5, 4.0, 3.5], [5.0, 6.9, 3.5, 6.0]]
    );
    assert_eq!(clipped[[1, 0, 0]], 35.0);
    let window = prepared(pixels.clone(), &[Step::Window { low: 2.0, high: 40.0 }]).pixels;
    assert_eq!(
        window.index_axis(Axis(0), 0),
        array![[3.0, 2.0, 4.0, 2.0], [5.0, 9.0, 2.0, 6.0]]
    );
    assert_eq!(window[[1, 1, 1]], 40.0);
    let scored = prepared(pixels.clone(), &[Step::ZScore]).pixels;
    for channel in scored.outer_iter() {
        let mean = channel.mean().expect("pixels");
        let deviation = channel
            .mapv(|value| (value - mean).powi(2))
            .mean()
            .expect("pixels")
            .sqrt();
        assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-6);
    }
    let unit = prepared(pixels, &[Step::UnitRange]).pixels;
    assert_eq!(
        [unit[[0, 0, 1]], unit[[0, 1, 0]], unit[[0, 1, 1]]],
        [0.0, 0.5, 1.0]
    );
}

#[test]
fn a_constant_channel_becomes_zero_not_nan() {
    for value in [0.0, 0.1, -7.3e5, f32::MAX] {
        for step in [Step::ZScore, Step::UnitRange] {
            let pixels = prepared(Array3::from_elem((1, 7, 9), value), std::slice::from_ref(&step)).pixels;
            assert_eq!(pixels, Array3::<f32>::zeros((1, 7, 9)), "{step:?} of {value}");
        }
    }
    let extremes = prepared(array![[[f32::MAX, f32::MIN]]], &[Step::ZScore]).pixels;
    assert!(extremes.iter().all(|value| value.is_finite()), "{extremes}");
}

#[test]
fn resampling_is_linear_and_averages_where_it_shrinks() {
    let squares = Array3::from_shape_fn((1, 3, 4), |(_, row, column)| ((4 * row + column) as f32).powi(2));
    // Pillow's BILINEAR gives these.
    let larger = prepared(squares.clone(), &[Step::ResampleTo { size: [3, 8] }]).pixels;
    let expected = array![0.0f32, 0.25, 0.75, 1.75, 3.25, 5.25, 7.75, 9.0];
    assert_eq!(larger.slice(s![0, 0, ..]), expected);
    let smaller = prepared(squares.clone(), &[Step::ResampleTo { size: [2, 2] }]).pixels;
    let expected = array![[[9.142_857, 18.571_428], [56.285_717, 81.428_57]]];
    assert!(
        smaller
            .iter()
            .zip(&expected)
            .all(|(a, b): (&f32, &f32)| (a - b).abs() < 1e-4),
        "{smaller}"
    );
    assert_eq!(
        prepared(squares.clone(), &[Step::ResampleTo { size: [3, 4] }]).pixels,
        squares
    );
}

#[test]
fn resampling_to_a_spacing_keeps_the_field_of_view() {
    let picture = Image::new(head(30, 40), [2.0, 0.5]);
    let result = prepare(picture.clone(), &[Step::Resample { spacing: [1.0, 1.0] }]).expect("steps that fit");
    assert_eq!(result.size(), [60, 20]);
    assert_eq!(result.spacing, [1.0, 1.0]);
    assert_eq!(result.original_size(), [30, 40]);
    // Never less than one pixel.
    let coarse = prepare(picture, &[Step::Resample { spacing: [1e9, 1.0] }]).expect("steps that fit");
    assert_eq!(coarse.size(), [1, 20]);
}

#[test]
fn padding_looks_like_background_is_marked_and_counts_in_no_statistic() {
    let pixels = array![[[5.0, 6.0], [7.0, 8.0]]];
    let result = prepared(pixels.clone(), &[Step::PadTo { size: [3, 5] }]);
    let expected = array![[
        [5.0, 5.0, 6.0, 5.0, 5.0],
        [5.0, 7.0, 8.0, 5.0, 5.0],
        [5.0, 5.0, 5.0, 5.0, 5.0]
    ]];
    assert_eq!(result.pixels, expected);
    let valid = result.valid.expect("padding is marked");
    assert_eq!(valid, array![[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]]);
    assert_eq!(prepared(pixels.clone(), &[]).valid, None);

    let late = prepared(pixels.clone(), &[Step::PadTo { size: [4, 4] }, Step::ZScore]);
    let early = prepared(pixels, &[Step::ZScore, Step::PadTo { size: [4, 4] }]);
    assert_eq!(late, early);
}

#[test]
fn wrong_parameters_and_images_that_do_not_fit_are_named() {
    let cases = [
        (
            Step::SelectChannels { channels: vec![] },
            "`select_channels`: channels is empty",
        ),
        (
            Step::SelectChannels { channels: vec![1] },
            "channel is 1; it should be below 1",
        ),
        (
            Step::ClipPercentiles {
                low: 50.0,
                high: 50.0,
            },
            "`clip_percentiles`: low and high is 50 and 50",
        ),
        (
            Step::ClipPercentiles {
                low: -1.0,
                high: 50.0,
            },
            "within 0 and 100",
        ),
        (
            Step::ClipPercentiles {
                low: f64::NAN,
                high: 50.0,
            },
            "NaN",
        ),
        (
            Step::Window {
                low: 1.0,
                high: f32::INFINITY,
            },
            "`window`",
        ),
        (Step::Resample { spacing: [0.0, 1.0] }, "spacing is [0.0, 1.0]"),
        (
            Step::Resample {
                spacing: [1e-9, 1e-9],
            },
            "resampled size is",
        ),
        (Step::ResampleTo { size: [0, 3] }, "size is [0, 3]"),
        (
            Step::ResampleTo {
                size: [usize::MAX, 3],
            },
            "`resample_to`",
        ),
        (Step::PadTo { size: [8, 2] }, "image size is [4, 4]"),
    ];
    for (step, expected) in cases {
        let error = prepare(image(head(4, 4)), std::slice::from_ref(&step)).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        assert!(error.to_string().contains("it should be"), "{error}");
    }
    assert!(prepare(image(Array3::zeros((1, 0, 4))), &[]).is_err());
    assert!(matches!(
        prepare(image(array![[[f32::NAN]]]), &[Step::ZScore]),
        Err(ImagingError::NotFinite { .. })
    ));
    assert!(prepare(Image::new(head(4, 4), [f64::NAN, 1.0]), &[]).is_err());
    let labels = prepared(head(4, 4), &[]).prepare_labels(&Array2::zeros((4, 5)));
    assert!(labels.expect_err("another shape").to_string().contains("[4, 5]"));
}

#[test]
fn training_and_serving_get_bit_equal_tensors() {
    // Training holds the image in memory; serving gets the same values as a file, as raw bytes, or in another layout.
    let pixels = head(48, 40);
    let trained = prepared(pixels.clone(), &all_steps());
    let bits = |prepared: &Prepared| {
        prepared
            .pixels
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };

    let raw: Vec<u8> = pixels.iter().flat_map(|value| value.to_le_bytes()).collect();
    let format = Format::Raw {
        dtype: sagate_core::imaging::Dtype::F32,
        shape: vec![1, 48, 40],
    };
    let deep = image::ImageBuffer::from_fn(40, 48, |x, y| {
        image::Luma([pixels[[0, y as usize, x as usize]] as u16])
    });
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageLuma16(deep)
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("in memory");
    for (bytes, format) in [(raw, format), (png.into_inner(), Format::Png)] {
        let Ok(Picture::Image(served)) = decode(&bytes, format, "served", &Limits::default()) else {
            panic!("an image")
        };
        let served = prepare(served, &all_steps()).expect("steps that fit");
        assert_eq!(bits(&served), bits(&trained));
        assert_eq!(served, trained);
    }
    let mut turned = Array3::zeros((1, 40, 48)).permuted_axes([0, 2, 1]);
    turned.assign(&pixels);
    assert_eq!(bits(&prepared(turned, &all_steps())), bits(&trained));
}

#[test]
fn a_mask_taken_to_the_prepared_grid_and_back_lies_where_it_was() {
    let labels = Array2::from_shape_fn((48, 40), |(row, column)| {
        u8::from((row as i32 - 24).pow(2) + (column as i32 - 18).pow(2) < 144)
    });
    let result = prepared(head(48, 40), &all_steps());
    let there = result.prepare_labels(&labels).expect("the image's shape");
    assert_eq!(there.dim(), (64, 96));
    let back = result.restore_probability(there.mapv(f32::from).insert_axis(Axis(0)));
    assert_eq!(back.dim(), (1, 48, 40));
    let back = back.mapv(|value| u8::from(value > 0.5));
    let both = back
        .iter()
        .zip(&labels)
        .filter(|&(&a, &b)| a == 1 && b == 1)
        .count();
    let dice = 2.0 * both as f64 / (back.iter().chain(&labels).filter(|&&value| value == 1).count()) as f64;
    assert!(dice > 0.97, "Dice {dice}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn probabilities_stay_within_zero_and_one_and_constants_stay_constant(
        height in 1usize..40, width in 1usize..40, rows in 1usize..60, columns in 1usize..60, seed in any::<u32>(),
    ) {
        let steps = [Step::ResampleTo { size: [rows, columns] }, Step::PadTo { size: [rows + 3, columns + 2] }];
        let result = prepared(head(height, width), &steps);
        let noise = Array3::from_shape_fn((2, rows + 3, columns + 2), |(channel, row, column)| {
            let mixed = (seed as usize).wrapping_add(channel * 7919 + row * 104_729 + column * 1_299_709);
            (mixed.wrapping_mul(2_654_435_761) >> 7 & 0xff) as f32 / 255.0
        });
        let restored = result.restore_probability(noise.clone());
        prop_assert_eq!(restored.dim(), (2, height, width));
        prop_assert!(restored.iter().all(|value| (0.0..=1.0).contains(value)));
        let constant = result.restore_probability(Array3::from_elem((1, rows + 3, columns + 2), 0.3));
        prop_assert!(constant.iter().all(|&value| (value - 0.3f32).abs() < 1e-6));
    }

    #[test]
    fn padding_is_undone_exactly(height in 1usize..30, width in 1usize..30, down in 0usize..9, right in 0usize..9) {
        let pixels = head(height, width);
        let result = prepared(pixels.clone(), &[Step::PadTo { size: [height + down, width + right] }]);
        prop_assert_eq!(result.restore_probability(result.pixels.clone()), pixels);
        let labels = Array2::from_shape_fn((height, width), |(row, column)| ((row * 5 + column) % 4) as u8);
        let padded = result.prepare_labels(&labels).expect("the image's shape");
        let counted = |wanted: u8| padded.iter().filter(|&&label| label == wanted).count();
        prop_assert_eq!(counted(3), labels.iter().filter(|&&label| label == 3).count());
    }

    #[test]
    fn scaling_an_image_changes_nothing_after_z_score(factor in 0.01f32..100.0, offset in -1000.0f32..1000.0) {
        let plain = prepared(head(12, 15), &[Step::ZScore]).pixels;
        let moved = prepared(head(12, 15).mapv(|value| value * factor + offset), &[Step::ZScore]).pixels;
        prop_assert!(plain.iter().zip(&moved).all(|(a, b)| (a - b).abs() < 0.02));
    }
}
