//! The screen of `sagate top`, drawn into a buffer.
//!
//! What would break: a number is not shown, an unreachable server is not reported, or a small window panics.

use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use sagate::cli::top::screen::draw;
use sagate::cli::top::view::View;
use sagate::client::{ModelStatus, ServerStatus};

fn model(name: &str, accepted: u64) -> ModelStatus {
    let mut histogram = vec![0; 20];
    (histogram[13], histogram[16]) = (4, 9);
    ModelStatus {
        model: name.into(),
        ready: true,
        accepted,
        rejected: 45,
        failed: 6,
        queue_entries: 3,
        queue_bytes: 1_234_567,
        images_per_second: 12.345,
        megapixels_per_second: 0.81,
        images: 740,
        mean_mu: Some(0.7123),
        accepted_share: Some(0.934),
        coverage: Some(0.9),
        mu_histogram: histogram,
        p50_seconds: Some(0.0421),
        p99_seconds: None,
    }
}

fn status(models: Vec<ModelStatus>) -> ServerStatus {
    ServerStatus {
        version: "9.8.7".into(),
        uptime_seconds: 3725.0,
        window_seconds: 60.0,
        draining: false,
        in_flight: 4,
        models,
    }
}

fn view() -> View {
    View::new("http://127.0.0.1:50051".into(), Duration::from_secs(1))
}

/// The lines of a window of some size.
fn shown(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal.backend().to_string()
}

#[track_caller]
fn assert_shows(screen: &str, words: &[&str]) {
    for word in words {
        assert!(screen.contains(word), "`{word}` is not on\n{screen}");
    }
}

#[test]
fn every_number_is_there() {
    let mut view = view();
    view.saw(
        status(vec![model("brain@1", 100), model("nuclei@2", 7)]),
        Duration::from_secs(1),
    );
    view.saw(
        status(vec![model("brain@1", 130), model("nuclei@2", 7)]),
        Duration::from_secs(3),
    );
    let screen = shown(&view, 100, 40);
    assert_shows(
        &screen,
        &[
            "sagate 9.8.7 at http://127.0.0.1:50051",
            "up 1 h 2 min",
            "requests in flight 4",
            "window 1 min 0 s",
            "brain@1 ready",
            "nuclei@2 ready",
            "images/s 12.3",
            "megapixels/s 0.81",
            "p50 0.042 s",
            "p99 - s",
            "passed 93 % of 90 % asked for",
            "mean mu 0.712",
            "queue 3, 1.2 MB",
            "130 accepted, 45 rejected, 6 failed",
            "highest 15.0 images/s",
            "mu of 740 images",
            "interval: 1 s",
            "█",
        ],
    );
}

#[test]
fn a_server_that_went_away_is_told_of() {
    let mut view = view();
    assert_shows(&shown(&view, 80, 24), &["connecting"]);
    view.missed("no server answers at http://127.0.0.1:50051: Connection refused".into());
    assert_shows(&shown(&view, 120, 24), &["Connection refused", "trying again"]);
    view.saw(status(vec![model("brain@1", 1)]), Duration::from_secs(1));
    assert!(!shown(&view, 120, 24).contains("refused"));
    view.missed("gone".into());
    assert_shows(
        &shown(&view, 120, 24),
        &["gone; trying again", "is old", "1 accepted"],
    );
    let draining = ServerStatus {
        draining: true,
        ..status(vec![ModelStatus {
            ready: false,
            ..model("brain@1", 1)
        }])
    };
    view.saw(draining, Duration::from_secs(2));
    assert_shows(&shown(&view, 120, 24), &["shutting down", "not ready"]);
}

/// Counters that restart with the server give no negative throughput.
#[test]
fn a_restart_is_no_throughput() {
    let mut view = view();
    for (accepted, second) in [(100, 1), (2, 2), (4, 3)] {
        view.saw(
            status(vec![model("brain@1", accepted)]),
            Duration::from_secs(second),
        );
    }
    assert_eq!(view.throughput["brain@1"], [0, 2000]);
}

#[test]
fn any_window_will_do() {
    let mut full = view();
    full.saw(
        status(vec![model("brain@1", 1), model("nuclei@2", 7)]),
        Duration::from_secs(1),
    );
    full.saw(
        status(vec![model("brain@1", 9), model("nuclei@2", 7)]),
        Duration::from_secs(2),
    );
    let mut bare = view();
    let empty = ModelStatus {
        mu_histogram: vec![],
        ..model("x", 0)
    };
    bare.saw(status(vec![empty]), Duration::from_secs(1));
    for width in [1, 2, 3, 5, 10, 21, 40, 80, 300] {
        for height in [1, 2, 3, 4, 7, 9, 15, 24, 60] {
            for view in [&view(), &full, &bare] {
                shown(view, width, height);
            }
        }
    }
    assert_shows(&shown(&full, 100, 24), &["brain@1", "and 1 more"]);
}

#[test]
fn the_interval_has_steps_and_ends() {
    let mut view = view();
    view.slower();
    assert_eq!(view.interval, Duration::from_secs(2));
    (0..20).for_each(|_| view.slower());
    assert_eq!(view.interval, Duration::from_secs(60));
    (0..20).for_each(|_| view.faster());
    assert_eq!(view.interval, Duration::from_millis(100));
}
