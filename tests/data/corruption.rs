//! Corruption: always the same for the same image, within the raw range, and worse with each severity.

use ndarray::{Array2, Array3};
use proptest::prelude::*;
use sagate_core::imaging::Image;
use sagate_lab::data::corruption::{apply, range};
use sagate_lab::data::{Corruption, CorruptionKind, DataError, Example, Severity};

fn example(position: usize, pixels: Array3<f32>) -> Example {
    let (_, height, width) = pixels.dim();
    let truth = Array2::from_shape_fn((height, width), |(row, column)| u8::from(row < column));
    Example {
        name: format!("slice-{position}"),
        position,
        image: Image::new(pixels, [1.0, 2.0]),
        truth: Some(truth),
        difficulty: None,
    }
}

/// A stack of three slices of one size with values as a 16-bit PNG has them.
fn stack() -> impl Strategy<Value = Vec<Example>> {
    (1_usize..=4, 4_usize..24, 4_usize..24).prop_flat_map(|size| {
        let (channels, height, width) = size;
        let values = prop::collection::vec(0_u16..=u16::MAX, 3 * channels * height * width);
        values.prop_map(move |values| {
            let slices = values.chunks(channels * height * width).enumerate();
            slices
                .map(|(position, values)| {
                    let values = values.iter().copied().map(f32::from).collect();
                    example(position, Array3::from_shape_vec(size, values).unwrap())
                })
                .collect()
        })
    })
}

fn kind() -> impl Strategy<Value = CorruptionKind> {
    prop::sample::select(CorruptionKind::ALL.to_vec())
}

fn severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(Severity::ALL.to_vec())
}

fn bits(example: &Example) -> Vec<u32> {
    example.image.pixels.iter().map(|v| v.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_image_is_always_corrupted_alike(
        stack in stack(), kind in kind(), severity in severity(), seed in any::<u64>(), index in 0_usize..3,
    ) {
        let corruption = Corruption { kind, severity, seed };
        let once = apply(&corruption, &stack, index, &stack).unwrap();
        // After others, in a stack of another order, under another name: the same bits.
        apply(&corruption, &stack, (index + 1) % 3, &stack).unwrap();
        let mut turned: Vec<Example> = stack.iter().rev().cloned().collect();
        let place = turned.len() - 1 - index;
        turned[place].name = "renamed".to_owned();
        let again = apply(&corruption, &turned, place, &stack).unwrap();
        prop_assert_eq!(bits(&once), bits(&again));
        prop_assert_eq!(once.truth, again.truth);
    }

    #[test]
    fn corruption_keeps_shape_and_raw_range(
        stack in stack(), kind in kind(), severity in severity(), seed in any::<u64>(), index in 0_usize..3,
    ) {
        let before = &stack[index];
        let after = apply(&Corruption { kind, severity, seed }, &stack, index, &stack).unwrap();
        let (channels, height, width) = before.image.pixels.dim();
        let quarter = kind == CorruptionKind::WrongOrientation && severity == Severity::Moderate;
        let size = if quarter { (channels, width, height) } else { (channels, height, width) };
        prop_assert_eq!(after.image.pixels.dim(), size);
        prop_assert_eq!(after.truth.as_ref().unwrap().dim(), (size.1, size.2));
        prop_assert_eq!(after.image.spacing, if quarter { [2.0, 1.0] } else { [1.0, 2.0] });
        prop_assert!(after.image.pixels.iter().all(|v| v.is_finite() && (0.0..=65535.0).contains(v)));
        prop_assert_eq!(&after.name, &before.name);
        prop_assert_eq!(after.position, before.position);
        if !matches!(kind, CorruptionKind::WrongOrientation | CorruptionKind::OtherSpecies) {
            prop_assert_eq!(&after.truth, &before.truth);
        }
    }

    #[test]
    fn the_truth_moves_with_the_pixels(stack in stack(), severity in severity(), seed in any::<u64>()) {
        // The picture is its own truth; it must still be after any turn.
        let truth = stack[0].truth.clone().unwrap();
        let pixels = truth.mapv(f32::from).insert_axis(ndarray::Axis(0));
        let slice = [example(0, pixels)];
        let turned = apply(&Corruption { kind: CorruptionKind::WrongOrientation, severity, seed }, &slice, 0, &[]).unwrap();
        let moved = turned.truth.unwrap();
        prop_assert_eq!(turned.image.pixels.index_axis(ndarray::Axis(0), 0).mapv(|v| v as u8), moved.clone());
        let size = |labels: &Array2<u8>| labels.iter().filter(|&&label| label == 1).count();
        prop_assert_eq!(size(&moved), size(&truth));
    }
}

/// A head-like picture: dark air, bright tissue of two kinds, a fine pattern.
fn head(position: usize) -> Example {
    let pixels = Array3::from_shape_fn((1, 64, 48), |(_, row, column)| {
        let (y, x) = (row as f32 - 31.5, column as f32 - 23.5);
        let radius = (y * y + 1.6 * x * x).sqrt() + position as f32;
        let pattern = if (row / 2 + column / 3) % 2 == 0 {
            4000.0
        } else {
            0.0
        };
        match radius {
            r if r < 14.0 => 32000.0 + pattern,
            r if r < 27.0 => 20000.0 + pattern + 60.0 * row as f32,
            _ => 0.0,
        }
    });
    example(position, pixels)
}

fn distance(a: &Example, b: &Example) -> f64 {
    a.image
        .pixels
        .iter()
        .zip(&b.image.pixels)
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[test]
fn each_severity_is_worse_than_the_one_below() {
    let stack: Vec<Example> = (0..9).map(head).collect();
    let other = [Example {
        position: 4,
        ..head(1)
    }];
    for kind in CorruptionKind::ALL {
        // A wrong orientation has no measure of more or less.
        if kind == CorruptionKind::WrongOrientation {
            continue;
        }
        for seed in 0..10 {
            let far: Vec<f64> = Severity::ALL
                .into_iter()
                .map(|severity| {
                    let corruption = Corruption { kind, severity, seed };
                    distance(&apply(&corruption, &stack, 4, &other).unwrap(), &stack[4])
                })
                .collect();
            assert!(
                0.0 < far[0] && far[0] < far[1] && far[1] < far[2],
                "{kind}, seed {seed}: {far:?}"
            );
        }
    }
}

#[test]
fn seeds_differ_where_there_is_chance_and_only_there() {
    let stack: Vec<Example> = (0..3).map(head).collect();
    for kind in CorruptionKind::ALL {
        let with = |seed| {
            let corruption = Corruption {
                kind,
                severity: Severity::Moderate,
                seed,
            };
            bits(&apply(&corruption, &stack, 1, &stack).unwrap())
        };
        let fixed = matches!(
            kind,
            CorruptionKind::Blur
                | CorruptionKind::ContrastLoss
                | CorruptionKind::ThickSlices
                | CorruptionKind::OtherSpecies
        );
        assert_eq!((1..20).all(|seed| with(seed) == with(0)), fixed, "{kind}");
    }
}

#[test]
fn each_channel_is_corrupted_by_its_own_signal() {
    let bright = head(0);
    let dark = bright.image.pixels.mapv(|v| v / 8.0);
    let both = ndarray::concatenate(ndarray::Axis(0), &[bright.image.pixels.view(), dark.view()]).unwrap();
    let stack = [example(0, both)];
    let corruption = |kind| Corruption {
        kind,
        severity: Severity::Moderate,
        seed: 2,
    };
    let lost = apply(&corruption(CorruptionKind::ContrastLoss), &stack, 0, &[]).unwrap();
    for ((_, row, column), &v) in lost.image.pixels.slice(ndarray::s![..1, .., ..]).indexed_iter() {
        let other = 8.0 * lost.image.pixels[[1, row, column]];
        assert!(
            (v - other).abs() <= v * 1e-5,
            "{v} and {other} at {row}, {column}"
        );
    }
    let noisy = apply(&corruption(CorruptionKind::GaussianNoise), &stack, 0, &[]).unwrap();
    let spread = |channel: usize| {
        let noise = &noisy.image.pixels - &stack[0].image.pixels;
        // The middle of the head: far from the ends that values are held to.
        noise.slice(ndarray::s![channel, 20..44, 16..32]).std(0.0)
    };
    let ratio = spread(0) / spread(1);
    assert!((6.0..10.5).contains(&ratio), "{ratio} should be near 8");
}

#[test]
fn rician_noise_lifts_the_dark_parts_to_where_theory_says() {
    let mut slice = head(0);
    slice.image.pixels =
        Array3::from_shape_fn((1, 200, 200), |(_, row, _)| if row < 100 { 0.0 } else { 12000.0 });
    slice.truth = None;
    let corruption = Corruption {
        kind: CorruptionKind::RicianNoise,
        severity: Severity::Severe,
        seed: 3,
    };
    let noisy = apply(&corruption, &[slice], 0, &[]).unwrap();
    let dark = noisy
        .image
        .pixels
        .slice(ndarray::s![0, ..100, ..])
        .mean()
        .unwrap();
    // Rayleigh: sigma sqrt(pi / 2), sigma a third of the signal.
    let expected = 4000.0 * (std::f32::consts::PI / 2.0).sqrt();
    assert!(
        (dark / expected - 1.0).abs() < 0.02,
        "{dark} should be near {expected}"
    );
}

#[test]
fn ghosts_keep_the_energy_and_stay_in_their_columns() {
    let slice = [head(0)];
    let ghosted = apply(
        &Corruption {
            kind: CorruptionKind::Motion,
            severity: Severity::Severe,
            seed: 5,
        },
        &slice,
        0,
        &[],
    )
    .unwrap();
    let energy = |e: &Example| e.image.pixels.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    assert!(
        (energy(&ghosted) / energy(&slice[0]) - 1.0).abs() < 1e-4,
        "k-space was only turned in phase"
    );
}

#[test]
fn the_raw_range_is_that_of_the_number_format() {
    let with =
        |values: &[f32]| range(&Array3::from_shape_vec((1, 1, values.len()), values.to_vec()).unwrap());
    assert_eq!(with(&[0.0, 0.5]), (0.0, 1.0));
    assert_eq!(with(&[0.0, 254.0]), (0.0, 255.0));
    assert_eq!(with(&[3.0, 256.0]), (0.0, 65535.0));
    assert_eq!(with(&[-1000.0, 3000.0]), (-1000.0, 65535.0));
    assert_eq!(with(&[0.0, 1e6]), (0.0, 1e6));
}

#[test]
fn what_cannot_be_corrupted_is_said() {
    let lone = [head(4)];
    let thick = Corruption {
        kind: CorruptionKind::ThickSlices,
        severity: Severity::Mild,
        seed: 0,
    };
    assert!(matches!(
        apply(&thick, &lone, 0, &[]),
        Err(DataError::NoNeighbours {
            position: 4,
            reach: 1,
            ..
        })
    ));
    let mut small = head(5);
    small.image.pixels = Array3::zeros((1, 2, 2));
    let error = apply(&thick, &[head(4), small], 0, &[]).unwrap_err();
    assert!(error.to_string().contains("slice-5"), "{error}");
    let species = Corruption {
        kind: CorruptionKind::OtherSpecies,
        ..thick
    };
    let message = apply(&species, &lone, 0, &[]).unwrap_err().to_string();
    assert!(message.contains("--other"), "{message}");
    let mut odd = head(0);
    odd.image.pixels[[0, 3, 3]] = f32::NAN;
    let message = apply(
        &Corruption {
            kind: CorruptionKind::Blur,
            ..thick
        },
        &[odd],
        0,
        &[],
    )
    .unwrap_err()
    .to_string();
    assert!(
        message.contains("NaN") && message.contains("slice-0"),
        "{message}"
    );
    let message = "4".parse::<Severity>().unwrap_err().to_string();
    assert!(
        message.contains("'4'") && message.contains("1 (mild)"),
        "{message}"
    );
}

#[test]
fn names_are_the_same_everywhere() {
    for kind in CorruptionKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(
            clap::ValueEnum::to_possible_value(&kind).unwrap().get_name(),
            kind.name()
        );
    }
    let corruption = Corruption {
        kind: CorruptionKind::BiasField,
        severity: Severity::Severe,
        seed: 9,
    };
    let json = serde_json::to_string(&corruption).unwrap();
    assert_eq!(json, r#"{"kind":"bias-field","severity":3,"seed":9}"#);
    assert_eq!(serde_json::from_str::<Corruption>(&json).unwrap(), corruption);
    assert!(serde_json::from_str::<Corruption>(&json.replace('3', "0")).is_err());
}
