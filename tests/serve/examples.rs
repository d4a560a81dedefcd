//! The clients in `examples/`, in Rust and in Python, against the real server.
//!
//! What would break: a client generated from the proto files does not work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binary::{Ended, Place, finish};
use crate::server::Server;

fn run(place: &Place, program: &Path, arguments: &[&str]) -> Ended {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    finish(&mut command)
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn place() -> Place {
    Place::new(1, &[0.0, 1.0])
}

#[test]
fn rust() {
    let example = Path::new(env!("CARGO_BIN_EXE_sagate"))
        .with_file_name("examples")
        .join("client");
    assert!(
        example.is_file(),
        "{} is missing: `cargo build --release --example client` makes it, as plain `cargo test` does",
        example.display()
    );
    let place = place();
    let server = Server::start(&place, &[]);
    let file = place.picture("image.png", 1, 40, 52);
    let ended = run(&place, &example, &[&server.url(), &file]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], format!("ACCEPT {}", scores(&place, &file)));
    assert_eq!(
        lines[1..]
            .iter()
            .filter(|line| line.starts_with("layer "))
            .count(),
        18
    );
    assert!(lines.last().unwrap().starts_with("18 layers in "), "{lines:?}");
    let ended = run(&place, &example, &[]);
    assert!(
        ended.code != 0 && ended.stderr.contains("two arguments"),
        "{ended:?}"
    );
}

/// The scores of an image as both clients print them.
fn scores(place: &Place, file: &str) -> String {
    let expected = place.expected(file);
    format!(
        "mu {:.6} soft Dice confidence {:.6} object confidence {:.6}",
        expected.mean_sa.mu, expected.confidence.soft_dice, expected.confidence.object
    )
}

#[test]
fn python() {
    let python = here("target/python-client/bin/python");
    assert!(
        python.exists(),
        "{} is missing: `.ci/python-client` makes it, as `make test` does",
        python.display()
    );
    let client = here("examples/python/client.py").display().to_string();
    let place = place();
    let server = Server::start(&place, &["--config", &strict(&place)]);
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut files: Vec<String> = (1..=3)
        .map(|seed| place.picture(&format!("image-{seed}.png"), seed, 40, 52))
        .collect();
    let mut expected: Vec<String> = files
        .iter()
        .map(|file| format!("{file} REJECT {} BELOW_THRESHOLD", scores(&place, file)))
        .collect();
    let first = expected[0].replacen(&files[0], "one:", 1);
    files.push(place.write("broken.png", b"\x89PNG\r\n\x1a\nno"));
    let mut arguments = vec![&*client, &*address];
    arguments.extend(files.iter().map(String::as_str));
    let ended = run(&place, &python, &arguments);
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
    let mut lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.remove(0), first);
    lines.sort_unstable();
    expected.sort();
    assert!(lines[0].starts_with("broken.png failed: "), "{lines:?}");
    assert_eq!(lines[1..], expected);

    let ended = run(&place, &python, &[&client, &address, "broken.png"]);
    assert!(
        ended.code == 1 && ended.stderr.contains("INVALID_ARGUMENT"),
        "{ended:?}"
    );
}

/// Settings under which nothing passes.
fn strict(place: &Place) -> String {
    place.write("strict.toml", b"[gate]\ncoverage = 0.0\n")
}
