//! The real server exports to rotel, an independent OpenTelemetry collector, which logs what it receives.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::binary::{Place, waves_image};
use crate::server::{Server, request, tensor};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// rotel, killed when it is dropped.
struct Rotel {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Rotel {
    /// Receives OTLP over gRPC, logs the spans, and exports nothing.
    fn start() -> Rotel {
        let folder = tempfile::tempdir().unwrap();
        let [grpc, http] = free_addresses();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let child = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/rotel/rotel-agent"))
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-grpc-endpoint", &grpc, "--otlp-http-endpoint", &http])
            .args(["--pid-file", &file("pid"), "--log-file", &file("log")])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(folder.path().join("said")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("rotel is missing: `make collector` gets it, as `make test` does");
        let begun = Instant::now();
        while std::net::TcpStream::connect(&grpc).is_err() {
            assert!(begun.elapsed() < WAIT_TIMEOUT, "rotel does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Rotel {
            child,
            url: format!("http://{grpc}"),
            folder,
        }
    }

    /// Its log so far.
    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap()
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two free ports: rotel does not report the port it binds, so it gets them as arguments.
fn free_addresses() -> [String; 2] {
    let held = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_another_house_understands_all_of_it() {
    let rotel = Rotel::start();
    let place = Place::new(1, &[0.1, 0.5, 0.9]);
    let server = Server::start(&place, &["--otlp", &rotel.url]);
    let mut asked = tonic::Request::new(request("study-7", tensor(&waves_image(1, 32, 32))));
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    asked
        .metadata_mut()
        .insert("traceparent", parent.parse().unwrap());
    server.client().segment(asked).await.unwrap();
    // At shutdown the server flushes.
    assert_eq!(server.stop().code, 0);

    let begun = Instant::now();
    while rotel.said().matches("Span #").count() < 8 {
        assert!(begun.elapsed() < WAIT_TIMEOUT, "only this came: {}", rotel.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = rotel.said();
    let lines = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    // The call, its image and the six phases, all of the caller's trace.
    assert_eq!(lines(&format!("Trace ID       : {TRACE}")), 8, "{said}");
    for words in [
        "service.name: Str(sagate)",
        "Name           : sagate.v1.QualityControl/Segment",
        "Name           : image",
        "Name           : forward",
        "sagate.request_id: Str(study-7)",
        "sagate.model: Str(tiny)",
        "rpc.grpc.status_code: Int(0)",
    ] {
        assert!(lines(words) > 0, "`{words}` is not in: {said}");
    }
}
