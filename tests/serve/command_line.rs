//! `sagate segment`, `interpret`, `health` and `top` against the real `sagate serve`.
//!
//! What would break: an image segmented by a server gets another mask, number, text or exit code than locally, rows
//! are in another order, or an unreachable server is not named.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::binary::{Ended, Place, finish, waves};
use crate::nifti_file::NiftiFile;
use crate::server::Server;
use serde_json::Value;

fn place() -> Place {
    Place::new(2, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
}

/// Every file below a folder with its bytes, by its path.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else {
            files.insert(path.display().to_string(), fs::read(path).unwrap());
        }
    }
    files
}

/// Runs a command here and on a server, each into a fresh folder `out`: how each ended, and what it wrote.
fn both(place: &Place, server: &Server, arguments: &[&str]) -> [(Ended, BTreeMap<String, Vec<u8>>); 2] {
    let url = server.url();
    [vec![], vec!["--server", &*url]].map(|more| {
        let _ = fs::remove_dir_all(place.path("out"));
        let ended = place.run(&[arguments, &more].concat());
        (ended, tree(&place.path("out")))
    })
}

/// JSON without the times that images took.
fn timeless(stdout: &str) -> Value {
    let mut json: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    for row in json["images"].as_array_mut().into_iter().flatten() {
        assert!(row["milliseconds"].take().as_f64().unwrap() > 0.0);
    }
    json
}

#[track_caller]
fn assert_alike(place: &Place, server: &Server, arguments: &[&str]) -> (i32, BTreeMap<String, Vec<u8>>) {
    let [(here, written), (there, sent)] = both(place, server, arguments);
    assert_eq!(here.code, there.code, "{arguments:?}: {here:?} {there:?}");
    if arguments.contains(&"--json") {
        assert_eq!(timeless(&here.stdout), timeless(&there.stdout), "{arguments:?}");
    } else {
        assert_eq!(here.stdout, there.stdout, "{arguments:?}");
    }
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&sent), "{arguments:?}");
    for (name, bytes) in &written {
        assert!(sent[name] == *bytes, "{arguments:?}: {name} differs");
    }
    (here.code, written)
}

/// The server uses the convolution algorithm of its settings.
#[test]
fn convolutions_are_those_of_the_settings() {
    let place = place();
    let image = place.picture("one.png", 3, 48, 64);
    let chosen = ["--convolutions", "winograd"];
    let server = Server::start(&place, &chosen);
    assert_eq!(server.announced["convolutions"], "winograd");
    let segment = ["--json", "segment", &image, "--out", "out"];
    let (code, written) = assert_alike(&place, &server, &[&chosen[..], &segment].concat());
    assert!(code == 0 || code == 3, "{code}");
    assert!(!written.is_empty());
    let refused = place.run(&[&chosen[..], &["--precision", "half"], &segment].concat());
    refused.assert_refused(
        1,
        &[
            "device.convolutions is \"winograd\"",
            "device.precision is \"half\"",
            "--convolutions",
        ],
    );
}

fn volume(place: &Place) -> String {
    let data: Vec<u8> = (1..=7)
        .flat_map(|slice| waves(slice, 36, 40).into_iter().collect::<Vec<f32>>())
        .flat_map(|value| (value as i16).to_le_bytes())
        .collect();
    place.write("scan.nii", &NiftiFile::new(&[40, 36, 7], 4, 16, data).bytes())
}

#[test]
fn segment_gives_the_same_files_and_words() {
    let place = place();
    // With a score beside mu.
    (0..12).for_each(|seed| {
        place.picture(&format!("known/{seed}.png"), seed, 40, 52);
    });
    assert_eq!(place.run(&["calibrate", "--data", "known"]).code, 0);
    let server = Server::start(&place, &[]);
    let mut arguments = vec!["segment".to_owned()];
    arguments
        .extend((1..=6).map(|seed| place.picture(&format!("image-{seed}.png"), seed, 30 + 7 * seed, 52)));
    arguments.push(volume(&place));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let with = |more: &[&'static str]| [&arguments, more].concat();
    for form in ["auto", "png", "nifti", "rle", "packed", "none"] {
        let (_, files) = assert_alike(
            &place,
            &server,
            &with(&["--json", "--out", "out", "--mask", form]),
        );
        assert_eq!(files.is_empty(), form == "none");
    }
    assert_alike(&place, &server, &with(&["--out", "out", "--overlay"]));
    let (accepted, _) = assert_alike(&place, &server, &with(&["--json", "--coverage", "1"]));
    let (rejected, _) = assert_alike(&place, &server, &with(&["--json", "--coverage", "0"]));
    assert_eq!((accepted, rejected), (0, 3));
    assert_alike(&place, &server, &with(&["--threshold", "0.2"]));
    let url = server.url();
    let output = place.run(&[&arguments[..], &["--json", "--server", &url]].concat());
    let output: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(output["images"][0]["score"].as_f64().is_some(), "{output}");

    // The masks just written, as true masks: Dice is 1.
    let masks = ["segment", "image-1.png", "--mask", "png", "--out", "truth"];
    assert_eq!(place.run(&[&masks[..], &["--coverage", "1"]].concat()).code, 0);
    fs::rename(
        place.path("truth/image-1.mask.png"),
        place.path("truth/image-1.png"),
    )
    .unwrap();
    assert_alike(
        &place,
        &server,
        &["segment", "image-1.png", "--truth", "truth", "--json"],
    );
    let output = place.run(&[
        "segment",
        "image-1.png",
        "--truth",
        "truth",
        "--server",
        &server.url(),
    ]);
    assert!(
        output.stdout.contains("Dice") && output.stdout.contains("1.000"),
        "{output:?}"
    );
}

#[test]
fn interpret_gives_the_same_pictures_and_numbers() {
    let place = place();
    let server = Server::start(&place, &[]);
    let file = place.picture("image.png", 1, 45, 61);
    let scan = volume(&place);
    let cases: [&[&str]; 5] = [
        &["interpret", &file, "--out", "out", "--coverage", "1"],
        &["interpret", &file, "--out", "out", "--json", "--coverage", "0"],
        &[
            "interpret",
            &file,
            "--out",
            "out",
            "--layers",
            "18,3",
            "--units-of",
            "9",
            "--class",
            "2",
        ],
        &["interpret", &file, "--out", "out", "--units", "1000"],
        &["interpret", &scan, "--out", "out", "--slice", "5", "--units", "0"],
    ];
    for arguments in cases {
        let (_, files) = assert_alike(&place, &server, arguments);
        assert!(files.len() > 7, "{:?}", files.keys());
    }
    // Each layer is reported when it arrives, except with --json.
    let output = place.run(&[cases[0], &["--server", &server.url()]].concat());
    assert_eq!(
        output
            .stderr
            .lines()
            .filter(|line| line.starts_with("layer "))
            .count(),
        18,
        "{output:?}"
    );
    let output = place.run(&[cases[1], &["--server", &server.url()]].concat());
    assert_eq!(output.stderr, "");
}

#[test]
fn what_is_wrong_is_told_in_the_same_words() {
    let place = place();
    let server = Server::start(&place, &[]);
    let good = place.picture("image.png", 1, 40, 40);
    image::RgbImage::from_fn(20, 20, |column, row| image::Rgb([column as u8, row as u8, 0]))
        .save(place.path("colours.png"))
        .unwrap();
    let broken = place.write("broken.png", b"\x89PNG\r\n\x1a\nno");
    let cases: [(&[&str], &str); 8] = [
        (
            &["segment", "colours.png"],
            "the image has 3 channels; model tiny@1 takes 1 (any)",
        ),
        (
            &["interpret", "colours.png", "--out", "out"],
            "the image has 3 channels; model tiny@1 takes 1 (any)",
        ),
        (&["segment", &broken], "broken.png"),
        (
            &["segment", &good, "--coverage", "1.5"],
            "coverage is 1.5: it must lie from 0 to 1",
        ),
        (
            &["segment", &good, "--threshold", "-1"],
            "threshold is -1: it must lie from 0 to 1",
        ),
        (
            &["interpret", &good, "--out", "out", "--layers", "19"],
            "--layers is 19",
        ),
        (
            &["interpret", &good, "--out", "out", "--class", "3"],
            "--class is 3; model tiny@1 has the classes 1 to 2",
        ),
        (
            &["segment", &good, "--out", "image.png"],
            "--out image.png: is a file",
        ),
    ];
    for (arguments, words) in cases {
        let [(here, _), (there, _)] = both(&place, &server, arguments);
        assert_ne!(here.code, 0);
        here.assert_refused(here.code, &[words]);
        there.assert_refused(here.code, &[words]);
    }
    // Some fail, the others come out, in their order.
    let [(here, _), (there, _)] = both(
        &place,
        &server,
        &["segment", &good, "colours.png", &broken, &good],
    );
    assert_eq!((here.code, there.code), (4, 4));
    assert_eq!(here.stdout, there.stdout);
    assert_eq!((here.errors().len(), there.errors().len()), (2, 2), "{there:?}");
    for (here, there) in here.errors().iter().zip(there.errors()) {
        assert_eq!(here.split(": ").next(), there.split(": ").next());
    }
}

/// A model that is named by hand must be there; one that stands in no settings is the server's to choose.
#[test]
fn the_model_is_the_one_that_was_named() {
    let place = place();
    let server = Server::start(&place, &[]);
    let (file, url) = (place.picture("image.png", 1, 40, 40), server.url());
    let bare = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = place.bare(&[arguments, &["--json", "--server", &url]].concat());
        finish(command.envs(environment.iter().copied()))
    };
    let ended = bare(&["segment", &file, "--coverage", "1"], &[]);
    assert_eq!(
        (ended.code, timeless(&ended.stdout)["model"].as_str()),
        (0, Some("tiny@1")),
        "{ended:?}"
    );
    let ended = bare(&["segment", &file, "--coverage", "1", "--model", "tiny@1"], &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for (flags, environment) in [
        (&["--model", "other"][..], &[][..]),
        (&["--model", "tiny@7"], &[]),
        (&[], &[("SAGATE__MODELS__DEFAULT", "other@2")]),
    ] {
        let ended = bare(&[&["segment", &file][..], flags].concat(), environment);
        ended.assert_refused(1, &["there is no model", "tiny@1"]);
    }
    bare(&["segment", &file, "--model", "no/name"], &[]).assert_refused(1, &["no/name"]);
    // A coverage that settings name is asked for as well.
    let ended = bare(&["segment", &file], &[("SAGATE__GATE__COVERAGE", "0")]);
    assert_eq!(ended.code, 3, "{ended:?}");
}

/// Gate options that the server forbids are an error of the command line, as in a local run.
#[test]
fn the_servers_settings_rule_the_gate() {
    let place = place();
    let file = place.picture("image.png", 1, 40, 40);
    place.write(
        "strict.toml",
        b"[gate]\nallowed_coverage = [0.0, 0.5]\ncoverage = 0.5\n",
    );
    let server = Server::start(&place, &["--config", "strict.toml"]);
    let url = server.url();
    let ended = place.run(&["segment", &file, "--coverage", "0.9", "--server", &url]);
    ended.assert_refused(2, &["coverage is 0.9: it must lie from 0 to 0.5"]);
    let (json, _) = place.json(&["segment", &file, "--server", &url]);
    assert_eq!(json["images"][0]["coverage"], 0.5);
}

#[test]
fn a_model_without_calibration_is_warned_of() {
    let place = Place::new(1, &[]);
    let server = Server::start(&place, &[]);
    let file = place.picture("image.png", 1, 40, 40);
    let [(here, _), (there, _)] = both(&place, &server, &["segment", &file]);
    assert_eq!((here.code, there.code), (3, 3));
    assert_eq!(here.stdout, there.stdout);
    for words in ["calibration.json", "sagate calibrate"] {
        assert!(
            there.stderr.contains(words) && here.stderr.contains(words),
            "{there:?}"
        );
    }
}

/// A single pixel has no score: reason and fault are reported alike.
#[test]
fn a_fault_is_told_alike() {
    let place = Place::new(1, &[0.0]);
    let server = Server::start(&place, &[]);
    image::GrayImage::from_pixel(1, 1, image::Luma([7]))
        .save(place.path("dot.png"))
        .unwrap();
    let (code, _) = assert_alike(&place, &server, &["segment", "dot.png", "--json", "--out", "out"]);
    assert_eq!(code, 3);
    assert_alike(
        &place,
        &server,
        &["interpret", "dot.png", "--json", "--out", "out"],
    );
}

#[test]
fn health_is_the_exit_code() {
    let place = place();
    let server = Server::start(&place, &[]);
    let url = server.url();
    for service in ["", "tiny@1", "sagate.v1.QualityControl"] {
        let ended = place.run(&["health", "--server", &url, "--service", service]);
        assert_eq!(
            (ended.code, &*ended.stdout),
            (0, "SERVING\n"),
            "{service} {ended:?}"
        );
    }
    let ended = place.run(&["health", "--server", &url, "--service", "tiny@2"]);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (1, "SERVICE_UNKNOWN\n"),
        "{ended:?}"
    );
    let (json, _) = place.json(&["health", "--server", &url]);
    assert_eq!(json["status"], "SERVING");
}

#[test]
fn top_prints_one_look() {
    let place = place();
    let server = Server::start(&place, &[]);
    let file = place.picture("image.png", 1, 40, 40);
    assert_eq!(
        place
            .run(&["segment", &file, "--coverage", "1", "--server", &server.url()])
            .code,
        0
    );
    assert_eq!(
        place
            .run(&["segment", &file, "--coverage", "0", "--server", &server.url()])
            .code,
        3
    );
    let ended = place.run(&["top", "--once", "--server", &server.url()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for words in [
        "tiny@1",
        "ready",
        "requests in flight",
        env!("CARGO_PKG_VERSION"),
        &server.url(),
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    let (json, code) = place.json(&["top", "--server", &server.url()]);
    let model = &json["models"][0];
    assert_eq!(
        (code, &model["model"], &model["ready"]),
        (0, &"tiny@1".into(), &true.into())
    );
    assert_eq!(
        (&model["accepted"], &model["rejected"]),
        (&1.into(), &1.into()),
        "{json}"
    );
    let bins = model["mu_histogram"].as_array().unwrap();
    assert_eq!(bins.len(), 20);
    assert_eq!(bins.iter().map(|bin| bin.as_u64().unwrap()).sum::<u64>(), 2);
    // Without a terminal there is nothing to draw on.
    place
        .run(&["top", "--server", &server.url()])
        .assert_refused(2, &["terminal", "--once"]);
}

/// Who starts a server with a folder of their own has not named its default yet: one line says how, and nothing has been started.
#[test]
fn a_server_whose_default_is_not_there_does_not_start() {
    let place = place();
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--models",
        "models",
    ];
    for wanted in ["other", "tiny@7"] {
        let ended = finish(&mut place.bare(&[&serve[..], &["--model", wanted]].concat()));
        ended.assert_refused(1, &["models.default (--model)", wanted, "there is tiny@1"]);
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.lines().count()),
            ("", 1),
            "{ended:?}"
        );
    }
}

#[test]
fn nobody_listens() {
    let place = place();
    let file = place.picture("image.png", 1, 40, 40);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let commands: [&[&str]; 4] = [
        &["segment", &file],
        &["interpret", &file, "--out", "out"],
        &["health"],
        &["top", "--once"],
    ];
    for command in commands {
        let ended = place.run(&[command, &["--server", &url]].concat());
        ended.assert_refused(1, &[&url, "refused"]);
    }
    assert!(place.names("out").is_empty());
    for (url, words) in [
        ("ftp://127.0.0.1:1", "https://"),
        ("127.0.0.1:50051", "http://"),
        ("http://127.0.0.1", "port"),
        ("http://127.0.0.1:1/models", "after the port"),
    ] {
        let ended = place.run(&["health", "--server", url]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(
            ended.stderr.contains(words) && ended.stderr.contains(url),
            "{ended:?}"
        );
    }
}
