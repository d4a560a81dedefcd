//! The admin port: its answers, and invalid clients.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::telemetry_rig::{Admin, start};
use proptest::prelude::*;

#[tokio::test(flavor = "multi_thread")]
async fn alive_is_not_ready() {
    let admin = Admin::start(start("")).await;
    let status = |path| admin.get(path).0;
    assert_eq!((status("/healthz"), status("/readyz")), (200, 503));
    admin.ready.send(true).unwrap();
    assert_eq!((status("/healthz"), status("/readyz")), (200, 200));
    admin.ready.send(false).unwrap();
    assert_eq!((status("/healthz"), status("/readyz")), (200, 503));
    assert_eq!(admin.get("/healthz").2, "ok\n");
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_there() {
    let admin = Admin::start(start("")).await;
    for path in [
        "/",
        "/metrics/",
        "/healthz/..",
        "/metricsx",
        "/%2e%2e/metrics",
        "//metrics",
    ] {
        assert_eq!(admin.get(path).0, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(admin.ask(request.as_bytes()).0, 405, "{method}");
    }
    let (status, _, body) = admin.ask(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(admin.get("/metrics?name=a").0, 200);
    admin.stop().await;
}

/// A dozen clients with half a request, and others that disconnect, do not block later clients.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_keep_nobody_waiting() {
    let admin = Admin::start(start("")).await;
    let slow: Vec<TcpStream> = (0..12)
        .map(|_| {
            let mut stream = TcpStream::connect(admin.address).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").unwrap();
            stream
        })
        .collect();
    for _ in 0..200 {
        drop(TcpStream::connect(admin.address).unwrap());
    }
    assert_eq!(admin.get("/healthz").0, 200);
    // Shutdown does not wait for them either.
    admin.stop().await;
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_cut_off() {
    let admin = Admin::start(start("")).await;
    let mut stream = TcpStream::connect(admin.address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let line = format!("X: {}\r\n", "x".repeat(1000));
    let refused = (0..100_000).any(|_| stream.write_all(line.as_bytes()).is_err());
    assert!(refused, "100 MB of headers were taken");
    assert_eq!(admin.get("/healthz").0, 200);
    admin.stop().await;
}

#[test]
fn garbage_does_no_harm() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let admin = runtime.block_on(async { Admin::start(start("")).await });
    let say = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(admin.address).unwrap();
        // The server may have closed the connection.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    };
    // First bytes of TLS, of HTTP/2 and of request smuggling.
    say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    say(b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /");
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..600), head in any::<bool>())| {
        let head: &[u8] = if head { b"GET /metrics HTTP/1.1\r\n" } else { b"" };
        say(&[head, &bytes].concat());
    });
    assert_eq!(admin.get("/healthz").0, 200);
    runtime.block_on(admin.stop());
}
