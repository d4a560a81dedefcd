//! `sagate interpret` through the binary: the pictures, the numbers, the choice of layer, unit, class and slice.
//!
//! What would break: a picture is missing, a score in the report is not the library's, the wrong slice is shown, or the exit
//! code says other than the gate.

use std::fs;

use sagate_core::imaging::{self, Limits, Picture, Plane};
use sagate_core::nn::layers::LAYERS;
use serde_json::Value;

use crate::binary::{Place, waves};
use crate::nifti_file::NiftiFile;

const FILES: [&str; 7] = [
    "average.png",
    "layers",
    "layers.png",
    "overlay.png",
    "report.json",
    "unit-scores.png",
    "units.png",
];

fn report(place: &Place, folder: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(&format!("{folder}/report.json"))).unwrap()).unwrap()
}

fn size(place: &Place, name: &str) -> (u32, u32) {
    let picture = image::open(place.path(name)).unwrap().to_rgb8();
    let first = picture.get_pixel(0, 0);
    assert!(picture.pixels().any(|pixel| pixel != first), "{name} is blank");
    picture.dimensions()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

#[test]
fn every_layer_is_drawn_and_told() {
    let place = Place::new(2, &[0.1, 0.2]);
    let file = place.picture("image.png", 1, 45, 61);
    let ended = place.run(&["interpret", &file, "--out", "seen/here", "--coverage", "1.0"]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
    assert_eq!(place.names("seen/here"), FILES);
    let sams = (1..=18).map(|layer| format!("{layer:02}.png"));
    assert_eq!(place.names("seen/here/layers"), sams.collect::<Vec<_>>());
    assert_eq!(size(&place, "seen/here/layers/18.png"), (61, 45));
    FILES
        .iter()
        .filter(|name| name.ends_with(".png"))
        .for_each(|name| {
            size(&place, &format!("seen/here/{name}"));
        });
    for words in [
        "image.png: ACCEPT mu 0.",
        "encoder1.1",
        "decoder1.2",
        "layer 18:",
        "in seen/here",
    ] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }

    let reported = report(&place, "seen/here");
    let expected = place.expected(&file);
    assert_eq!(reported["image"], "image.png");
    assert_eq!(reported["model"], "tiny@1");
    assert_eq!(reported["model_hash"], place.pass().hash());
    assert_eq!(reported["verdict"], "ACCEPT");
    assert_eq!(reported["decision"]["mu"].as_f64().unwrap(), expected.mean_sa.mu);
    assert_eq!(
        reported["object_fraction"].as_f64().unwrap(),
        expected.object_fraction()
    );
    let confidence = expected.confidence;
    for (field, score) in [
        ("soft_dice_confidence", confidence.soft_dice),
        ("object_confidence", confidence.object),
    ] {
        assert_eq!(reported[field].as_f64().unwrap(), score, "{field}");
        assert!(ended.stdout.contains(&format!("{score:.3}")), "{}", ended.stdout);
    }
    assert_eq!(
        (&reported["units_of_layer"], &reported["class"]),
        (&18.into(), &"class 1".into())
    );

    let layers = reported["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 18);
    for (layer, known) in layers.iter().zip(LAYERS) {
        assert_eq!(layer["layer"], known.number);
        assert_eq!(layer["name"], known.name);
        let resolution = match known.downsampling {
            1 => "1".to_owned(),
            factor => format!("1/{factor}"),
        };
        assert_eq!(layer["resolution"], resolution);
        let score = layer["sa_score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score) && score > 0.0, "{layer}");
    }
    // The last layer's units are the last of the units that mu runs over.
    let units = numbers(&reported["unit_scores"]);
    assert_eq!(
        units,
        expected.mean_sa.units[expected.mean_sa.units.len() - units.len()..]
    );
    assert!(units.iter().all(|score| (0.0..=1.0).contains(score)));
    let threshold = reported["active_threshold"].as_f64().unwrap();
    let active: Vec<usize> = reported["active_units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| unit.as_u64().unwrap() as usize)
        .collect();
    for (unit, score) in units.iter().enumerate() {
        assert_eq!(
            active.contains(&unit),
            *score > threshold,
            "unit {unit}: {score}, {threshold}"
        );
    }

    let (json, code) = place.json(&["interpret", &file, "--out", "again", "--coverage", "1.0"]);
    assert_eq!((code, &json), (0, &reported), "--json prints the report");
    for name in FILES.iter().filter(|name| name.contains('.')) {
        let read = |folder: &str| fs::read(place.path(&format!("{folder}/{name}"))).unwrap();
        assert_eq!(read("seen/here"), read("again"), "{name} differs from run to run");
    }
}

#[test]
fn layers_units_and_classes_can_be_chosen() {
    let place = Place::new(2, &[0.1]);
    let file = place.picture("image.png", 1, 40, 40);
    place.run(&["interpret", &file, "--out", "all"]);
    let all = report(&place, "all");
    let chosen = [
        "--layers",
        "18,3,9,3",
        "--units-of",
        "9",
        "--class",
        "2",
        "--units",
        "1",
    ];
    place.run(&[&["interpret", &file, "--out", "some"][..], &chosen].concat());
    let some = report(&place, "some");
    assert_eq!(place.names("some"), FILES);
    assert_eq!(place.names("some/layers"), ["03.png", "09.png", "18.png"]);
    let reported = some["layers"].as_array().unwrap();
    let numbers: Vec<u64> = reported
        .iter()
        .map(|layer| layer["layer"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [3, 9, 18], "in order, each once");
    for layer in reported {
        assert_eq!(
            *layer,
            all["layers"][layer["layer"].as_u64().unwrap() as usize - 1]
        );
    }
    assert_eq!(
        some["decision"], all["decision"],
        "what is shown changes no decision"
    );
    assert_eq!(
        (&some["units_of_layer"], &some["class"]),
        (&9.into(), &"class 2".into())
    );
    // The tiny model has 4 channels in its first block and so 64 in the bottleneck.
    assert_eq!(some["unit_scores"].as_array().unwrap().len(), 64);
    assert!(size(&place, "some/layers.png").1 < size(&place, "all/layers.png").1);
    let none = place.run(&["interpret", &file, "--out", "none", "--units", "0"]);
    assert_eq!(
        (none.code, place.names("none").len()),
        (0, FILES.len()),
        "{none:?}"
    );
    let many = place.run(&["interpret", &file, "--out", "many", "--units", "1000"]);
    assert_eq!(
        (many.code, place.names("many").len()),
        (0, FILES.len()),
        "{many:?}"
    );
}

#[test]
fn a_volumes_slice_can_be_chosen() {
    let place = Place::new(1, &[0.1]);
    let data: Vec<u8> = (1..=5)
        .flat_map(|slice| waves(slice, 36, 40).into_iter().collect::<Vec<f32>>())
        .flat_map(|value| (value as i16).to_le_bytes())
        .collect();
    let bytes = NiftiFile::new(&[40, 36, 5], 4, 16, data).bytes();
    place.write("scan.nii", &bytes);
    let Picture::Volume(scan) = imaging::read(&place.path("scan.nii"), &Limits::default()).unwrap() else {
        panic!("an image, no volume");
    };
    let pass = place.pass();
    for (flags, index) in [(&[][..], 2), (&["--slice", "0"], 0), (&["--slice", "4"], 4)] {
        let (json, _) = place.json(&[&["interpret", "scan.nii", "--out", "seen"][..], flags].concat());
        assert_eq!(json["image"], format!("scan.nii#{index}"));
        let expected = crate::binary::segment(&pass, &scan.slice(Plane::Axial, index));
        assert_eq!(
            json["decision"]["mu"].as_f64().unwrap(),
            expected.mean_sa.mu,
            "slice {index}"
        );
        assert_eq!(report(&place, "seen"), json);
    }
}

#[test]
fn the_exit_code_is_the_decision() {
    let place = Place::new(1, &[0.1]);
    let file = place.picture("image.png", 1, 40, 40);
    let mu = place.expected(&file).mean_sa.mu;
    for (flags, code, verdict) in [
        (["--coverage", "1"], 0, "ACCEPT"),
        (["--coverage", "0"], 3, "REJECT"),
        (["--threshold", &mu.to_string()], 0, "ACCEPT"),
        (["--threshold", &(mu + 1e-9).to_string()], 3, "REJECT"),
    ] {
        let (json, found) = place.json(&[&["interpret", &file, "--out", "seen"][..], &flags].concat());
        assert_eq!((found, &json["verdict"]), (code, &verdict.into()), "{flags:?}");
        assert_eq!(json["decision"]["accept"], code == 0);
        assert_eq!(
            place.names("seen"),
            FILES,
            "a rejected image is drawn all the same"
        );
    }
}

/// An image in which the network finds nothing, or nothing else, has no scores; it is drawn and rejected.
#[test]
fn an_image_without_scores_is_drawn() {
    let place = Place::new(1, &[]);
    image::GrayImage::new(1, 1).save(place.path("dot.png")).unwrap();
    let (json, code) = place.json(&["interpret", "dot.png", "--out", "seen"]);
    assert_eq!(code, 3);
    assert_eq!(place.names("seen"), FILES);
    let reasons: Vec<&str> = json["decision"]["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    let nothing = reasons.contains(&"EMPTY_PREDICTION") || reasons.contains(&"FULL_PREDICTION");
    assert!(nothing && reasons.contains(&"NOT_CALIBRATED"), "{reasons:?}");
    assert!(
        json["layers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|layer| layer["sa_score"] == 0.0)
    );
}
