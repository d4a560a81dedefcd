//! The paper's data sets (BraTS has a file of its own), each written here in its published layout: which subject goes where, what its slices hold,
//! and what is said of a set that is missing, incomplete or broken.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};
use sagate_lab::data::published::{Empty, Layout, Options, Published, find};
use sagate_lab::study::set::Set;
use sagate_lab::study::{Cache, Size};

use crate::jpeg_file::jpeg;
use crate::published_tree::{EXTENT, SHOWN, imported, label, refused, splits, subjects, volume};

fn isic_pair(root: &Path, images: &str, masks: &str, number: u32) {
    let (images, masks) = (root.join(images), root.join(masks));
    fs::create_dir_all(&images).unwrap();
    fs::create_dir_all(&masks).unwrap();
    let name = format!("ISIC_{number:07}");
    let lesion = |x: u32| (8..24).contains(&x);
    // Large areas of one colour come through JPEG nearly as they are.
    let picture = RgbImage::from_fn(32, 16, |x, _| {
        if lesion(x) {
            Rgb([200, 100, 40])
        } else {
            Rgb([10, 10, 10])
        }
    });
    fs::write(images.join(format!("{name}.jpg")), jpeg(&picture.into())).unwrap();
    RgbImage::new(4, 4)
        .save(images.join(format!("{name}_superpixels.png")))
        .unwrap();
    let mask = GrayImage::from_fn(32, 16, |x, _| Luma([if lesion(x) { 255 } else { 0 }]));
    mask.save(masks.join(format!("{name}_segmentation.png"))).unwrap();
}

fn isic(root: &Path) {
    for number in 0..5 {
        isic_pair(
            root,
            "ISIC-2017_Training_Data",
            "ISIC-2017_Training_Part1_GroundTruth",
            number,
        );
    }
    for number in 10..12 {
        isic_pair(
            root,
            "ISIC-2017_Validation_Data",
            "ISIC-2017_Validation_Part1_GroundTruth",
            number,
        );
    }
    for number in 20..23 {
        isic_pair(
            root,
            "ISIC-2017_Test_v2_Data",
            "ISIC-2017_Test_v2_Part1_GroundTruth",
            number,
        );
    }
}

#[test]
fn isic_keeps_its_official_splits_and_is_resized() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data/isic");
    isic(&root);
    let options = Options {
        side: Some(8),
        ..Options::default()
    };
    // One folder up is as good.
    let task = imported(Layout::Isic2017, root.parent().unwrap(), place.path(), options).unwrap();
    let [train, validation, test] = splits(&task);
    assert_eq!([train.len(), validation.len(), test.len()], [5, 2, 3]);
    assert_eq!(subjects(&test).first().unwrap(), "ISIC_0000020");
    let example = &test[0];
    assert_eq!(example.image.pixels.dim(), (3, 8, 8));
    let truth = example.truth.as_ref().unwrap();
    for ((_, column), &label) in truth.indexed_iter() {
        assert_eq!(label, u8::from((2..6).contains(&column)));
    }
    for (channel, byte) in [200.0, 100.0, 40.0].into_iter().enumerate() {
        let v = example.image.pixels[[channel, 4, 4]];
        assert!((v - byte * 257.0).abs() < 6.0 * 257.0, "8 bits fill 16: {v}");
    }
}

#[test]
fn half_of_isic_is_refused_by_the_file_that_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    isic(root);
    let refused = |options| refused(Layout::Isic2017, root, options);
    let share = Options {
        validation: Some(0.2),
        ..Options::default()
    };
    assert!(refused(share).contains("--validation is 0.2; it must be left out"));
    let mask = root.join("ISIC-2017_Test_v2_Part1_GroundTruth/ISIC_0000021_segmentation.png");
    let bytes = fs::read(&mask).unwrap();
    fs::remove_file(&mask).unwrap();
    let said = refused(Options::default());
    assert!(
        said.contains("ISIC_0000021_segmentation.png: is not there"),
        "{said}"
    );
    fs::write(&mask, bytes).unwrap();
    fs::remove_file(root.join("ISIC-2017_Test_v2_Data/ISIC_0000021.jpg")).unwrap();
    let said = refused(Options::default());
    assert!(said.contains("ISIC_0000021.jpg: is not there"), "{said}");
    GrayImage::new(3, 3)
        .save(root.join("ISIC-2017_Training_Part1_GroundTruth/ISIC_0000000_segmentation.png"))
        .unwrap();
    fs::write(root.join("ISIC-2017_Test_v2_Data/ISIC_0000021.jpg"), "no picture").unwrap();
    let said = refused(Options::default());
    assert!(
        said.contains("ISIC_0000000_segmentation.png: its grid is [3, 3, 1]"),
        "{said}"
    );
}

fn covid(root: &Path) {
    volume(&root.join("tr_im.nii.gz"), 1, |_, [_, _, z]| {
        -1250 + 10 * z as i16
    });
    volume(&root.join("tr_mask.nii.gz"), 1, |_, at| {
        label(at) + label([at[1], at[0], at[2]])
    });
    for number in 0..10 {
        let (name, air) = if number < 5 {
            (format!("coronacases_{number:03}.nii.gz"), -2000)
        } else {
            (format!("radiopaedia_{number}_1_0.nii.gz"), 0)
        };
        let lung = if number < 5 { -500 } else { 128 };
        volume(&root.join("COVID-19-CT-Seg_20cases").join(&name), 1, |_, at| {
            if label(at) == 0 { air } else { lung }
        });
        volume(&root.join("Infection_Mask").join(&name), 1, |_, at| {
            i16::from(label(at) != 0)
        });
    }
}

#[test]
fn covid_scans_are_dealt_whole_and_share_one_window() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    covid(&root);
    let task = imported(Layout::Covid, &root, place.path(), Options::default()).unwrap();
    let [train, validation, test] = splits(&task);
    // 328 of 1944 slices are 0.17 of them: 2 of 10 scans; a tenth of the other 8 validates.
    assert_eq!(subjects(&test).len(), 2);
    assert_eq!(subjects(&validation).len(), 1);
    assert!(
        subjects(&train).contains("slices"),
        "slices of unknown patients train"
    );
    for example in train.iter().chain(&validation).chain(&test) {
        let lowest = example.image.pixels.iter().copied().fold(f32::INFINITY, f32::min);
        let highest = example.image.pixels.iter().copied().fold(0.0, f32::max);
        if example.name.starts_with("coronacases") {
            // -1250..250 HU becomes 0..65535: -2000 is held, -500 is the middle.
            assert!(
                lowest == 0.0 && (highest - 32767.5).abs() <= 0.5,
                "{lowest} {highest}"
            );
        } else if example.name.starts_with("radiopaedia") {
            assert_eq!(
                (lowest, highest),
                (0.0, 128.0 * 257.0),
                "already windowed to 0..255"
            );
        }
    }
    let apart: Vec<usize> = train
        .iter()
        .filter(|example| example.name.starts_with("slices"))
        .map(|example| example.position)
        .collect();
    assert!(apart.len() > 1);
    assert!(
        apart.windows(2).all(|pair| pair[1] - pair[0] > 8),
        "not one patient: {apart:?}"
    );
    let splits = &task.file().splits;
    assert!(
        splits.train.contains("tr_im.nii.gz") && splits.test.contains("328 of 1944"),
        "{splits:?}"
    );

    fs::remove_file(root.join("Infection_Mask/coronacases_003.nii.gz")).unwrap();
    let said = refused(Layout::Covid, &root, Options::default());
    assert!(
        said.contains("Infection_Mask/coronacases_003.nii.gz: is not there"),
        "{said}"
    );
}

/// A Decathlon task of so many scans whose voxels tell channel and scan.
fn decathlon(dir: &Path, modality: &[&str], scans: usize) {
    let named = |names: &[&str]| -> serde_json::Map<String, serde_json::Value> {
        let name = |(number, name): (usize, &&str)| (number.to_string(), (*name).into());
        names.iter().enumerate().map(name).collect()
    };
    let mut training = Vec::new();
    for scan in 0..scans {
        let image = format!("./imagesTr/scan_{scan:02}.nii.gz");
        let mask = format!("./labelsTr/scan_{scan:02}.nii.gz");
        volume(&dir.join(&image[2..]), modality.len(), |channel, at| {
            (100 * channel + scan) as i16 + if label(at) == 0 { 0 } else { 1000 }
        });
        volume(&dir.join(&mask[2..]), 1, |_, at| label(at));
        training.push(serde_json::json!({"image": image, "label": mask}));
    }
    let about = serde_json::json!({
        "name": "TASK", "description": "a task", "licence": "CC-BY-SA 4.0", "tensorImageSize": "4D",
        "modality": named(modality), "labels": named(&["background", "PZ", "TZ"]),
        "numTraining": scans, "training": training, "test": ["./imagesTs/scan_99.nii.gz"],
    });
    fs::write(dir.join("dataset.json"), about.to_string()).unwrap();
}

#[test]
fn the_decathlons_prostate_and_pancreas_take_the_papers_shares_of_whole_scans() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    decathlon(&root.join("Task05_Prostate"), &["T2", "ADC"], 10);
    decathlon(&root.join("Task07_Pancreas"), &["CT"], 10);

    let task = imported(Layout::Prostate, &root, place.path(), Options::default()).unwrap();
    let [train, validation, test] = splits(&task);
    let counts = [train, validation, test].map(|split| subjects(&split).len());
    assert_eq!(counts, [7, 1, 2], "100 of 475 slices are 0.21 of 10 scans");
    assert_eq!(task.channels(), ["T2", "ADC"]);
    assert_eq!(task.classes()[0].name, "prostate");

    let task = imported(
        Layout::Pancreas,
        &root.join("Task07_Pancreas"),
        place.path(),
        Options::default(),
    )
    .unwrap();
    let [train, _, test] = splits(&task);
    assert_eq!(subjects(&test).len(), 2);
    let example = &train[0];
    let scan: f32 = example.name[5..7].parse().unwrap();
    let object = example.truth.as_ref().unwrap();
    assert_eq!(
        object.iter().filter(|&&label| label == 1).count(),
        6,
        "parenchyma and mass are one object"
    );
    for (&v, &label) in example.image.pixels.iter().zip(object) {
        assert_eq!(v, 1024.0 + scan + 1000.0 * f32::from(label), "HU + 1024");
    }
    assert!(task.file().source.description.contains("CC-BY-SA 4.0"));
}

#[test]
fn a_split_is_the_seeds_and_the_same_to_the_byte() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("Task07_Pancreas");
    decathlon(&root, &["CT"], 20);
    let made = |out: &str, seed| {
        let options = Options {
            seed,
            ..Options::default()
        };
        let task = imported(Layout::Pancreas, &root, &place.path().join(out), options).unwrap();
        let [.., test] = splits(&task);
        (task, subjects(&test))
    };
    let ((one, first), (again, _), (_, other)) = (made("a", 1), made("b", 1), made("c", 2));
    assert_ne!(first, other);
    let files = |split: &str| -> Vec<_> {
        let listed = fs::read_dir(one.dir().join(split).join("images")).unwrap();
        listed
            .map(|entry| Path::new(split).join("images").join(entry.unwrap().file_name()))
            .collect()
    };
    let mut all: Vec<_> = ["train", "validation", "test"]
        .iter()
        .flat_map(|split| files(split))
        .collect();
    all.push("task.toml".into());
    for file in all {
        assert_eq!(
            fs::read(one.dir().join(&file)).unwrap(),
            fs::read(again.dir().join(&file)).unwrap()
        );
    }
}

#[test]
fn empty_slices_and_labels_are_the_callers_choice() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("Task05_Prostate");
    decathlon(&root, &["T2", "ADC"], 4);
    let keep = Options {
        empty: Empty::Keep,
        object: Some(vec![2]),
        ..Options::default()
    };
    let task = imported(Layout::Prostate, &root, place.path(), keep).unwrap();
    let [.., test] = splits(&task);
    assert_eq!(test.len(), EXTENT[2]);
    let object: usize = test
        .iter()
        .flat_map(|example| example.truth.iter().flatten())
        .map(|&v| usize::from(v))
        .sum();
    assert_eq!(object, 3 * SHOWN.len(), "one of the two labels");
    assert!(
        task.file()
            .source
            .command
            .ends_with("--seed 1 --empty keep --object 2")
    );

    let none = Options {
        object: Some(vec![9]),
        ..Options::default()
    };
    let said = refused(Layout::Prostate, &root, none);
    assert!(
        said.contains("no slice for train") && said.contains("labels: 9"),
        "{said}"
    );
    for (options, word) in [
        (
            Options {
                object: Some(vec![0]),
                ..Options::default()
            },
            "--object",
        ),
        (
            Options {
                side: Some(0),
                ..Options::default()
            },
            "--side",
        ),
        (
            Options {
                validation: Some(1.0),
                ..Options::default()
            },
            "--validation",
        ),
        (
            Options {
                test: Some(0.2),
                ..Options::default()
            },
            "--test",
        ),
        (
            Options {
                validation: Some(f64::NAN),
                ..Options::default()
            },
            "--validation",
        ),
    ] {
        let said = refused(Layout::Prostate, &root, options);
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_set_that_is_not_there_is_named_with_where_to_get_it_and_its_terms() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    fs::create_dir(&root).unwrap();
    for set in Published::ALL {
        let said = refused(Layout::from(set), &root, Options::default());
        let about = set.about();
        for part in [about.title, about.source, about.terms, about.parts[0][0]] {
            assert!(said.contains(part), "{set}: '{part}' in: {said}");
        }
        assert_eq!(find(&root, set).unwrap_err().to_string(), said);
    }
    assert!(
        find(&root.join("nowhere"), Published::Brats)
            .unwrap_err()
            .to_string()
            .contains("is not a folder")
    );

    covid(&root.join("deeper"));
    assert_eq!(find(&root, Published::Covid).unwrap().len(), 4);
    fs::remove_file(root.join("deeper/tr_mask.nii.gz")).unwrap();
    let said = find(&root, Published::Covid).unwrap_err().to_string();
    assert!(
        said.contains("for tr_mask.nii.gz. Get it"),
        "only what is missing: {said}"
    );
    let brats18 = root.join("MICCAI_BraTS_2018_Data_Training");
    fs::create_dir(&brats18).unwrap();
    assert!(
        find(&root, Published::Brats).is_err(),
        "the test subjects are in 2019 and 2020"
    );
}

/// `sagate study --data-root`: a published set takes its phantoms' place, and what is not there is named with where to get it.
#[test]
fn a_study_takes_what_lies_below_its_data_root() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    decathlon(&root.join("Task05_Prostate"), &["T2", "ADC"], 10);
    let (sets, missing) = Set::for_study(Some(&root)).unwrap();
    assert_eq!(sets.len(), Set::ALL.len());
    assert!(sets.contains(&Set::Prostate) && !sets.contains(&Set::ProstateLike));
    assert_eq!(missing.len(), 4);
    let pancreas = missing.iter().find(|it| it.contains("Task07_Pancreas")).unwrap();
    assert!(
        pancreas.contains("medicaldecathlon") && pancreas.contains("CC BY-SA"),
        "{pancreas}"
    );
    assert_eq!(Set::for_study(None).unwrap(), (Set::ALL.to_vec(), Vec::new()));
    assert!(Set::for_study(Some(&root.join("none"))).is_err());

    let profile = Size::Quick.profile().with(&["side=32".to_owned()]).unwrap();
    let cache = Cache::new(place.path().join("cache"));
    let images = || Set::Prostate.images(&cache, &profile, Some(&root)).unwrap();
    let first = images();
    assert_eq!(first.samples.channels, 2);
    assert!(!first.test.is_empty() && first.samples.train.iter().all(|it| it.labels.dim() == (32, 32)));
    assert_eq!(images().key, first.key, "cut into slices once");
}
