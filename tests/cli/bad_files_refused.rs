//! Bad image files through the binary: each is one sentence that names the file, the field, what it was and what would be
//! right.
//!
//! What would break: a wrong or hostile file brings the program down, makes it hang or eat the machine, is segmented as if
//! it were whole, takes the good files around it with it, or leaves half an answer behind.

use std::fs;
use std::process::{Command, Stdio};

use crate::bad_files::{
    Bad, absurd, bad, encoded, garbage, not_finite, of_no_size, truncated, wrong_channels, wrong_length,
    wrong_type,
};
use crate::binary::{Place, assert_sentence, finish, gzip, npy};
use crate::nifti_file::NiftiFile;
use image::{GrayImage, ImageFormat};

const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "npy", "safetensors", "nii", "nii.gz", "txt"];

/// Segments bad files: each refused with its words, and the folder for masks stays empty.
#[track_caller]
fn all_refused(files: Vec<Bad>) {
    let place = Place::new(1, &[0.1, 0.2]);
    files.iter().for_each(|bad| {
        place.write(bad.name, &bad.bytes);
    });
    let names: Vec<(&str, &[&str])> = files.iter().map(|bad| (bad.name, bad.words)).collect();
    refused(&place, &names);
}

#[track_caller]
fn refused(place: &Place, files: &[(&str, &[&str])]) {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let ended = place.run(&[&["segment", "--out", "masks", "--overlay"], &names[..]].concat());
    assert_eq!((ended.code, &*ended.stdout), (1, ""), "{ended:?}");
    ended.assert_calm();
    let errors = ended.errors();
    assert_eq!(errors.len(), files.len(), "one error a file: {ended:?}");
    for (error, (name, words)) in errors.iter().zip(files) {
        assert!(error.starts_with(name), "`{error}` does not begin with {name}");
        assert_sentence(error, words);
    }
    assert_eq!(place.names("masks"), [""; 0], "something was left behind");
}

#[test]
fn images_of_no_size() {
    all_refused(of_no_size());
}

#[test]
fn pixels_that_are_no_numbers() {
    all_refused(not_finite());
}

#[test]
fn wrong_numbers_of_channels() {
    all_refused(wrong_channels());
}

#[test]
fn wrong_types_of_values() {
    all_refused(wrong_type());
}

#[test]
fn bytes_that_do_not_fill_the_shape() {
    all_refused(wrong_length());
}

#[test]
fn files_that_break_off() {
    all_refused(truncated());
}

#[test]
fn dimensions_that_no_image_has() {
    all_refused(absurd());
}

#[test]
fn garbage_and_nothing_under_every_name() {
    let place = Place::new(1, &[]);
    let mut names = Vec::new();
    for (seed, ending) in ENDINGS.into_iter().enumerate() {
        names.push((
            place.write(&format!("garbage.{ending}"), &garbage(seed as u32 + 1)),
            &[][..],
        ));
        let empty = place.write(&format!("empty.{ending}"), b"");
        names.push((empty, &["size is 0 bytes", "an image file's bytes"][..]));
    }
    let dicom = [&[0; 128][..], b"DICM"].concat();
    names.push((
        place.write("scan", &dicom),
        &["it is DICOM", "NIfTI (.nii, .nii.gz, .hdr with .img), PNG"],
    ));
    let names: Vec<(&str, &[&str])> = names.iter().map(|(name, words)| (&**name, *words)).collect();
    refused(&place, &names);
}

#[test]
fn what_is_no_file() {
    let place = Place::new(1, &[]);
    fs::create_dir(place.path("folder.png")).unwrap();
    let folder: &[&str] = &["is a folder", "name one image file"];
    let nowhere: &[&str] = &["No such file", "check that it exists"];
    refused(&place, &[("folder.png", folder), ("nowhere.png", nowhere)]);
}

/// Files that unpack to far more than they are, under a limit of 100 kB.
#[test]
fn decompression_bombs() {
    let place = Place::new(1, &[]);
    let mut much = NiftiFile::counting(&[16, 16, 2]);
    much.dim[1..4].fill(400);
    let mut little = NiftiFile::counting(&[16, 16, 2]);
    little.data.resize(50_000_000, 0);
    let mut late = NiftiFile::counting(&[16, 16, 2]);
    late.vox_offset = 50_000_000.0;
    late.data = vec![0; 50_000_000];
    let black = encoded(&GrayImage::new(4000, 4000).into(), ImageFormat::Png);
    assert!(black.len() < 100_000);
    let files = [
        bad(
            "much.nii.gz",
            gzip(&much.bytes()),
            &["dim is 1 x 400 x 400 x 400", "limit of 100000 bytes"],
        ),
        bad(
            "little.nii.gz",
            gzip(&little.bytes()),
            &["unpacked gzip data", "limit of 100000 bytes"],
        ),
        bad(
            "late.nii.gz",
            gzip(&late.bytes()),
            &["vox_offset", "limit of 100000 bytes"],
        ),
        bad("black.png", black, &["4000 x 4000", "limit of 100000 bytes"]),
        bad(
            "large.npy",
            npy("<f4", "(400, 400)", &[0; 640_000]),
            &["size is 6400", "limit of 100000 bytes"],
        ),
    ];
    for Bad { name, bytes, words } in files {
        place.write(name, &bytes);
        let mut command = place.command(&["segment", name, "--out", "masks"]);
        let ended = finish(command.env("SAGATE__LIMITS__MAX_BYTES", "100000"));
        ended.assert_refused(1, words);
        assert!(ended.errors()[0].contains("raise the limit"), "{ended:?}");
        assert_eq!(place.names("masks"), [""; 0], "{name}");
    }
}

#[test]
fn bad_files_among_good_ones() {
    let place = Place::new(1, &[]);
    let mut files = vec!["segment".to_owned(), place.picture("first.png", 1, 40, 48)];
    let sorts = [
        of_no_size(),
        not_finite(),
        wrong_channels(),
        wrong_type(),
        wrong_length(),
        truncated(),
    ];
    let all: Vec<Bad> = sorts.into_iter().flatten().chain(absurd()).collect();
    files.extend(all.iter().map(|bad| place.write(bad.name, &bad.bytes)));
    files.push(place.picture("last.png", 2, 40, 48));
    files.extend(["--out", "masks", "--overlay"].map(str::to_owned));
    let arguments: Vec<&str> = files.iter().map(String::as_str).collect();

    let ended = place.run(&arguments);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let errors = ended.errors();
    assert_eq!(errors.len(), all.len());
    for (error, bad) in errors.iter().zip(&all) {
        assert!(error.contains(bad.name), "{error}");
        assert_sentence(error, bad.words);
    }
    assert!(ended.stdout.contains("first.png") && ended.stdout.contains("last.png"));
    assert!(
        ended
            .stdout
            .contains(&format!("0 of 2 images accepted by tiny@1, {} failed", all.len()))
    );
    let whole = [
        "first.mask.png",
        "first.overlay.png",
        "last.mask.png",
        "last.overlay.png",
        "overview.png",
    ];
    assert_eq!(place.names("masks"), whole);
    for name in ["first", "last"] {
        let found = crate::binary::mask(&place.path(&format!("masks/{name}.mask.png")));
        assert_eq!(found, place.expected(&format!("{name}.png")).labels, "{name}");
    }

    let (json, code) = place.json(&arguments);
    assert_eq!(code, 4);
    assert_eq!(json["images"].as_array().unwrap().len(), 2);
    assert_eq!(json["failed"].as_array().unwrap().len(), all.len());
}

/// A file that fails has no say over the exit code of usage, and all failing is an error.
#[test]
fn only_bad_files() {
    let place = Place::new(1, &[0.1]);
    place.write("a.png", b"no");
    place.write("b.npy", b"no");
    let ended = place.run(&["segment", "a.png", "b.npy"]);
    assert_eq!((ended.code, ended.errors().len()), (1, 2), "{ended:?}");
    let (json, code) = place.json(&["segment", "a.png", "b.npy"]);
    assert_eq!((code, json["images"].as_array().unwrap().len()), (1, 0));
    assert_eq!(json["failed"][1]["file"], "b.npy");
}

/// More pixels than memory can hold the features of: an error, and the next image is still segmented.
#[cfg(target_os = "linux")]
#[test]
fn an_image_too_large_for_the_memory() {
    let place = Place::new(1, &[0.1]);
    place.write("vast.npy", &npy("|u1", "(8000, 8000)", &[9; 64_000_000]));
    place.picture("small.png", 1, 32, 32);
    let segment = |files: &[&str]| {
        let mut shell = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_sagate");
        shell
            .args(["-c", "ulimit -v 3500000; exec \"$0\" \"$@\"", program, "segment"])
            .args(files)
            .args(["--models", "models", "--model", "tiny", "--threads", "1"])
            .current_dir(place.path("."))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish(&mut shell)
    };
    if segment(&["small.png"]).code != 0 {
        // A libtorch with CUDA maps more than this before it does anything.
        return;
    }
    let ended = segment(&["vast.npy", "small.png"]);
    ended.assert_refused(
        4,
        &[
            "vast.npy",
            "8000 x 8000 pixels",
            "more memory than there is",
            "a smaller image",
        ],
    );
    assert!(ended.stdout.contains("small.png"), "{ended:?}");
}
