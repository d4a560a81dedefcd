//! The masks of `sagate segment`: every form reads back as the labels that the library gives, on the grid of its scan.
//!
//! What would break: a mask is lost, overwritten by another's, or no longer lies on the scan that it was made of.

use std::fs;
use std::io::Read;

use ndarray::Array2;
use sagate_core::imaging::mask::{Rle, from_volume, unpack};
use sagate_core::imaging::{self, Limits, Picture, Plane, Volume};

use crate::binary::{Place, gzip, mask, rows, waves};
use crate::nifti_file::NiftiFile;

/// Every form, one class and two, reads back as the labels that the library gives.
#[test]
fn masks_of_images_read_back() {
    for classes in [1, 2] {
        let place = Place::new(classes, &[0.1]);
        let file = place.picture("image.png", 1, 37, 53);
        let labels = place.expected(&file).labels;
        let of_class = |class: u8| labels.mapv(|label| u8::from(label == class));
        let classes = 1..=classes as u8;
        for (form, names) in [
            ("auto", vec!["image.mask.png".to_owned()]),
            ("png", vec!["image.mask.png".to_owned()]),
            ("nifti", vec!["image.mask.nii.gz".to_owned()]),
            ("rle", vec!["image.mask.rle.json".to_owned()]),
            (
                "packed",
                classes
                    .clone()
                    .map(|class| format!("image.mask-{class}-37x53.bits"))
                    .collect(),
            ),
            ("none", Vec::new()),
        ] {
            let (json, code) =
                place.json(&["segment", &file, "--out", form, "--mask", form, "--coverage", "1"]);
            assert_eq!(code, 0);
            assert_eq!(place.names(form), names, "{form}");
            let reported: Vec<String> = names.iter().map(|name| format!("{form}/{name}")).collect();
            assert_eq!(rows(&json)[0]["mask"], serde_json::json!(reported), "{form}");
            for (class, path) in classes.clone().zip(reported.iter().map(|name| place.path(name))) {
                match form {
                    "rle" => {
                        let runs: Vec<Rle> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                        assert_eq!(runs.len(), classes.clone().count());
                        for (class, runs) in classes.clone().zip(runs) {
                            assert_eq!(runs.decode(&Limits::default()).unwrap(), of_class(class));
                        }
                    }
                    "packed" => assert_eq!(
                        unpack(&fs::read(path).unwrap(), [37, 53]).unwrap(),
                        of_class(class)
                    ),
                    _ => assert_eq!(mask(&path), labels, "{form}"),
                }
            }
        }
    }
}

/// A volume whose file axes are z, -x and y, in millimetres 3, 1.5 and 2, stored as float32 big-endian.
fn turned_volume() -> NiftiFile {
    let (z, x, y) = (3, 40, 36);
    let mut values = Vec::new();
    for j in 0..y {
        for i in 0..x {
            for k in 0..z {
                values.push(waves(k + 1, y, x)[[j, i]]);
            }
        }
    }
    let mut file = NiftiFile::new(&[z as i16, x as i16, y as i16], 16, 32, Vec::new());
    file.big_endian = true;
    file.data = values.into_iter().flat_map(f32::to_be_bytes).collect();
    file.pixdim = [1.0, 3.0, 1.5, 2.0, 0.0, 0.0, 0.0, 0.0];
    file.sform_code = 1;
    file.sform = [
        [0.0, -1.5, 0.0, 30.0],
        [0.0, 0.0, 2.0, -36.0],
        [3.0, 0.0, 0.0, 5.0],
    ];
    file.qform_code = 1;
    file.quaternion = [0.5, 0.5, 0.5, 1.0, 2.0, 3.0];
    file.description = "a person's name";
    file
}

fn volume(bytes: &[u8]) -> Volume {
    let Picture::Volume(volume) =
        imaging::decode(bytes, imaging::Format::Nifti, "volume", &Limits::default()).unwrap()
    else {
        panic!("an image, no volume");
    };
    volume
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut unpacked)
        .unwrap();
    unpacked
}

#[test]
fn a_volume_gets_one_mask_on_its_own_grid() {
    let place = Place::new(2, &[0.1]);
    let bytes = turned_volume().bytes();
    place.write("scan.nii.gz", &gzip(&bytes));
    let scan = volume(&bytes);
    assert_eq!(scan.extent(Plane::Axial), 3);
    let (json, code) = place.json(&["segment", "scan.nii.gz", "--out", "masks", "--coverage", "1"]);
    assert_eq!((code, rows(&json).len()), (0, 3), "a row a slice");
    assert_eq!(place.names("masks"), ["scan.mask.nii.gz"]);
    let written = unpacked(&fs::read(place.path("masks/scan.mask.nii.gz")).unwrap());

    let pass = place.pass();
    let found = from_volume(&volume(&written), "mask").unwrap();
    for (index, row) in rows(&json).iter().enumerate() {
        assert_eq!(row["image"], format!("scan.nii.gz#{index}"));
        assert_eq!(row["mask"], serde_json::json!(["masks/scan.mask.nii.gz"]));
        let expected = crate::binary::segment(&pass, &scan.slice(Plane::Axial, index));
        assert_eq!(row["mu"].as_f64().unwrap(), expected.mean_sa.mu, "slice {index}");
        assert_eq!(
            Plane::Axial.slice(found.view(), index),
            expected.labels,
            "slice {index}"
        );
    }

    // The header: the same shape, steps and transforms in the same byte order; labels as uint8; no words.
    assert_eq!(written[..4], bytes[..4], "byte order");
    assert_eq!(written[40..56], bytes[40..56], "dim");
    assert_eq!(written[70..74], [0, 2, 0, 8], "datatype, bitpix");
    assert_eq!(written[76..108], bytes[76..108], "pixdim");
    assert_eq!(written[252..328], bytes[252..328], "qform and sform");
    assert_eq!(written[148..228], [0; 80], "description");
    assert_eq!(written.len(), 352 + 3 * 40 * 36);
}

#[test]
fn other_forms_of_a_volumes_mask_are_a_file_a_slice() {
    let place = Place::new(1, &[0.1]);
    let bytes = turned_volume().bytes();
    place.write("scan.nii", &bytes);
    let scan = volume(&bytes);
    let pass = place.pass();
    for (form, ending) in [
        ("png", ".mask.png"),
        ("rle", ".mask.rle.json"),
        ("packed", ".mask-1-36x40.bits"),
    ] {
        let (json, _) = place.json(&["segment", "scan.nii", "--out", form, "--mask", form, "--overlay"]);
        for (index, row) in rows(&json).iter().enumerate() {
            let labels = crate::binary::segment(&pass, &scan.slice(Plane::Axial, index)).labels;
            let name = format!("{form}/scan-{index:04}{ending}");
            assert_eq!(row["mask"], serde_json::json!([name]));
            let path = place.path(&name);
            let found: Array2<u8> = match form {
                "png" => mask(&path),
                "rle" => {
                    let runs: Vec<Rle> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
                    runs[0].decode(&Limits::default()).unwrap()
                }
                _ => unpack(&fs::read(path).unwrap(), [36, 40]).unwrap(),
            };
            assert_eq!(found, labels, "{name}");
            assert!(
                place
                    .path(&format!("{form}/scan-{index:04}.overlay.png"))
                    .is_file()
            );
        }
        assert_eq!(place.names(form).len(), 7, "{:?}", place.names(form));
    }
}

/// Whatever files are called, no output replaces another's.
#[test]
fn no_mask_overwrites_another() {
    let place = Place::new(1, &[0.1]);
    let mut files = Vec::new();
    for (seed, name) in [
        "a.png",
        "one/a.png",
        "two/a.png",
        "a-2.png",
        "two/a-2.png",
        "scan-0001.png",
    ]
    .into_iter()
    .enumerate()
    {
        files.push(place.picture(name, seed, 33, 40));
    }
    place.write("scan.nii", &turned_volume().bytes());
    files.push("scan.nii".to_owned());
    files.push(place.picture("scan-2-0002.png", 9, 33, 40));
    files.push("a.png".to_owned());
    for form in ["png", "nifti", "rle"] {
        let names: Vec<&str> = files.iter().map(String::as_str).collect();
        let flags = ["--out", form, "--mask", form, "--overlay"];
        let (json, _) = place.json(&[&["segment"], &names[..], &flags].concat());
        let mut written: Vec<String> = Vec::new();
        for row in rows(&json) {
            written.extend(
                row["mask"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap().to_owned()),
            );
        }
        written.sort();
        written.dedup();
        // Eight images and the volume: a file a slice, but one NIfTI for the whole of it.
        assert_eq!(written.len(), if form == "nifti" { 9 } else { 11 }, "{written:?}");
        let overlays = place
            .names(form)
            .into_iter()
            .filter(|name| name.ends_with(".overlay.png"));
        assert_eq!(overlays.count(), 11);
        if form == "png" {
            let images = rows(&json)
                .iter()
                .filter(|row| row["image"].as_str().unwrap().ends_with(".png"));
            for row in images {
                let path = place.path(row["mask"][0].as_str().unwrap());
                assert_eq!(
                    mask(&path),
                    place.expected(row["image"].as_str().unwrap()).labels,
                    "{row}"
                );
            }
        }
    }
}

#[test]
fn a_volumes_truth_is_a_volume() {
    let place = Place::new(1, &[0.1]);
    let bytes = turned_volume().bytes();
    place.write("scan.nii", &bytes);
    place.json(&["segment", "scan.nii", "--out", "truth"]);
    fs::rename(
        place.path("truth/scan.mask.nii.gz"),
        place.path("truth/scan.nii.gz"),
    )
    .unwrap();
    let (json, _) = place.json(&["segment", "scan.nii", "--truth", "truth"]);
    assert!(rows(&json).iter().all(|row| row["dice"] == 1.0), "{json}");
    place.write(
        "truth/scan.nii.gz",
        &gzip(&NiftiFile::counting(&[40, 36, 2]).oriented().bytes()),
    );
    let ended = place.run(&["segment", "scan.nii", "--truth", "truth"]);
    ended.assert_refused(
        1,
        &["truth/scan.nii.gz", "2 slices", "must have 3", "scan.nii has"],
    );
}

/// A slice of 40 x 36 voxels that lies in the sagittal plane, by both transforms.
fn flat() -> NiftiFile {
    let values = waves(1, 36, 40);
    let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut file = NiftiFile::new(&[40, 36], 16, 32, data);
    file.pixdim[1..3].copy_from_slice(&[1.5, 2.0]);
    (file.qform_code, file.sform_code) = (1, 3);
    file.quaternion = [0.5, 0.5, 0.5, 4.0, -80.0, -70.0];
    file.sform = [
        [0.0, 0.0, 1.0, 5.0],
        [1.5, 0.0, 0.0, -100.0],
        [0.0, 2.0, 0.0, -70.0],
    ];
    file
}

#[test]
fn the_mask_of_a_flat_file_lies_on_it() {
    let place = Place::new(2, &[0.1]);
    let mut only_qform = flat();
    only_qform.sform_code = 0;
    let mut neither = flat();
    (neither.sform_code, neither.qform_code) = (0, 0);
    for (name, file) in [
        ("both.nii", flat()),
        ("qform.nii", only_qform),
        ("neither.nii", neither),
    ] {
        let bytes = file.bytes();
        place.write(name, &bytes);
        let out = format!("{name}-masks");
        let (json, _) = place.json(&["segment", name, "--out", &out, "--mask", "nifti"]);
        let path = rows(&json)[0]["mask"][0].as_str().unwrap().to_owned();
        let written = unpacked(&fs::read(place.path(&path)).unwrap());
        assert_eq!(written[40..56], bytes[40..56], "{name}: dim");
        assert_eq!(written[76..108], bytes[76..108], "{name}: pixdim");
        assert_eq!(written[123], bytes[123], "{name}: units");
        assert_eq!(
            written[252..328],
            bytes[252..328],
            "{name}: codes, qform and sform"
        );
        assert_eq!(mask(&place.path(&path)), place.expected(name).labels, "{name}");
        // Where a pixel stands in the file, its label stands in the mask.
        let read =
            |bytes: &[u8]| match imaging::decode(bytes, imaging::Format::Nifti, name, &Limits::default()) {
                Ok(Picture::Image(image)) => image,
                other => panic!("{other:?}"),
            };
        assert_eq!(
            read(&bytes).geometry.unwrap().affine(),
            read(&written).geometry.unwrap().affine(),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_says_no_orientation_is_warned_of() {
    let place = Place::new(1, &[0.1]);
    let mut file = flat();
    (file.sform_code, file.qform_code) = (0, 0);
    place.write("neither.nii", &file.bytes());
    place.write("both.nii", &flat().bytes());
    let warned = place.run(&["segment", "neither.nii"]);
    assert!(
        warned
            .stderr
            .contains("neither.nii: sform_code and qform_code are 0"),
        "{warned:?}"
    );
    let silent = place.run(&["segment", "both.nii"]);
    assert!(!silent.stderr.contains("sform_code"), "{silent:?}");
}

#[test]
fn a_pair_is_segmented_by_the_name_of_either_file() {
    let place = Place::new(1, &[0.1]);
    let scan = turned_volume();
    place.write("scan.nii", &scan.bytes());
    let mut header = scan.clone();
    header.magic = *b"ni1\0";
    header.vox_offset = 0.0;
    place.write("pair.hdr", &header.bytes()[..348]);
    place.write("pair.img", &scan.data);
    let mus = |file: &str| {
        let (json, _) = place.json(&["segment", file, "--out", "masks"]);
        let rows = rows(&json).iter();
        rows.map(|row| row["mu"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let expected = mus("scan.nii");
    let whole = unpacked(&fs::read(place.path("masks/scan.mask.nii.gz")).unwrap());
    for file in ["pair.hdr", "pair.img"] {
        assert_eq!(mus(file), expected, "{file}");
        let written = unpacked(&fs::read(place.path("masks/pair.mask.nii.gz")).unwrap());
        assert_eq!(written, whole, "{file}: one file, as of any other scan");
    }
}

#[test]
fn a_truth_that_lies_elsewhere_is_refused() {
    let place = Place::new(1, &[0.1]);
    let scan = turned_volume();
    place.write("scan.nii", &scan.bytes());
    let truth = |change: &dyn Fn(&mut NiftiFile)| {
        let mut file = NiftiFile::new(&[3, 40, 36], 2, 8, vec![1; 3 * 40 * 36]);
        (file.sform_code, file.sform) = (1, scan.sform);
        change(&mut file);
        place.write("truth/scan.nii", &file.bytes());
        place.run(&["segment", "scan.nii", "--truth", "truth"])
    };
    let fits = truth(&|_| {});
    assert!(fits.errors().is_empty(), "{fits:?}");
    let moved = truth(&|file| file.sform[2][3] += 3.0);
    moved.assert_refused(
        1,
        &["truth/scan.nii", "3.000 mm", "scan.nii", "a tenth of a voxel"],
    );
    let mirrored = truth(&|file| file.sform[0] = [0.0, 1.5, 0.0, 30.0]);
    mirrored.assert_refused(1, &["truth/scan.nii", "mm from its image scan.nii"]);
    let unplaced = truth(&|file| file.sform_code = 0);
    unplaced.assert_refused(1, &["truth/scan.nii: orientation is missing", "scan.nii"]);
    // Stored along other axes, but at the same place: i is x, j is y and k is z.
    let turned = truth(&|file| {
        file.dim = [3, 40, 36, 3, 1, 1, 1, 1];
        file.sform = [
            [-1.5, 0.0, 0.0, 30.0],
            [0.0, 2.0, 0.0, -36.0],
            [0.0, 0.0, 3.0, 5.0],
        ];
    });
    assert!(turned.errors().is_empty(), "{turned:?}");
}
