//! Phantoms: the same plan gives the same bytes, each image stands alone, and what the paper says of a data set holds in
//! the family that stands in for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ndarray::Axis;
use protoseg::{Prediction, ProtoSeg};
use sagate_lab::data::corruption::{apply, write_copies};
use sagate_lab::data::phantom::{Family, PhantomPlan, SPACING, build, image};
use sagate_lab::data::{Corruption, CorruptionKind, DataError, Example, Severity, Split, folder};
use tch::Tensor;

fn plan(family: Family) -> PhantomPlan {
    PhantomPlan {
        family,
        side: 32,
        train: 3,
        validation: 2,
        test: 2,
        seed: 7,
    }
}

/// Every file below a folder with its bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn images(family: Family, side: usize, count: usize) -> Vec<Example> {
    (0..count)
        .map(|index| image(family, side, 1, Split::Test, index))
        .collect()
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_other_images() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    for family in Family::ALL {
        for out in ["a", "b"] {
            build(&plan(family), &place.join(out), false).unwrap();
        }
        let other = PhantomPlan {
            seed: 8,
            ..plan(family)
        };
        build(&other, &place.join("c"), false).unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|out| files(&place.join(out).join(family.name())));
        assert_eq!(a, b, "{family}");
        // task.toml, and for each split its difficulties, images and masks.
        assert_eq!(a.len(), 1 + 3 + 2 * 7, "{family}");
        assert_eq!(a.keys().collect::<Vec<_>>(), c.keys().collect::<Vec<_>>());
        for (name, bytes) in a.iter().filter(|(name, _)| !name.contains("/masks/")) {
            assert_ne!(bytes, &c[name], "{name}");
        }
    }
}

#[test]
fn an_image_is_the_same_alone_and_in_any_company() {
    let place = tempfile::tempdir().unwrap();
    for family in Family::ALL {
        let more = PhantomPlan {
            train: 5,
            validation: 1,
            ..plan(family)
        };
        let few = build(&plan(family), &place.path().join("few"), false).unwrap();
        let many = build(&more, &place.path().join("many"), false).unwrap();
        let [few, many] = [few, many].map(|task| task.split(Split::Train).unwrap());
        assert_eq!((few.len(), many.len()), (3, 5));
        for index in [2, 0, 1] {
            let alone = image(family, 32, 7, Split::Train, index);
            assert_eq!(alone.position, index * SPACING);
            for example in [&few[index], &many[index]] {
                assert_eq!(example.name, alone.name);
                assert_eq!(example.position, alone.position);
                assert_eq!(example.image.pixels, alone.image.pixels);
                assert_eq!(example.truth, alone.truth);
                assert_eq!(example.difficulty, alone.difficulty);
            }
        }
        let elsewhere = [
            image(family, 32, 7, Split::Test, 0),
            image(family, 32, 7, Split::Train, 1),
        ];
        for other in elsewhere {
            assert_ne!(other.image.pixels, few[0].image.pixels, "{family}");
        }
    }
}

#[test]
fn every_image_shows_its_object_in_whole_raw_values() {
    for family in Family::ALL {
        let channels = match family {
            Family::BratsLike => 4,
            Family::IsicLike => 3,
            Family::ProstateLike => 2,
            Family::CovidLike | Family::PancreasLike => 1,
        };
        for example in images(family, 32, 40) {
            assert_eq!(example.image.pixels.dim(), (channels, 32, 32));
            let whole = |v: &f32| v.fract() == 0.0 && (0.0..=4095.0).contains(v);
            assert!(example.image.pixels.iter().all(whole), "{}", example.name);
            for channel in example.image.pixels.outer_iter() {
                assert!(channel.std(0.0) > 50.0, "{}: an empty channel", example.name);
            }
            let truth = example.truth.unwrap();
            assert_eq!(truth.dim(), (32, 32));
            let object = truth.iter().filter(|&&label| label == 1).count();
            assert!(truth.iter().all(|&label| label <= 1));
            assert!((3..700).contains(&object), "{}: {object} pixels", example.name);
        }
    }
}

#[test]
fn a_subject_is_the_same_at_every_side() {
    for family in Family::ALL {
        let (small, large) = (
            image(family, 64, 1, Split::Test, 3),
            image(family, 128, 1, Split::Test, 3),
        );
        let share = |example: &Example| {
            let truth = example.truth.as_ref().unwrap();
            truth.mapv(f64::from).mean().unwrap()
        };
        let (small_share, large_share) = (share(&small), share(&large));
        assert!((small_share / large_share - 1.0).abs() < 0.1, "{family}");
        assert_eq!(small.difficulty, large.difficulty);
    }
}

#[test]
fn difficulties_are_spread_over_0_to_1() {
    for family in Family::ALL {
        let mut tenths = [0; 10];
        for example in images(family, 32, 200) {
            let difficulty = example.difficulty.unwrap();
            assert!((0.0..1.0).contains(&difficulty));
            tenths[(difficulty * 10.0) as usize] += 1;
        }
        // 20 each are expected; fewer than 5 or more than 40 come once in tens of thousands of draws.
        assert!(tenths.iter().all(|count| (5..=40).contains(count)), "{tenths:?}");
    }
}

/// Dice against the truth of ProtoSeg with the z-scored channels as the features and the truth as the prototypes' mask.
fn separability(example: &Example) -> f64 {
    let mut pixels = example.image.pixels.clone();
    for mut channel in pixels.outer_iter_mut() {
        let (mean, spread) = (channel.mean().unwrap(), channel.std(0.0));
        channel.mapv_inplace(|v| (v - mean) / spread);
    }
    let (channels, height, width) = pixels.dim();
    let size = [1, height as i64, width as i64];
    let feature = Tensor::from_slice(pixels.as_slice().unwrap()).view([1, channels as i64, size[1], size[2]]);
    let truth = Tensor::from_slice(example.truth.as_ref().unwrap().as_slice().unwrap()).view(size);
    let reference = Prediction::from_labels(&truth, 1, None).unwrap();
    ProtoSeg::default().layer(&feature, &reference).unwrap().score[0]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn separability_is_ordered_as_in_the_papers_table_3() {
    let of = |family| {
        let scores: Vec<f64> = images(family, 64, 40).iter().map(separability).collect();
        mean(&scores)
    };
    let [brats, isic, covid, prostate, pancreas] = Family::ALL.map(of);
    let said = format!("{brats:.3} {isic:.3} {covid:.3} {prostate:.3} {pancreas:.3}");
    assert!((0.5..0.75).contains(&brats), "{said}");
    assert!((0.5..0.75).contains(&isic), "{said}");
    assert!((0.3..0.5).contains(&covid), "{said}");
    assert!((0.12..0.35).contains(&prostate), "{said}");
    assert!(pancreas < 0.12, "{said}");
    assert!(
        brats.min(isic) > covid && covid > prostate && prostate > pancreas,
        "{said}"
    );
}

#[test]
fn difficult_images_are_less_separable_where_intensity_separates_at_all() {
    for family in [Family::BratsLike, Family::IsicLike, Family::ProstateLike] {
        let (mut easy, mut hard) = (Vec::new(), Vec::new());
        for example in images(family, 64, 40) {
            let difficulty = example.difficulty.unwrap();
            let third = if difficulty < 1.0 / 3.0 {
                &mut easy
            } else if difficulty > 2.0 / 3.0 {
                &mut hard
            } else {
                continue;
            };
            third.push(separability(&example));
        }
        let (easy, hard) = (mean(&easy), mean(&hard));
        assert!(easy > hard + 0.05, "{family}: {easy:.3} and {hard:.3}");
    }
}

#[test]
fn every_corruption_that_applies_works_on_every_family() {
    for family in Family::ALL {
        let stack = images(family, 32, 3);
        for kind in CorruptionKind::ALL {
            let corruption = Corruption {
                kind,
                severity: Severity::Severe,
                seed: 1,
            };
            let corrupted = apply(&corruption, &stack, 1, &[]);
            match kind {
                CorruptionKind::ThickSlices => {
                    assert!(matches!(corrupted, Err(DataError::NoNeighbours { .. })))
                }
                CorruptionKind::OtherSpecies => assert!(matches!(corrupted, Err(DataError::NoOther { .. }))),
                _ => {
                    let corrupted = corrupted.unwrap();
                    assert_eq!(corrupted.difficulty, stack[1].difficulty);
                    let pairs = corrupted
                        .image
                        .pixels
                        .outer_iter()
                        .zip(stack[1].image.pixels.outer_iter());
                    for (channel, (after, before)) in pairs.enumerate() {
                        assert_ne!(
                            after, before,
                            "{family}: {kind} leaves channel {channel} as it was"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn corrupted_copies_keep_channels_and_difficulty() {
    let place = tempfile::tempdir().unwrap();
    let corruption = Corruption {
        kind: CorruptionKind::Blur,
        severity: Severity::Mild,
        seed: 1,
    };
    for (family, extension) in [
        (Family::BratsLike, "npy"),
        (Family::IsicLike, "png"),
        (Family::ProstateLike, "npy"),
    ] {
        let task = build(&plan(family), place.path(), false).unwrap();
        let stack = task.split(Split::Test).unwrap();
        let out = place.path().join("corrupted").join(family.name());
        write_copies(&corruption, &stack, &[], &out, false, || ()).unwrap();
        for (copy, example) in folder(&out).unwrap().iter().zip(&stack) {
            assert!(
                out.join("images")
                    .join(format!("{}.{extension}", copy.name))
                    .is_file()
            );
            assert_eq!(
                copy.image.pixels.len_of(Axis(0)),
                example.image.pixels.len_of(Axis(0))
            );
            assert_eq!(copy.difficulty, example.difficulty);
            assert_eq!(copy.truth, example.truth);
        }
    }
}

#[test]
fn a_second_making_changes_nothing_and_another_one_needs_force() {
    let place = tempfile::tempdir().unwrap();
    let plan = plan(Family::ProstateLike);
    let task = build(&plan, place.path(), false).unwrap();
    let marker = task.dir().join("train/marker");
    fs::write(&marker, "").unwrap();
    build(&plan, place.path(), false).unwrap();
    assert!(marker.exists());

    let other = PhantomPlan { seed: 8, ..plan };
    let error = build(&other, place.path(), false).unwrap_err();
    assert!(matches!(error, DataError::Exists { .. }), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");
    assert!(marker.exists());

    build(&other, place.path(), true).unwrap();
    assert!(!marker.exists());
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        1,
        "nothing but the task"
    );
}

#[test]
fn what_cannot_be_drawn_is_refused_by_field_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let good = plan(Family::CovidLike);
    for (plan, field, range) in [
        (PhantomPlan { side: 31, ..good }, "side is 31", "32 to 1024"),
        (PhantomPlan { side: 1025, ..good }, "side is 1025", "32 to 1024"),
        (PhantomPlan { train: 0, ..good }, "train is 0", "1 to 100000"),
        (
            PhantomPlan {
                validation: 0,
                ..good
            },
            "validation is 0",
            "1 to 100000",
        ),
        (
            PhantomPlan {
                test: 100_001,
                ..good
            },
            "test is 100001",
            "1 to 100000",
        ),
    ] {
        let message = build(&plan, place.path(), false).unwrap_err().to_string();
        assert!(message.contains(field) && message.contains(range), "{message}");
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    let message = "brats".parse::<Family>().unwrap_err().to_string();
    assert!(
        message.contains("'brats'") && message.contains("pancreas-like"),
        "{message}"
    );
}

#[test]
fn names_are_the_same_everywhere() {
    for family in Family::ALL {
        assert_eq!(family.to_string(), family.name());
        assert_eq!(family.name().parse::<Family>().unwrap(), family);
        assert_eq!(serde_json::to_value(family).unwrap(), family.name());
        let value = clap::ValueEnum::to_possible_value(&family).unwrap();
        assert_eq!(value.get_name(), family.name());
    }
}

#[test]
fn wrong_difficulties_are_refused_by_file_and_line() {
    let place = tempfile::tempdir().unwrap();
    let task = build(&plan(Family::CovidLike), place.path(), false).unwrap();
    let path = task.dir().join("test/difficulty.csv");
    let (first, second) = ("covid-like-0000000", "covid-like-0000100");
    for (text, said) in [
        ("", "line 1 is ''"),
        ("name,hardness\n", "line 1 is 'name,hardness'"),
        (&format!("name,difficulty\n{first},0.5\n"), second),
        (
            &format!("name,difficulty\n{first},0.5\n{second},1\nthird,0\n"),
            "'third' is of no image",
        ),
        (
            &format!("name,difficulty\n{first},0.5\n{second},1.01\n"),
            "line 3, difficulty is '1.01'",
        ),
        (&format!("name,difficulty\n{first},NaN\n{second},0\n"), "'NaN'"),
        (
            &format!("name,difficulty\n{first}\n{second},0\n"),
            "line 2, difficulty is ''",
        ),
        (
            &format!("name,difficulty\n{first},0\n{first},0\n"),
            "line 3, name",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let message = task.split(Split::Test).unwrap_err().to_string();
        assert!(
            message.contains("difficulty.csv") && message.contains(said),
            "{message}"
        );
    }
    fs::write(&path, format!("name,difficulty,x\n{second},1,9\n{first},0.25,\n")).unwrap();
    let reported = |example: &Example| example.difficulty.unwrap();
    let read: Vec<f32> = task.split(Split::Test).unwrap().iter().map(reported).collect();
    assert_eq!(read, [0.25, 1.0]);
    fs::remove_file(&path).unwrap();
    let without = task.split(Split::Test).unwrap();
    assert!(without.iter().all(|example| example.difficulty.is_none()));
}
