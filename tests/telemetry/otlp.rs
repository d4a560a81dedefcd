//! Export to an OTLP/gRPC collector: child spans of the caller's span, and metrics.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use sagate::proto::Rpc;
use sagate::telemetry::Telemetry;
use sagate::telemetry::phases::Phase;
use sagate_core::executor::ModelId;
use sagate_core::gate::Reason;
use tonic::Code;
use tonic::metadata::MetadataMap;

use crate::authority::Authority;
use crate::binary::{Place, finish, waves_image};
use crate::otlp_collector::{Collector, attributes};
use crate::server::{request, serve, serving, tensor};
use crate::telemetry_rig::{decided, everything, families, model, phases, settings, start};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn headers(traceparent: &str) -> MetadataMap {
    let mut headers = MetadataMap::new();
    headers.insert("traceparent", traceparent.parse().unwrap());
    headers.insert("x-patient", "Jane Doe".parse().unwrap());
    headers
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything that the collector has received after the flush.
async fn sent(telemetry: &Telemetry, collector: &Collector) -> Vec<Span> {
    telemetry.shutdown().await;
    collector.take().spans
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn expect(span: &Span, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> = expected
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect();
    assert_eq!(attributes(&span.attributes), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_its_image_and_six_phases() {
    let (collector, url) = Collector::start().await;
    let telemetry = start(&url);
    let call = telemetry.call(Rpc::Segment, &headers(&format!("00-{TRACE}-{CALLER}-01")));
    let mut image = call.image();
    image.model(&model());
    image.request_id("study-7/slice:3");
    image.image_hash(HASH);
    image.decided(decided(0.25, &[Reason::InputOutOfRange, Reason::BelowThreshold]));
    call.finish(Code::Ok);
    let spans = sent(&telemetry, &collector).await;

    assert_eq!(spans.len(), 8, "{spans:#?}");
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    let call = named(&spans, "sagate.v1.QualityControl/Segment")[0];
    assert_eq!(hex(&call.parent_span_id), CALLER);
    assert_eq!(call.kind, SpanKind::Server as i32);
    expect(
        call,
        &[
            ("rpc.system", "grpc"),
            ("rpc.service", "sagate.v1.QualityControl"),
            ("rpc.method", "Segment"),
            ("rpc.grpc.status_code", "0"),
        ],
    );
    let image = named(&spans, "image")[0];
    assert_eq!(image.parent_span_id, call.span_id);
    expect(
        image,
        &[
            ("sagate.model", "tiny"),
            ("sagate.version", "1"),
            ("sagate.request_id", "study-7/slice:3"),
            ("sagate.image_hash", HASH),
            ("sagate.decision", "REJECT"),
            ("sagate.mu", "0.25"),
            ("sagate.soft_dice_confidence", "0.6"),
            ("sagate.object_confidence", "0.9"),
            ("sagate.score", "0.7"),
            ("sagate.reasons", "INPUT_OUT_OF_RANGE,BELOW_THRESHOLD"),
            ("sagate.batch_images", "2"),
        ],
    );
    for (millis, phase) in (1..).zip(Phase::ALL) {
        let span = named(&spans, phase.name())[0];
        assert_eq!(span.parent_span_id, image.span_id, "{}", phase.name());
        assert_eq!(
            span.end_time_unix_nano - span.start_time_unix_nano,
            millis * 1_000_000
        );
        assert!(image.start_time_unix_nano <= span.start_time_unix_nano);
        assert!(span.end_time_unix_nano <= image.end_time_unix_nano);
        expect(span, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_wish_not_to_be_traced_is_kept() {
    let (collector, url) = Collector::start().await;
    let telemetry = start(&url);
    let call = telemetry.call(Rpc::Segment, &headers(&format!("00-{TRACE}-{CALLER}-00")));
    call.image().decided(decided(0.9, &[]));
    call.finish(Code::Ok);
    assert_eq!(sent(&telemetry, &collector).await, []);
}

/// An invalid trace header starts a new trace.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_traceparent_is_no_parent() {
    let (collector, url) = Collector::start().await;
    let telemetry = start(&url);
    let damaged = [
        "",
        "00",
        "00-0-0-01",
        "zz-x-y-z",
        &format!("00-{TRACE}-{}-01", "0".repeat(16)),
        &"-".repeat(5000),
    ];
    for traceparent in damaged {
        telemetry
            .call(Rpc::GetModel, &headers(traceparent))
            .finish(Code::NotFound);
    }
    let spans = sent(&telemetry, &collector).await;
    assert_eq!(spans.len(), damaged.len());
    for span in spans {
        assert!(span.parent_span_id.is_empty() && hex(&span.trace_id) != TRACE);
        // A client error is not a server error.
        assert_eq!(
            span.status.map_or(0, |status| status.code),
            StatusCode::Unset as i32
        );
    }
}

/// Spans of a stream's images are siblings; failed ones have a constant reason.
#[tokio::test(flavor = "multi_thread")]
async fn images_without_a_decision() {
    let (collector, url) = Collector::start().await;
    let telemetry = start(&url);
    let call = telemetry.call(Rpc::SegmentStream, &MetadataMap::new());
    let mut full = call.image();
    full.model(&model());
    full.failed(Code::ResourceExhausted, "QUEUE_FULL", phases());
    call.image().failed(Code::Internal, "MODEL_RESTARTED", phases());
    let gone = call.image();
    drop(call);
    drop(gone);
    let spans = sent(&telemetry, &collector).await;
    let call = named(&spans, "sagate.v1.QualityControl/SegmentStream")[0];
    assert_eq!(attributes(&call.attributes)["rpc.grpc.status_code"], "1");
    let images = named(&spans, "image");
    assert!(images.iter().all(|image| image.parent_span_id == call.span_id));
    let status = |span: &Span| span.status.clone().map(|status| (status.code, status.message));
    expect(
        images[0],
        &[
            ("sagate.model", "tiny"),
            ("sagate.version", "1"),
            ("rpc.grpc.status_code", "8"),
            ("sagate.failure", "QUEUE_FULL"),
        ],
    );
    expect(
        images[1],
        &[
            ("rpc.grpc.status_code", "13"),
            ("sagate.failure", "MODEL_RESTARTED"),
        ],
    );
    assert_eq!(status(images[1]), Some((StatusCode::Error as i32, String::new())));
    expect(images[2], &[("rpc.grpc.status_code", "1")]);
}

/// Spans contain no invalid caller-supplied text.
#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_the_callers() {
    let (collector, url) = Collector::start().await;
    let telemetry = start(&url);
    let call = telemetry.call(Rpc::Segment, &headers(&format!("00-{TRACE}-{CALLER}-01")));
    for id in ["Jane Doe 1970", "", "line\nbreak", &"x".repeat(129), "\u{1f600}"] {
        let mut image = call.image();
        image.request_id(id);
        image.image_hash("/home/jane/doe.nii.gz");
        image.model(&ModelId {
            name: "jane".into(),
            version: 1,
        });
        image.decided(decided(f64::NAN, &[]));
    }
    call.finish(Code::Ok);
    let spans = sent(&telemetry, &collector).await;
    assert_eq!(named(&spans, "image").len(), 5);
    for image in named(&spans, "image") {
        expect(
            image,
            &[("sagate.decision", "ACCEPT"), ("sagate.batch_images", "2")],
        );
    }
    assert!(!format!("{spans:?}").to_lowercase().contains("jane"));
}

/// The collector gets every metric that Prometheus gets, by the same names.
#[tokio::test(flavor = "multi_thread")]
async fn every_metric_and_who_it_is_of() {
    let (collector, url) = Collector::start().await;
    let telemetry = start(&url);
    everything(&telemetry);
    let prometheus: Vec<String> = families(&telemetry.render().unwrap()).into_keys().collect();
    telemetry.shutdown().await;
    let mut taken = collector.take();
    taken.metrics.sort();
    assert_eq!(taken.metrics, prometheus);
    for resource in taken.resources {
        assert_eq!(resource["service.name"], "sagate");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_at_the_address_it_still_ends() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    for url in ["http://127.0.0.1:1", &silent] {
        let telemetry = start(url);
        everything(&telemetry);
        telemetry.shutdown().await;
        telemetry.shutdown().await;
    }
}

/// An `https://` collector gets the same where its authority is named, and nothing where it is not.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_to_a_collector_that_is_believed() {
    let authority = Authority::new("Tests");
    let given = authority.server();
    let (collector, url) = Collector::start_with_tls(&given.cert, &given.key).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let believing = |ca: std::path::PathBuf| {
        let settings = sagate::config::TelemetrySettings {
            otlp_ca: ca,
            ..settings(&url)
        };
        Telemetry::start(&settings, &[])
    };
    for (ca, reached) in [
        (file("ca.pem", &authority.pem()), true),
        (file("other.pem", &Authority::new("Tests").pem()), false),
        // No authority of the system issued the certificate.
        ("".into(), false),
    ] {
        let telemetry = believing(ca.clone()).unwrap();
        telemetry.call(Rpc::Segment, &MetadataMap::new()).finish(Code::Ok);
        telemetry.shutdown().await;
        let taken = collector.take();
        assert_eq!(!taken.spans.is_empty(), reached, "{}", ca.display());
        assert_eq!(!taken.metrics.is_empty(), reached, "{}", ca.display());
    }
    for (ca, words) in [
        (folder.path().join("nowhere.pem"), "No such file"),
        (file("key.pem", &given.key), "it holds a private key"),
    ] {
        let said = believing(ca).err().unwrap().to_string();
        assert!(
            said.contains("telemetry.otlp_ca") && said.contains(words),
            "{said}"
        );
    }
}

/// The same with the real server, whose settings name the authority.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_sends_over_tls() {
    let place = Place::new(1, &[0.0, 1.0]);
    let authority = Authority::new("Tests");
    place.write("ca.pem", authority.pem().as_bytes());
    let given = authority.server();
    let (collector, url) = Collector::start_with_tls(&given.cert, &given.key).await;
    let server = serve(&place, &[("TELEMETRY__OTLP_CA", "ca.pem")], &["--otlp", &url]);
    let asked = request("one", tensor(&waves_image(1, 16, 16)));
    server.client().segment(asked).await.unwrap();
    // At shutdown the server flushes.
    assert_eq!(server.stop().code, 0);
    let taken = collector.take();
    assert_eq!(named(&taken.spans, "image").len(), 1);
    assert!(
        taken.metrics.contains(&"sagate_images_total".to_owned()),
        "{:?}",
        taken.metrics
    );
    // Authorities for a collector without TLS are an error.
    let mut command = serving(&place, &["--otlp", "http://127.0.0.1:4317"]);
    command.env("SAGATE__TELEMETRY__OTLP_CA", "ca.pem");
    finish(&mut command).assert_refused(2, &["`telemetry.otlp_ca`", "https://"]);
}

#[test]
fn refusals_say_what_would_be_right() {
    let outside = Telemetry::start(&settings(""), &[]).err().unwrap();
    assert!(
        outside.to_string().contains("inside a tokio runtime"),
        "{outside}"
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let refused = Telemetry::start(&settings("http://a b"), &[]).err().unwrap();
    let said = refused.to_string();
    assert!(
        said.contains("telemetry.otlp") && said.contains("http://127.0.0.1:4317"),
        "{said}"
    );
}
