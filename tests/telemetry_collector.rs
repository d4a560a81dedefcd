//! A real OpenTelemetry collector between the real server and the test: what sagate sends is what a collector of another house takes,
//! understands and passes on.

mod otlp_collector;
mod program;
mod server;
mod tiny_model;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use otlp_collector::{Collector, Taken, attributes};
use program::{Place, waves_image};
use server::{Server, request, tensor};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PATIENCE: Duration = Duration::from_secs(60);

/// rotel, killed when it is dropped.
struct Rotel {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Rotel {
    /// Takes OTLP over gRPC, and passes it on over gRPC.
    fn start(to: &str) -> Rotel {
        let folder = tempfile::tempdir().unwrap();
        let [grpc, http] = free_addresses();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/rotel/rotel-agent"))
            .args(["start", "--exporter", "otlp", "--otlp-exporter-endpoint", to])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            // The test's own collector unpacks nothing.
            .args(["--otlp-exporter-compression", "none"])
            .args(["--pid-file", &file("pid"), "--log-file", &file("log")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rotel is missing: `make collector` gets it, as `make test` does");
        let begun = Instant::now();
        while std::net::TcpStream::connect(&grpc).is_err() {
            assert!(begun.elapsed() < PATIENCE, "rotel does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Rotel {
            child,
            url: format!("http://{grpc}"),
            _folder: folder,
        }
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// rotel does not say which port it took, so that it must be told one: two that were free a moment ago.
fn free_addresses() -> [String; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_another_house_understands_all_of_it() {
    let (collector, url) = Collector::start().await;
    let rotel = Rotel::start(&url);
    let place = Place::new(1, &[0.1, 0.5, 0.9]);
    let server = Server::start(&place, &["--otlp", &rotel.url]);
    let mut asked = tonic::Request::new(request("study-7", tensor(&waves_image(1, 32, 32))));
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    asked
        .metadata_mut()
        .insert("traceparent", parent.parse().unwrap());
    server.client().segment(asked).await.unwrap();
    // At its end the server sends what it has.
    assert_eq!(server.stop().code, 0);

    let mut taken = Taken::default();
    let begun = Instant::now();
    while taken.spans.len() < 8 || taken.metrics.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "only this came: {taken:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let more = collector.take();
        taken.spans.extend(more.spans);
        taken.metrics.extend(more.metrics);
        taken.resources.extend(more.resources);
    }
    let trace = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(taken.spans.iter().all(|span| trace(&span.trace_id) == TRACE));
    let image = taken.spans.iter().find(|span| span.name == "image").unwrap();
    assert_eq!(attributes(&image.attributes)["sagate.request_id"], "study-7");
    for metric in [
        "sagate_images_total",
        "sagate_request_duration_seconds",
        "sagate_mu",
    ] {
        assert!(
            taken.metrics.iter().any(|it| it == metric),
            "{metric}: {:?}",
            taken.metrics
        );
    }
    assert!(taken.resources.iter().all(|it| it["service.name"] == "sagate"));
}
