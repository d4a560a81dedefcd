//! Every fuzz target over its corpus, on the compiler that builds sagate, with inputs that are cut short and corrupted as well. What a
//! fuzzer finds stays in the corpus, so it is found again here.
//!
//! What would break: a parser that panics, hangs, or reads a wrong value.
#![allow(clippy::print_stdout, reason = "names the file, should a target fail on it")]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 13] = [
    ("nifti", targets::nifti),
    ("png_jpeg", targets::png_jpeg),
    ("npy", targets::npy),
    ("safetensors", targets::safetensors),
    ("weights", targets::weights),
    ("raw", targets::raw),
    ("request", targets::request),
    ("oip", targets::oip),
    ("manifest", targets::manifest),
    ("calibration", targets::calibration),
    ("settings", targets::settings),
    ("tokens", targets::tokens),
    ("certificate", targets::certificate),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn every_target_is_replayed_and_has_a_corpus() {
    let here: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let files = names(&fuzz().join("fuzz_targets"));
    let files: BTreeSet<String> = files
        .iter()
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    assert_eq!(here, files);
    for name in &here {
        assert!(
            names(&fuzz().join("seeds").join(name)).len() >= 3,
            "{name} has too few seeds"
        );
    }
}

#[test]
fn no_target_fails_on_its_corpus() {
    for (name, target) in TARGETS {
        let folder = fuzz().join("seeds").join(name);
        for file in names(&folder) {
            let bytes = std::fs::read(folder.join(&file)).unwrap();
            // Which one it was, where it panics.
            println!("{name}/{file}");
            target(&bytes);
        }
    }
}

/// Deterministic mutations: truncated, and with bytes changed.
#[test]
fn no_target_fails_on_its_corrupted_corpus() {
    for (name, target) in TARGETS {
        let folder = fuzz().join("seeds").join(name);
        for file in names(&folder) {
            let bytes = std::fs::read(folder.join(&file)).unwrap();
            println!("{name}/{file}, corrupted");
            for part in 0..8 {
                target(&bytes[..bytes.len() * part / 8]);
            }
            let mut state = bytes.len() as u64 + 1;
            for _ in 0..64 {
                let mut corrupted = bytes.clone();
                for _ in 0..3 {
                    state = state
                        .wrapping_mul(6364136223846793005)
                        .wrapping_add(1442695040888963407);
                    // Most of what steers a parser stands near the beginning.
                    let reach = if state & 1 == 0 {
                        corrupted.len()
                    } else {
                        corrupted.len().min(400)
                    };
                    if reach > 0 {
                        let place = (state >> 33) as usize % reach;
                        corrupted[place] = (state >> 24) as u8;
                    }
                }
                target(&corrupted);
            }
        }
    }
}
