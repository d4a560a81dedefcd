//! The metrics, as Prometheus reads them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use sagate::engine::Observer;
use sagate::proto::Rpc;
use sagate::telemetry::Telemetry;
use sagate_core::executor::{ModelId, ModelSpec};
use sagate_core::gate::Reason;
use sagate_core::model::Model;
use tonic::Code;
use tonic::metadata::MetadataMap;

use crate::telemetry_rig::{Admin, calibrated, decided, everything, families, model, phases, start, value};

const TINY: &str = r#"model="tiny",version="1""#;

fn image(telemetry: &Telemetry, mu: f64, reasons: &[Reason]) {
    let call = telemetry.call(Rpc::Segment, &MetadataMap::new());
    let mut image = call.image();
    image.model(&model());
    image.decided(decided(mu, reasons));
    call.finish(Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_over_http() {
    let telemetry = start("");
    let admin = Admin::start(telemetry.clone()).await;
    everything(&telemetry);
    let (status, head, text) = admin.get("/metrics");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let is =
        |series: &str, expected: f64| assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");

    is(r#"sagate_requests_total{code="OK",method="GetModel"}"#, 1.0);
    is(r#"sagate_requests_total{code="OK",method="SegmentStream"}"#, 2.0);
    is(
        r#"sagate_request_duration_seconds_count{code="OK",method="SegmentStream"}"#,
        2.0,
    );
    is(r#"sagate_requests_in_flight{method="SegmentStream"}"#, 0.0);
    is(
        r#"sagate_images_total{model="tiny",outcome="accept",version="1"}"#,
        1.0,
    );
    is(
        r#"sagate_images_total{model="tiny",outcome="reject",version="1"}"#,
        1.0,
    );
    is(
        r#"sagate_images_total{model="tiny",outcome="resource_exhausted",version="1"}"#,
        1.0,
    );
    for reason in Reason::ALL {
        is(
            &format!(r#"sagate_rejected_images_total{{model="tiny",reason="{reason}",version="1"}}"#),
            1.0,
        );
    }
    is(&format!("sagate_pixels_total{{{TINY}}}"), 2000.0);
    is(
        r#"sagate_phase_duration_seconds_count{model="tiny",phase="forward",version="1"}"#,
        3.0,
    );
    is(&format!(r#"sagate_mu_bucket{{{TINY},le="0.05"}}"#), 1.0);
    is(&format!(r#"sagate_mu_bucket{{{TINY},le="0.75"}}"#), 1.0);
    is(&format!(r#"sagate_mu_bucket{{{TINY},le="0.8"}}"#), 2.0);
    is(&format!("sagate_mu_sum{{{TINY}}}"), 0.8);
    for (score, sum) in [("soft_dice", 1.2), ("object", 1.8), ("quality", 1.4)] {
        let labels = format!(r#"model="tiny",score="{score}",version="1""#);
        is(&format!("sagate_confidence_count{{{labels}}}"), 2.0);
        is(&format!("sagate_confidence_sum{{{labels}}}"), sum);
    }
    is(&format!("sagate_accepted_ratio{{{TINY}}}"), 0.5);
    is(&format!("sagate_coverage_ratio{{{TINY}}}"), 0.9);
    is(&format!("sagate_qc_ratio{{{TINY}}}"), 0.25);
    is(&format!("sagate_queue_entries{{{TINY}}}"), 3.0);
    is(&format!("sagate_queue_bytes{{{TINY}}}"), 4096.0);
    is("sagate_queue_entries_limit", 256.0);
    is("sagate_queue_bytes_limit", (1u64 << 30) as f64);
    // mu was 0.8 and 0, the calibration's is 0.7 and 0.8: half of the images lie below all of it.
    is(&format!("sagate_mu_drift_ratio{{{TINY}}}"), 0.5);
    is(&format!("sagate_mu_drift_critical_ratio{{{TINY}}}"), 1.0);
    is(&format!("sagate_batch_images_sum{{{TINY}}}"), 2.0);
    is(&format!("sagate_forward_seconds_total{{{TINY}}}"), 0.03);
    is(&format!("sagate_qc_seconds_total{{{TINY}}}"), 0.01);
    is(&format!("sagate_sam_seconds_total{{{TINY}}}"), 0.5);
    is(&format!("sagate_model_ready{{{TINY}}}"), 1.0);
    is(&format!("sagate_model_restarts_total{{{TINY}}}"), 1.0);
    is(&format!("sagate_model_instances{{{TINY}}}"), 2.0);
    is(&format!("sagate_model_instances_ready{{{TINY}}}"), 1.0);
    is("sagate_required_model_ready{model=\"tiny\"}", 1.0);

    let at_least = |series: &str, least: f64| assert!(value(&text, series).unwrap() >= least, "{series}");
    at_least("process_resident_memory_bytes", 1e6);
    at_least("process_open_fds", 3.0);
    at_least("process_max_fds", 64.0);
    at_least("process_threads", 2.0);
    at_least("process_cpu_seconds_total", 0.0);
    at_least("process_start_time_seconds", 1.7e9);
    at_least("sagate_runtime_tasks", 1.0);
    admin.stop().await;
}

#[tokio::test]
async fn what_was_taken_away_on_purpose_has_no_series() {
    // Observed metrics disappear; the SDK keeps recorded ones.
    const OBSERVED: [&str; 12] = [
        "sagate_accepted_ratio",
        "sagate_coverage_ratio",
        "sagate_qc_ratio",
        "sagate_queue_entries",
        "sagate_queue_bytes",
        "sagate_model_ready",
        "sagate_model_instances",
        "sagate_model_instances_ready",
        "sagate_model_restarts_total",
        "sagate_forward_seconds_total",
        "sagate_qc_seconds_total",
        "sagate_sam_seconds_total",
    ];
    let telemetry = start("");
    everything(&telemetry);
    let seen = |series: &str| value(&telemetry.render().unwrap(), &format!("{series}{{{TINY}}}"));
    for series in OBSERVED {
        assert!(seen(series).is_some(), "{series} is not there at first");
    }
    telemetry.unloaded(&model());
    for series in OBSERVED {
        assert_eq!(seen(series), None, "{series}");
    }
    // A reload keeps the counts.
    let dir = tempfile::tempdir().unwrap();
    let folder = crate::tiny_model::write(dir.path(), 1, vec![], &[0.7]);
    let contract = ModelSpec::new(&Model::open(&folder).unwrap()).unwrap();
    telemetry.loaded(&contract);
    telemetry.ready(&model(), true);
    for series in OBSERVED {
        assert!(seen(series).is_some(), "{series} does not come again");
    }
    assert_eq!(seen("sagate_model_restarts_total"), Some(1.0));
}

#[tokio::test]
async fn promtool_has_nothing_to_say() {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/promtool");
    let promtool = if ours.exists() { ours } else { "promtool".into() };
    let telemetry = start("");
    everything(&telemetry);
    let child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool is missing: `make prometheus` gets it, as `make test` does");
    let text = telemetry.render().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[tokio::test]
async fn without_a_decision_counters_begin_at_zero_and_shares_are_absent() {
    let telemetry = start("");
    let text = telemetry.render().unwrap();
    assert_eq!(
        value(
            &text,
            r#"sagate_images_total{model="tiny",outcome="accept",version="1"}"#
        ),
        Some(0.0)
    );
    assert_eq!(value(&text, &format!("sagate_model_ready{{{TINY}}}")), Some(0.0));
    for absent in [
        "sagate_accepted_ratio",
        "sagate_coverage_ratio",
        "sagate_qc_ratio",
    ] {
        assert!(!families(&text).contains_key(absent), "{absent}");
    }
    // The request gave a threshold, so there is no coverage.
    let call = telemetry.call(Rpc::Segment, &MetadataMap::new());
    let mut image = call.image();
    image.model(&model());
    let mut by_threshold = decided(0.7, &[]);
    by_threshold.coverage = None;
    image.decided(by_threshold);
    let text = telemetry.render().unwrap();
    assert_eq!(
        value(&text, &format!("sagate_accepted_ratio{{{TINY}}}")),
        Some(1.0)
    );
    assert!(!families(&text).contains_key("sagate_coverage_ratio"));
}

#[tokio::test]
async fn what_is_dropped_was_cancelled() {
    let telemetry = start("");
    let call = telemetry.call(Rpc::Interpret, &MetadataMap::new());
    let mut image = call.image();
    image.model(&model());
    assert_eq!(telemetry.in_flight(), 1);
    let text = telemetry.render().unwrap();
    assert_eq!(
        value(&text, r#"sagate_requests_in_flight{method="Interpret"}"#),
        Some(1.0)
    );
    drop(call);
    drop(image);
    let text = telemetry.render().unwrap();
    assert_eq!(
        value(&text, r#"sagate_requests_in_flight{method="Interpret"}"#),
        Some(0.0)
    );
    assert_eq!(
        value(
            &text,
            r#"sagate_requests_total{code="CANCELLED",method="Interpret"}"#
        ),
        Some(1.0)
    );
    assert_eq!(
        value(
            &text,
            r#"sagate_images_total{model="tiny",outcome="cancelled",version="1"}"#
        ),
        Some(1.0)
    );
    assert_eq!(telemetry.counts(&model()).failed, 1);
    assert_eq!(telemetry.in_flight(), 0);
}

/// Labels are limited to the served models and `unknown`, whatever callers send.
#[tokio::test]
async fn a_caller_cannot_add_labels() {
    let telemetry = start("");
    let lines = |text: String| text.lines().count();
    let made_up = |number: u32| {
        let model = ModelId {
            name: format!("tiny\"}} 1\nevil{number}"),
            version: number,
        };
        let call = telemetry.call(Rpc::Segment, &MetadataMap::new());
        let mut image = call.image();
        image.model(&model);
        image.failed(Code::NotFound, "NO_SUCH_MODEL", phases());
        call.image().failed(Code::InvalidArgument, "BAD_IMAGE", phases());
        call.finish(Code::NotFound);
        Observer::queue(&telemetry, &model, 1, 1);
        telemetry.batch_begins(&model, 1);
        telemetry.ready(&model, true);
    };
    made_up(0);
    let once = lines(telemetry.render().unwrap());
    (1..1000).for_each(made_up);
    let text = telemetry.render().unwrap();
    assert!(!text.contains("evil"));
    assert_eq!(
        value(
            &text,
            r#"sagate_images_total{model="unknown",outcome="not_found",version="unknown"}"#
        ),
        Some(1000.0)
    );
    assert_eq!(lines(text), once);
}

/// A score that is not finite is counted, but left out of the means.
#[tokio::test]
async fn a_score_that_is_no_number() {
    let telemetry = start("");
    image(&telemetry, f64::NAN, &[Reason::NotFinite]);
    image(&telemetry, 0.6, &[]);
    let text = telemetry.render().unwrap();
    assert_eq!(value(&text, &format!("sagate_mu_count{{{TINY}}}")), Some(1.0));
    assert!(!text.contains("NaN"));
    let window = telemetry.window(&model());
    assert_eq!((window.images, window.mean_mu), (2, Some(0.6)));
    let counts = telemetry.counts(&model());
    assert_eq!((counts.accepted, counts.rejected, counts.failed), (1, 1, 0));
}

/// Images like the calibration's show no drift, others do, and without a calibration there is no drift metric.
#[tokio::test]
async fn mu_drifts_from_the_calibration() {
    let calibration: Vec<f64> = (0..200)
        .map(|index| 0.6 + 0.3 * f64::from(index) / 200.0)
        .collect();
    let drift = |telemetry: &Telemetry| {
        let text = telemetry.render().unwrap();
        let of = |name: &str| value(&text, &format!("{name}{{{TINY}}}"));
        of("sagate_mu_drift_ratio").zip(of("sagate_mu_drift_critical_ratio"))
    };
    let alike = calibrated("", &calibration);
    assert_eq!(drift(&alike), None);
    calibration
        .iter()
        .step_by(2)
        .for_each(|&mu| image(&alike, mu, &[]));
    let (distance, usual) = drift(&alike).unwrap();
    assert!(distance < usual && usual < 0.2, "{distance} {usual}");

    let other = calibrated("", &calibration);
    calibration.iter().for_each(|&mu| image(&other, mu - 0.15, &[]));
    let (distance, usual) = drift(&other).unwrap();
    assert!(distance > 2.0 * usual && distance <= 0.5, "{distance} {usual}");

    let uncalibrated = calibrated("", &[]);
    image(&uncalibrated, 0.7, &[]);
    assert_eq!(drift(&uncalibrated), None);
}
