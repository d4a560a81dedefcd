//! How long connections live and what they carry, as a client of HTTP/2 sees it.
//!
//! What would break: a setting that is not heard, a connection that is cut in place of being told to go, one that stays beyond its grace,
//! or headers without bounds.

use std::time::Duration;

use crate::binary::{Place, waves_image};
use crate::server::{Server, request, serve, tensor};
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const CALL_TIMEOUT: Duration = Duration::from_secs(60);

fn place() -> Place {
    Place::new(1, &[0.0, 1.0])
}

/// A connection, and what becomes of it.
async fn connect(server: &Server) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(server.url().trim_start_matches("http://"))
        .await
        .unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender.ready().await.unwrap(), tokio::spawn(connection))
}

fn call(path: &str) -> Request<()> {
    Request::post(format!("http://a{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_its_calls_end() {
    let place = place();
    let server = serve(&place, &[("SERVER__MAX_CONNECTION_AGE_SECONDS", "1")], &[]);
    let (mut sender, connection) = connect(&server).await;
    // Open until the server says that it is done with the connection; its message comes late.
    let (answer, mut body) = sender
        .send_request(call("/sagate.v1.QualityControl/GetStatus"), false)
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        !connection.is_finished(),
        "a call keeps its connection as long as it takes"
    );
    let refused = sender.clone().ready().await.is_err()
        || sender
            .send_request(call("/sagate.v1.QualityControl/GetStatus"), true)
            .is_err();
    assert!(refused, "no new call on a connection that is told to go");
    body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
    let answer = timeout(CALL_TIMEOUT, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let mut messages = answer.into_body();
    while let Some(part) = messages.data().await {
        part.unwrap();
    }
    assert_eq!(messages.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    drop((sender, messages));
    timeout(CALL_TIMEOUT, connection)
        .await
        .expect("it ends with its last call")
        .unwrap()
        .unwrap();
    // Others connect as before, and a client that follows the rules notices nothing.
    let mut client = server.client();
    for _ in 0..3 {
        client
            .segment(request("", tensor(&waves_image(1, 16, 16))))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn after_its_grace_it_is_cut() {
    let place = place();
    let settings = [
        ("SERVER__MAX_CONNECTION_AGE_SECONDS", "1"),
        ("SERVER__MAX_CONNECTION_AGE_GRACE_SECONDS", "1"),
    ];
    let server = serve(&place, &settings, &[]);
    let (mut sender, connection) = connect(&server).await;
    let (answer, _body) = sender
        .send_request(call("/sagate.v1.QualityControl/GetStatus"), false)
        .unwrap();
    let ended = timeout(CALL_TIMEOUT, connection)
        .await
        .expect("it is cut, although a call is open");
    assert!(timeout(CALL_TIMEOUT, answer).await.unwrap().is_err() || ended.unwrap().is_err());
    assert_eq!(server.stop().code, 0);
}

#[tokio::test]
async fn calls_and_headers_are_bounded() {
    let place = place();
    let settings = [
        ("SERVER__MAX_CONNECTION_CALLS", "3"),
        ("SERVER__MAX_HEADER_BYTES", "2048"),
    ];
    let server = serve(&place, &settings, &[]);
    let (mut sender, _connection) = connect(&server).await;
    // The server's settings have come with the first answer.
    let (answer, _) = sender
        .send_request(call("/sagate.v1.QualityControl/GetStatus"), true)
        .unwrap();
    let _ = timeout(CALL_TIMEOUT, answer).await.unwrap();
    assert_eq!(sender.current_max_send_streams(), 3);
    let mut long = call("/sagate.v1.QualityControl/GetStatus");
    long.headers_mut()
        .insert("x-long", "x".repeat(4096).parse().unwrap());
    let (answer, _) = sender.send_request(long, true).unwrap();
    let answer = timeout(CALL_TIMEOUT, answer).await.unwrap().unwrap();
    let status = tonic::Status::from_header_map(answer.headers()).expect("a status of gRPC");
    assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("2048"), "{status:?}");
    server
        .client()
        .segment(request("", tensor(&waves_image(1, 16, 16))))
        .await
        .unwrap();
    assert_eq!(server.stop().code, 0);
}
