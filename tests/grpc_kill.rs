//! Clients that are killed in the middle of a stream, 200 of them, each a process of its own.
//!
//! What would break: leaks per killed client: queue permits, tasks, file descriptors.

#![allow(
    clippy::print_stdout,
    reason = "the client tells its parent, and numbers are for whoever runs it"
)]

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/grpc_calls/mod.rs"]
mod grpc_calls;
#[path = "support/killable_client/mod.rs"]
mod killable_client;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::sync::Arc;
use std::time::Duration;

use binary::{Place, waves_image};
use grpc_calls::{Client, ExpectedImage, status, until, wait_until_idle, within};
use sagate::proto::v1;
use sagate::proto::v1::quality_control_client::QualityControlClient;
use server::{Server, request, serve, tensor};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const CLIENTS: u64 = 200;
/// Processes at once.
const AT_ONCE: usize = 6;
/// Names the server to a client that is to be killed; without it the client's test does nothing.
const SERVER: &str = "TO_BE_KILLED";

/// The client: asks without end, and says so when its first call is on its way.
#[tokio::test]
async fn the_client() {
    let Ok(asked) = std::env::var(SERVER) else {
        return;
    };
    let (url, method) = asked.split_once(' ').unwrap();
    let mut client = QualityControlClient::connect(url.to_owned()).await.unwrap();
    let image = tensor(&waves_image(2, 128, 128));
    println!("begun");
    loop {
        // The server may refuse while it has no place, and takes a later one.
        let _ = match method {
            "interpret" => interpret(&mut client, &image).await,
            _ => stream(&mut client, &image).await,
        };
    }
}

async fn interpret(client: &mut Client, image: &v1::Image) -> Result<(), tonic::Status> {
    let asked = v1::InterpretRequest {
        image: Some(image.clone()),
        layers: Some(v1::LayerOptions {
            probability: v1::ProbabilityFormat::Float32.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut parts = client.interpret(asked).await?.into_inner();
    while parts.message().await?.is_some() {}
    Ok(())
}

async fn stream(client: &mut Client, image: &v1::Image) -> Result<(), tonic::Status> {
    let image = image.clone();
    let images = (0..1000).map(move |index| v1::SegmentStreamRequest {
        request: Some(request(&format!("{index}"), image.clone())),
    });
    let mut answers = client
        .segment_stream(tokio_stream::iter(images))
        .await?
        .into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}

/// Starts a client, and kills it so long after its first call.
fn live_and_die(url: &str, index: u64) {
    let method = if index.is_multiple_of(2) {
        "interpret"
    } else {
        "stream"
    };
    let mut child = killable_client::client(SERVER, &format!("{url} {method}"));
    std::thread::sleep(Duration::from_millis(index * 7 % 90));
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(alive, "client {index} ended before it was killed");
}

/// What could stay behind: tasks of the runtime, and file descriptors.
fn left(server: &Server) -> (u64, usize) {
    let tasks = server.metric("sagate_runtime_tasks") as u64;
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count();
    (tasks, files)
}

#[tokio::test]
async fn killed_clients_leave_nothing() {
    let place = Place::new(1, &[0.1, 0.2]);
    let good = ExpectedImage::new(&place, 9, 40, 40);
    let server = serve(&place, &[], &[]);
    let client = &mut server.client();
    good.ask(client).await;
    wait_until_idle(client).await;
    let before = left(&server);
    assert!(before.0 > 0 && before.1 > 0, "{before:?}");
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for index in 0..CLIENTS {
        let place = places.clone().acquire_owned().await.unwrap();
        let url = server.url();
        work.spawn_blocking(move || {
            live_and_die(&url, index);
            drop(place);
        });
    }
    within(work.join_all()).await;
    let images = &status(client).await.models[0];
    println!(
        "{} images judged, {} given up; tasks and files before: {before:?}, now: {:?}",
        images.accepted + images.rejected,
        images.failed,
        left(&server)
    );
    assert!(images.failed > 0, "nobody was killed in the middle of a call");
    wait_until_idle(client).await;
    until("tasks or files are left behind", async || {
        let now = left(&server);
        now.0 <= before.0 && now.1 <= before.1
    })
    .await;
    good.ask(client).await;
    let stopped = server.stop();
    assert!(
        stopped.code == 0 && !stopped.log.contains("panicked"),
        "{stopped:?}"
    );
}
