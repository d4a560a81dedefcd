//! `sagate loadtest` against the real server, and against a fake server that misbehaves on demand.
//!
//! What would break: a stall that hides in the percentiles because no request was sent meanwhile, a refusal or a late answer that counts as
//! good, a request that is sent twice, a load above the requested one, a result that Ctrl-C loses.

#![allow(clippy::print_stdout, reason = "numbers for whoever runs it")]

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/fake_service/mod.rs"]
mod fake_service;
#[path = "support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::fs;
use std::process::Command;
use std::time::Duration;

use binary::{Ended, Place, finish, wait};
use fake_service::{Behaviour, Fake};
use roxmltree::Document;
use serde_json::Value;
use server::{Server, serve};

const CALIBRATION: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

fn command(place: &Place, url: &str, arguments: &[&str]) -> Command {
    place.bare(&[&["loadtest", "--server", url, "--json"], arguments].concat())
}

fn run(place: &Place, url: &str, arguments: &[&str]) -> (Value, i32) {
    let ended = finish(&mut command(place, url, arguments));
    (report(&ended), ended.code)
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {ended:?}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_mix_of_kinds_on_the_real_server() {
    let place = Place::new(1, &CALIBRATION);
    let server = serve(&place, &[("AUTH__ANONYMOUS", "infer,interpret,urgent")], &[]);
    place.picture("scans/one.png", 1, 40, 48);
    place.picture("scans/two.png", 2, 40, 48);
    place.write(
        "mix.toml",
        br#"
            [[kind]]
            name = "looks"
            call = "interpret"
            share = 0.5
            size = "32x48"

            [[kind]]
            name = "scans"
            images = "scans"
            model = "tiny@1"
            deadline = 100
        "#,
    );
    let (report, code) = run(
        &place,
        &server.url(),
        &[
            "--in-flight",
            "3",
            "--requests",
            "60",
            "--warm-up",
            "0",
            "--mix",
            "mix.toml",
            "--kind",
            "size=64x64,count=3,share=2,priority=urgent",
            "--out",
            "out",
        ],
    );
    assert_eq!(code, 0);
    assert_eq!(
        (&report["ended_by"], &report["sent"]),
        (&"requests".into(), &60.into())
    );
    let all = &report["all"];
    assert_eq!(all["codes"], serde_json::json!({"OK": 60}));
    assert_eq!(number(&all["accepted"]) + number(&all["rejected"]), 60);
    // The same image has the same answer, whatever it was batched with.
    assert_eq!(
        (
            number(&all["inconsistent_responses"]),
            number(&all["invalid_responses"])
        ),
        (0, 0)
    );
    assert_eq!(number(&all["in_time"]), 60);
    let kinds = report["kinds"].as_array().unwrap();
    let names: Vec<&str> = kinds.iter().map(|kind| kind["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["segment 64x64 urgent", "looks", "scans"]);
    let mut requests = 0;
    for kind in kinds {
        assert_eq!(kind["model"], "tiny@1");
        assert!(number(&kind["requests"]) > 0, "{kind}");
        requests += number(&kind["requests"]);
    }
    assert_eq!(requests, 60);
    let images: Vec<u64> = kinds.iter().map(|kind| number(&kind["images"])).collect();
    assert_eq!(images, [3, 4, 2]);
    // 4 bytes a pixel, and a little around them.
    let scans = &kinds[2];
    let each = number(&scans["sent_bytes"]) / number(&scans["requests"]);
    assert!((40 * 48 * 4..40 * 48 * 4 + 200).contains(&each), "{each}");
    // Every layer's map comes back of an interpretation.
    let looks = &kinds[1];
    assert!(number(&looks["received_bytes"]) > number(&looks["requests"]) * 18 * 32 * 48);

    let written: Value = serde_json::from_slice(&fs::read(place.path("out/report.json")).unwrap()).unwrap();
    assert_eq!(written, report);
    for plot in ["latency.svg", "rates.svg", "course.svg"] {
        let svg = fs::read_to_string(place.path("out").join(plot)).unwrap();
        let document = Document::parse(&svg).unwrap();
        let curves = document
            .descendants()
            .filter(|it| it.has_tag_name("polyline") || it.has_tag_name("path"));
        assert!(
            curves.count() > 0 || svg.contains("<circle"),
            "{plot} shows nothing"
        );
    }
    // Every request was counted by the server, too: one for each kind was asked before the load.
    let served = server.metric(r#"sagate_images_total{model="tiny",outcome="accept",version="1"}"#)
        + server.metric(r#"sagate_images_total{model="tiny",outcome="reject",version="1"}"#)
        + server.metric(r#"sagate_images_total{model="tiny",outcome="cancelled",version="1"}"#);
    assert_eq!(served, 63.0);
    assert_eq!(server.stop().code, 0);
}

#[test]
fn for_people_there_are_tables() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour::default());
    let arguments = [
        "loadtest",
        "--server",
        &fake.url,
        "--rate",
        "200",
        "--seconds",
        "1",
        "--warm-up",
        "0",
    ];
    let ended = finish(&mut place.bare(&arguments));
    assert_eq!(ended.code, 0, "{ended:?}");
    for words in [
        "open loop, 200 requests/s",
        "Poisson",
        "codes     OK",
        "ACCEPT",
        "p99.9",
        "due",
        "sent",
        "(sagate fake)",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

/// A stall of one second shows in full in the percentiles of an open loop.
#[test]
fn a_stall_cannot_hide_in_an_open_loop() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour {
        stalls: Some([Duration::from_secs(1), Duration::from_secs(2)]),
        ..Behaviour::default()
    });
    let (report, _) = run(
        &place,
        &fake.url,
        &[
            "--rate",
            "100",
            "--arrivals",
            "even",
            "--seconds",
            "3",
            "--warm-up",
            "0",
            "--kind",
            "size=8x8",
        ],
    );
    let all = &report["all"];
    let sent = number(&report["sent"]);
    assert!((295..=300).contains(&sent), "{sent}");
    assert_eq!(number(&all["requests"]), sent);
    // A third of the requests came within the stall and waited half a second of it on the average.
    assert!(all["latency"]["p90_ms"].as_f64().unwrap() > 300.0, "{all}");
    let longest = all["latency"]["max_ms"].as_f64().unwrap();
    assert!(longest > 900.0, "{longest}");
}

/// In a closed loop the stall is one slow request; the correction adds the latencies that an independent client would have seen.
#[test]
fn a_closed_loop_is_corrected_for_what_it_did_not_ask() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour {
        takes: Duration::from_millis(5),
        stalls: Some([Duration::from_secs(1), Duration::from_secs(2)]),
        ..Behaviour::default()
    });
    let (report, _) = run(
        &place,
        &fake.url,
        &[
            "--in-flight",
            "1",
            "--seconds",
            "3",
            "--warm-up",
            "0",
            "--kind",
            "size=8x8",
        ],
    );
    let (corrected, measured) = (&report["all"]["latency"], &report["all"]["latency_from_sending"]);
    let of = |latency: &Value, what: &str| latency[what].as_f64().unwrap();
    assert_eq!(number(&measured["count"]), number(&report["sent"]));
    assert!(of(corrected, "count") > of(measured, "count"), "{report}");
    assert!(of(corrected, "p99_ms") > 500.0, "{report}");
    assert!(of(corrected, "p90_ms") > of(measured, "p90_ms"), "{report}");
}

#[test]
fn refusals_are_counted_and_nothing_is_asked_again() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour {
        refuses_every: Some(4),
        ..Behaviour::default()
    });
    let (report, code) = run(
        &place,
        &fake.url,
        &[
            "--in-flight",
            "2",
            "--requests",
            "199",
            "--warm-up",
            "0",
            "--kind",
            "size=8x8",
        ],
    );
    assert_eq!(code, 0);
    // The first of the 200 was asked before the load.
    assert_eq!(fake.segmentations(), 200);
    let all = &report["all"];
    assert_eq!(
        all["codes"],
        serde_json::json!({"OK": 149, "RESOURCE_EXHAUSTED": 50})
    );
    assert_eq!((number(&all["accepted"]), number(&all["in_time"])), (149, 149));
    assert_eq!(
        number(&all["latency"]["count"]).max(149),
        number(&all["latency"]["count"])
    );
    assert_eq!(number(&all["latency_of_refusals"]["count"]), 50);
}

#[test]
fn an_answer_that_comes_too_late_is_no_good() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour {
        takes: Duration::from_millis(400),
        ..Behaviour::default()
    });
    let (report, code) = run(
        &place,
        &fake.url,
        &[
            "--in-flight",
            "2",
            "--requests",
            "6",
            "--warm-up",
            "0",
            "--kind",
            "size=8x8,deadline=0.05",
        ],
    );
    let all = &report["all"];
    assert_eq!(all["codes"], serde_json::json!({"DEADLINE_EXCEEDED": 6}));
    assert_eq!((number(&all["client_timeouts"]), number(&all["in_time"])), (6, 0));
    assert_eq!(fake.timeouts(), 6, "the server is told the deadline");
    assert_eq!(code, 1, "nothing was answered");
}

#[test]
fn answers_that_change_are_told() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour {
        fickle: true,
        ..Behaviour::default()
    });
    let (report, _) = run(
        &place,
        &fake.url,
        &[
            "--in-flight",
            "1",
            "--requests",
            "10",
            "--warm-up",
            "0",
            "--kind",
            "size=8x8,count=1",
        ],
    );
    assert_eq!(number(&report["all"]["inconsistent_responses"]), 9);
}

/// A simulation with the same seed has the same arrivals.
#[test]
fn a_simulation_has_the_same_arrivals() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour::default());
    let load = ["--rate", "400", "--seconds", "2", "--warm-up", "0", "--seed", "3"];
    let (report, _) = run(&place, &fake.url, &[&load[..], &["--kind", "size=8x8"]].concat());
    let due = number(&report["sent"]) + number(&report["not_sent"]);
    let (simulated, _) = place.json(&[&["simulate", "--service", "0.001"], &load[..]].concat());
    // The last moments of a test are cut.
    let apart = number(&simulated["sent"]).abs_diff(due);
    assert!(apart <= 3, "{simulated} for {due}");
}

#[test]
fn what_is_due_while_too_many_are_on_their_way_is_counted() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour {
        takes: Duration::from_millis(500),
        ..Behaviour::default()
    });
    let (report, _) = run(
        &place,
        &fake.url,
        &[
            "--rate",
            "50",
            "--arrivals",
            "even",
            "--seconds",
            "1",
            "--warm-up",
            "0",
            "--max-in-flight",
            "5",
            "--kind",
            "size=8x8",
        ],
    );
    let (sent, not_sent) = (number(&report["sent"]), number(&report["not_sent"]));
    assert!((5..=15).contains(&sent), "{sent}");
    assert!((49..=50).contains(&(sent + not_sent)), "{sent} {not_sent}");
    assert_eq!(number(&report["unfinished"]), 0);
}

#[test]
fn ctrl_c_ends_it_with_the_result_so_far() {
    let place = Place::new(1, &CALIBRATION);
    for (signal, pace) in [("INT", ["--rate", "50"]), ("TERM", ["--in-flight", "2"])] {
        let fake = Fake::start(Behaviour {
            takes: Duration::from_millis(10),
            ..Behaviour::default()
        });
        let more = ["--seconds", "600", "--warm-up", "0", "--kind", "size=8x8"];
        let mut child = command(&place, &fake.url, &[&pace[..], &more].concat())
            .spawn()
            .unwrap();
        while fake.segmentations() < 10 {
            std::thread::sleep(Duration::from_millis(10));
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        }
        let sent = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        assert_eq!(wait(&mut child), 0);
        let output = child.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["ended_by"], "signal");
        assert!(number(&report["all"]["codes"]["OK"]) >= 1, "{report}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new(1, &CALIBRATION);
    let fake = Fake::start(Behaviour::default());
    let bare = |arguments: &[&str]| finish(&mut place.bare(&[&["loadtest"], arguments].concat()));
    let server = ["--server", &*fake.url];
    let refused = |arguments: &[&str], words: &[&str]| {
        let ended = bare(&[&server, arguments].concat());
        ended.assert_refused(2, words);
    };
    // clap's own words.
    for arguments in [
        &["--rate", "1"][..],
        &server,
        &[&server[..], &["--rate", "1", "--in-flight", "1"]].concat(),
    ] {
        let ended = bare(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
    }
    refused(&["--rate", "0"], &["--rate is 0", "from 0.001 to 100000"]);
    refused(&["--in-flight", "0"], &["--in-flight is 0", "from 1 to 65536"]);
    refused(
        &["--rate", "1", "--connections", "0"],
        &["--connections is 0", "from 1 to 1024"],
    );
    refused(
        &["--rate", "1", "--seconds", "5", "--warm-up", "5"],
        &["--warm-up is 5", "less than --seconds (5)"],
    );
    refused(&["--rate", "1", "--requests", "0"], &["--requests is 0"]);
    let kind = |kind: &str, words: &[&str]| refused(&["--rate", "1", "--kind", kind], words);
    kind("size", &["--kind size", "`size` is not KEY=VALUE"]);
    kind("speed=3", &["--kind speed=3", "unknown field `speed`", "`share`"]);
    kind("share=0", &["share is 0", "above 0"]);
    kind("size=20", &["size is \"20\"", "HEIGHTxWIDTH"]);
    kind("deadline=0", &["deadline is 0", "from 0.001 to 3600"]);
    kind("call=guess", &["unknown variant `guess`", "`interpret`"]);
    kind(
        "coverage=0.5,threshold=0.5",
        &["coverage and threshold are both given"],
    );
    kind("images=scans,size=8x8", &["images and size are both given"]);
    refused(
        &["--rate", "1", "--kind", "share=1", "--kind", "share=2"],
        &["two kinds are called \"segment 256x256\""],
    );
    place.write("mix.toml", b"[[kind]]\nsize = \"8x8\"\n[[kind]]\nshare = -1\n");
    refused(
        &["--rate", "1", "--mix", "mix.toml"],
        &["mix.toml", "kind 2", "share is -1"],
    );
    place.write("mix.toml", b"[[kind]]\nspeed = 3\n");
    refused(
        &["--rate", "1", "--mix", "mix.toml"],
        &["mix.toml: line 2: unknown field `speed`"],
    );
}

/// Requests that the server always refuses are reported before the load.
#[test]
fn a_kind_that_the_server_refuses_is_told_at_once() {
    let place = Place::new(1, &CALIBRATION);
    let server = Server::start(&place, &[]);
    let refused = |kind: &str, code: i32, words: &[&str]| {
        let arguments = [
            "loadtest",
            "--server",
            &server.url(),
            "--rate",
            "1",
            "--kind",
            kind,
        ];
        finish(&mut place.bare(&arguments)).assert_refused(code, words);
    };
    refused("coverage=2", 2, &["segment 256x256", "options.coverage"]);
    refused("model=other", 1, &["segment other 256x256", "other"]);
    refused("images=nowhere.png", 1, &["nowhere.png"]);
    assert_eq!(server.stop().code, 0);
    let ended = finish(&mut place.bare(&["loadtest", "--server", "http://127.0.0.1:9", "--rate", "1"]));
    ended.assert_refused(1, &["no server answers at http://127.0.0.1:9"]);
}

/// Prints the throughput against a server without work: a lower bound of what the load test can send.
#[test]
#[ignore = "prints figures, for a quiet machine"]
fn the_load_test_is_not_what_limits() {
    let place = Place::new(1, &CALIBRATION);
    let server = Server::start(&place, &[]);
    let fake = Fake::start(Behaviour::default());
    let arguments = [
        "--in-flight",
        "16",
        "--seconds",
        "6",
        "--warm-up",
        "1",
        "--kind",
        "size=256x256",
    ];
    let rate = |url: &str| {
        run(&place, url, &arguments).0["all"]["answered_per_second"]
            .as_f64()
            .unwrap()
    };
    let mut ratios: Vec<f64> = (0..5).map(|_| rate(&fake.url) / rate(&server.url())).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "answers a second of a server that answers at once, against a real one with a network of 4 base channels: {:.1}",
        ratios[2]
    );
    let (report, _) = run(
        &place,
        &fake.url,
        &[
            "--rate",
            "200",
            "--seconds",
            "6",
            "--warm-up",
            "1",
            "--kind",
            "size=256x256",
        ],
    );
    println!(
        "an open loop at 200 requests a second: late {}, cores {}",
        report["generator"]["send_lag"], report["generator"]["cores"]
    );
}
