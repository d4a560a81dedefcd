//! `sagate doctor` on a good installation and on broken ones.
//!
//! What would break: a broken installation that passes, a good one that fails, advice without an action.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, SystemTime};

use crate::binary::{Ended, Place, finish};
use crate::server::Server;
use serde_json::Value;

/// Ports that are free: the machine may have a sagate on the usual ones.
const FREE: [(&str, &str); 2] = [
    ("SAGATE__SERVER__LISTEN", "127.0.0.1:0"),
    ("SAGATE__SERVER__ADMIN", "127.0.0.1:0"),
];

fn doctor(place: &Place, settings: &[(&str, &str)]) -> (Value, i32) {
    let mut command = place.command(&["doctor", "--json"]);
    for (name, value) in FREE.iter().chain(settings) {
        command.env(name, value);
    }
    let ended = finish(&mut command);
    let report =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {ended:?}"));
    (report, ended.code)
}

/// Says that beyond loopback no encryption is wanted.
const INSECURE: (&str, &str) = ("SAGATE__SERVER__INSECURE", "true");

/// A finding: state, text and fix.
#[track_caller]
fn about<'a>(report: &'a Value, about: &str) -> (&'a str, &'a str, &'a str) {
    let findings = report["findings"].as_array().unwrap();
    let of: Vec<&Value> = findings.iter().filter(|it| it["about"] == about).collect();
    // What is wrong says more than what is fine.
    let worst = of.iter().copied().max_by_key(|it| match it["state"].as_str() {
        Some("wrong") => 2,
        Some("note") => 1,
        _ => 0,
    });
    let worst = worst.unwrap_or_else(|| panic!("nothing about {about}: {report:#}"));
    let word = |key: &str| worst[key].as_str().unwrap_or_default();
    (word("state"), word("found"), word("fix"))
}

/// Wrong, in these words, with this advice, and the exit code says so.
#[track_caller]
fn assert_wrong((report, code): &(Value, i32), what: &str, found: &str, fix: &str) {
    let (state, words, advice) = about(report, what);
    assert_eq!(state, "wrong", "{what}: {words}");
    assert!(words.contains(found), "{what}: `{words}` lacks `{found}`");
    assert!(advice.contains(fix), "{what}: `{advice}` lacks `{fix}`");
    assert!(report["wrong"].as_u64().unwrap() >= 1);
    assert_eq!(*code, 1);
}

fn place() -> Place {
    Place::new(1, &[0.1, 0.3, 0.5, 0.7, 0.9])
}

#[test]
fn a_good_installation() {
    let place = place();
    let (report, code) = doctor(&place, &[]);
    assert_eq!((code, &report["wrong"]), (0, &0.into()), "{report:#}");
    for what in [
        "settings",
        "libtorch",
        "device",
        "server.listen",
        "server.admin",
        "exposure",
    ] {
        assert_eq!(about(&report, what).0, "fine", "{report:#}");
    }
    let findings = report["findings"].as_array().unwrap();
    let works = findings
        .iter()
        .find(|it| it["found"].as_str().unwrap().contains("segments an image"));
    assert_eq!(works.unwrap()["about"], "model tiny@1");
    // Whatever is not fine says what to do; what is fine does not.
    for finding in findings {
        assert_eq!(finding["state"] == "fine", finding["fix"].is_null(), "{finding}");
    }
    let ended: Ended = finish(
        place
            .command(&["doctor"])
            .env(FREE[0].0, FREE[0].1)
            .env(FREE[1].0, FREE[1].1),
    );
    assert_eq!(ended.code, 0);
    assert!(
        ended.stdout.contains("fine   model tiny@1: whole, calibrated"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("0 wrong"), "{}", ended.stdout);
}

#[test]
fn broken_settings_are_a_finding_like_others() {
    let place = place();
    let file = place.write("wrong.toml", b"[engine]\nmax_batch = -1\n");
    let ended = finish(
        place
            .command(&["doctor", "--json", "--config", &file])
            .env("NOTHING", ""),
    );
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let seen = (report, ended.code);
    assert_wrong(&seen, "settings", "engine.max_batch", "sagate config check");
    // Independent checks still run.
    assert_eq!(about(&seen.0, "libtorch").0, "fine");
}

#[test]
fn broken_models() {
    // One that was changed after it was written.
    let changed = place();
    let weights = changed.path("models/tiny/1/weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert_wrong(
        &doctor(&changed, &[]),
        "model tiny@1",
        "weights.safetensors",
        "put the folder back",
    );

    // One without a calibration: it works, and rejects everything.
    let uncalibrated = Place::new(1, &[]);
    let (report, code) = doctor(&uncalibrated, &[]);
    assert_eq!(
        (about(&report, "model tiny@1").0, code),
        ("note", 0),
        "{report:#}"
    );
    assert!(about(&report, "model tiny@1").1.contains("NOT_CALIBRATED"));

    // None.
    let empty = place();
    fs::remove_dir_all(empty.path("models/tiny")).unwrap();
    let seen = doctor(&empty, &[]);
    assert_wrong(&seen, "models", "there is none in", "models.dir");
    assert_wrong(&seen, "default model", "tiny", "models.default");

    // No folder.
    let nowhere = place();
    fs::remove_dir_all(nowhere.path("models")).unwrap();
    assert_wrong(&doctor(&nowhere, &[]), "models", "models", "models.dir");

    // Another default than those that are there.
    let other = place();
    let mut command = other.bare(&[
        "doctor",
        "--json",
        "--models",
        "models",
        "--model",
        "tiny@7",
        "--threads",
        "1",
    ]);
    let ended = finish(command.env(FREE[0].0, FREE[0].1).env(FREE[1].0, FREE[1].1));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_wrong(&(report, ended.code), "default model", "tiny", "models.default");
}

#[test]
fn ports() {
    let place = place();
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = stranger.local_addr().unwrap().to_string();
    // It accepts connections and never answers.
    let seen = doctor(&place, &[("SAGATE__SERVER__LISTEN", &held)]);
    assert_wrong(
        &seen,
        "server.listen",
        "held by something that is no sagate",
        "ss -ltnp",
    );
    let seen = doctor(&place, &[("SAGATE__SERVER__ADMIN", &held)]);
    assert_wrong(
        &seen,
        "server.admin",
        "held by something that is no sagate",
        "server.admin",
    );
    let seen = doctor(&place, &[("SAGATE__SERVER__LISTEN", "192.0.2.1:50051"), INSECURE]);
    assert_wrong(&seen, "server.listen", "no such address", "ip address");

    let server = Server::start(&place, &[]);
    let (url, admin) = (server.url(), server.admin());
    let running = [
        ("SAGATE__SERVER__LISTEN", url.strip_prefix("http://").unwrap()),
        ("SAGATE__SERVER__ADMIN", admin.strip_prefix("http://").unwrap()),
    ];
    let (report, code) = doctor(&place, &running);
    assert_eq!(code, 0, "{report:#}");
    for setting in ["server.listen", "server.admin"] {
        let (state, found, _) = about(&report, setting);
        assert!(
            state == "fine" && found.contains("a sagate that answers"),
            "{setting}: {found}"
        );
    }
    assert_eq!(server.stop().code, 0);
}

#[test]
fn what_others_can_reach_is_noted() {
    let place = place();
    let beyond_loopback = ("SAGATE__SERVER__LISTEN", "0.0.0.0:0");
    // Such settings are none without a word for it.
    let seen = doctor(&place, &[beyond_loopback]);
    assert_wrong(&seen, "settings", "without encryption", "sagate.example.toml");
    let (report, code) = doctor(&place, &[beyond_loopback, INSECURE]);
    let (state, found, _) = about(&report, "exposure");
    assert_eq!((state, code), ("note", 0));
    assert!(found.contains("server.listen 0.0.0.0:0"), "{found}");
}

#[test]
fn a_collector_that_is_not_there_is_noted() {
    let place = place();
    let (report, code) = doctor(&place, &[("SAGATE__TELEMETRY__OTLP", "http://127.0.0.1:1")]);
    assert_eq!((about(&report, "collector").0, code), ("note", 0));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (report, _) = doctor(&place, &[("SAGATE__TELEMETRY__OTLP", &url)]);
    assert_eq!(about(&report, "collector").0, "fine");
}

#[test]
fn a_queue_larger_than_the_memory() {
    let seen = doctor(&place(), &[("SAGATE__ENGINE__TOTAL_BYTES", "1000000000000000")]);
    assert_wrong(
        &seen,
        "memory",
        "images that wait and run may take",
        "engine.total_bytes",
    );
}

#[test]
fn more_threads_than_cores_are_noted() {
    let place = place();
    let mut command = place.bare(&[
        "doctor",
        "--json",
        "--models",
        "models",
        "--model",
        "tiny",
        "--threads",
        "1024",
    ]);
    let ended = finish(command.env(FREE[0].0, FREE[0].1).env(FREE[1].0, FREE[1].1));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((about(&report, "threads").0, ended.code), ("note", 0));
}

#[test]
fn a_clock_that_is_behind_the_models() {
    let place = place();
    let file = fs::File::options()
        .write(true)
        .open(place.path("models/tiny/1/manifest.toml"))
        .unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(86_400);
    file.set_modified(ahead).unwrap();
    assert_wrong(&doctor(&place, &[]), "clock", "manifest.toml was written", "NTP");
}

#[test]
fn too_few_file_descriptors() {
    let place = place();
    let program = place.command(&["doctor", "--json"]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(place.path("."))
        .env(FREE[0].0, FREE[0].1)
        .env(FREE[1].0, FREE[1].1)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let ended = finish(&mut limited);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_wrong(&(report, ended.code), "open files", "at most 256", "LimitNOFILE");
}

/// A device that is demanded and is not there, on machines without one.
#[test]
fn a_device_that_is_not_there() {
    if tch::Cuda::is_available() {
        return;
    }
    let seen = doctor(&place(), &[("SAGATE__DEVICE__KIND", "cuda")]);
    assert_wrong(&seen, "device", "device.kind is \"cuda\"", "[device]");
}
