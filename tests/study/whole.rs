//! `sagate study` as a whole, on networks of a channel or two. If these fail, a study that was cut off gives another report than one
//! that was not, or a part of the report is missing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sagate_lab::study::report::without_times;
use sagate_lab::study::results::{PARTS, part};
use sagate_lab::study::{Cache, StepId};

/// The smallest study that has every part.
const SIZES: [&str; 10] = [
    "side=32",
    "images=[10, 8, 6]",
    "base_width=2",
    "epochs=2",
    "members=2",
    "snapshots=2",
    "dropout_passes=2",
    "widest=8",
    "noise=[0.5, 1.0]",
    "draws=40",
];

fn study(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sagate"));
    command
        .args(["--threads", "2", "study", "--profile", "quick", "--out"])
        .arg(out);
    SIZES.iter().for_each(|size| {
        command.args(["--set", size]);
    });
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Every file of a report but those that depend on the clock, with its text or bytes.
fn files(out: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for name in ["report.html", "report.md"] {
        let text = std::fs::read_to_string(out.join(name)).unwrap();
        files.push((name.to_owned(), without_times(&text).into_bytes()));
    }
    for folder in ["tables", "figures"] {
        for entry in std::fs::read_dir(out.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.starts_with("times-") {
                files.push((format!("{folder}/{name}"), std::fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Killed at five random moments and gone on with each time, a study gives the report of one that was never cut off, byte for byte,
/// but for what was timed.
#[test]
fn a_killed_study_goes_on_to_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let since = std::time::Instant::now();
    let output = study(&whole).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seconds = since.elapsed().as_secs_f64();

    let seed: u64 = rand::random();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut kills = 0;
    for _ in 0..5 {
        let mut child = study(&killed).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(seconds * random.gen_range(0.02..0.25)));
        // A study that is complete by then was not killed; there is nothing wrong with that.
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
    }
    assert!(kills > 0, "no kill hit the study under way");
    let output = study(&killed).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (whole, killed) = (files(&whole), files(&killed));
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&whole), names(&killed));
    for ((name, whole), (_, killed)) in whole.iter().zip(&killed) {
        assert!(
            whole == killed,
            "{name} differs (moments of the kills from seed {seed})"
        );
    }
    let (_, page) = whole.iter().find(|(name, _)| name == "report.html").unwrap();
    let page = String::from_utf8_lossy(page);
    for part in PARTS {
        assert!(
            page.contains(&format!("id=\"{part}\"")),
            "the report lacks {part}"
        );
    }
}

/// Two sets come from one step: were it made twice at once, one would read what the other just replaces.
#[test]
fn jobs_that_need_the_same_step_make_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let kept = cache.step(&StepId::new("shared", serde_json::Value::Null), |_| {
                    std::thread::sleep(Duration::from_millis(50));
                    Ok(made.fetch_add(1, Ordering::SeqCst))
                });
                assert_eq!(kept.unwrap().value, 0);
            });
        }
    });
    assert_eq!(made.into_inner(), 1);
}

/// What cannot be is refused with the name of the size, before anything is done.
#[test]
fn sizes_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (setting, named) in [
        ("side=30", "side"),
        ("images=[1, 1, 1]", "images"),
        ("epochs", "key=value"),
        ("breadth=3", "breadth"),
        ("severities=[4]", "severities"),
        ("members=one", "members"),
    ] {
        let out = folder.path().join("out");
        let output = Command::new(env!("CARGO_BIN_EXE_sagate"))
            .args(["study", "--set", setting, "--out"])
            .arg(&out)
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && message.contains(named),
            "{setting}: {message}"
        );
        assert!(!out.exists(), "{setting} began something");
    }
}

/// The paper's numbers name the parts that hold its figures, and what is no part is refused with those there are.
#[test]
fn parts_go_by_the_papers_numbers_too() {
    for name in PARTS {
        assert_eq!(part(name), Some(name));
    }
    assert_eq!(
        ["fig2", "fig5", "fig10", "fig16"].map(part),
        ["fig1", "layers", "correlation", "noise"].map(Some)
    );
    let out = tempfile::tempdir().unwrap();
    let refused = study(out.path())
        .args(["--only", "table2,fig99"])
        .output()
        .unwrap();
    let reported = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(
        reported.contains("fig99") && reported.contains("correlation"),
        "{reported}"
    );
}
