//! Loads that hang or are interrupted, and instances that never become ready, against the real program.
//!
//! What would break: a server that is never ready because one of its threads hangs, one load that blocks all others, a
//! crash at shutdown during a load.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sagate::proto::v1;
use sagate::proto::v1::model_admin_control_client::ModelAdminControlClient;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{until, within};
use crate::server::{ADMINS, Server, request, serving, tensor};
use crate::tiny_model;

/// What lets one thread hang.
fn hang(place: &Place) -> PathBuf {
    let library = place.path("hang.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/hang/hang.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(compiled.unwrap().success(), "cc compiles {}", source.display());
    library
}

/// A server of which the thread of this name hangs, as soon as it begins. Linux keeps 15 letters of a name.
fn with_hanging(place: &Place, thread: &str, settings: &[(&str, &str)]) -> Server {
    assert!(thread.len() <= 15, "{thread}");
    let mut command = serving(place, &[]);
    command
        .env("LD_PRELOAD", hang(place))
        .env("HANG_THREAD", thread)
        .env("SAGATE__SERVER__MODEL_ADMIN", "true")
        .env(format!("SAGATE__{}", ADMINS.0), ADMINS.1);
    for (name, value) in settings {
        command.env(format!("SAGATE__{name}"), value);
    }
    Server::with(&mut command)
}

fn admin(server: &Server) -> ModelAdminControlClient<Channel> {
    ModelAdminControlClient::new(server.channel())
}

fn load(name: &str, version: u32) -> v1::LoadModelRequest {
    v1::LoadModelRequest {
        model: Some(v1::ModelReference {
            name: name.into(),
            version,
        }),
    }
}

async fn condition(server: &Server, name: &str, version: u32) -> v1::ModelVersionStatus {
    let asked = v1::GetModelStatusRequest { name: name.into() };
    let answer = within(admin(server).get_model_status(asked)).await.unwrap();
    let mut models = answer.into_inner().models.into_iter();
    models
        .find(|it| it.model.as_ref().unwrap().version == version)
        .unwrap_or_else(|| panic!("no {name}@{version}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_answers_with_the_instances_that_it_has() {
    let place = Place::new(1, &[0.5]);
    // `Server::with` waits until it is ready.
    let server = with_hanging(&place, "model tiny@1 1", &[("ENGINE__INSTANCES", "3")]);
    for seed in 0..4 {
        let asked = request("", tensor(&waves_image(seed, 48, 48)));
        within(server.client().segment(asked)).await.unwrap();
    }
    let ready = r#"sagate_model_instances_ready{model="tiny",version="1"}"#;
    until("the third thread is not warm", async || {
        server.metric(ready) == 2.0
    })
    .await;
    assert_eq!(
        server.metric(r#"sagate_model_instances{model="tiny",version="1"}"#),
        3.0
    );
    let condition = condition(&server, "tiny", 1).await;
    assert_eq!(condition.state(), v1::ModelState::Ready);
    assert_eq!((condition.instances_ready, condition.instances), (2, 3));
    let listed = within(server.client().list_models(v1::ListModelsRequest {})).await;
    let summary = listed.unwrap().into_inner().models.remove(0);
    assert_eq!((summary.instances_ready, summary.instances), (2, 3));
    assert!(summary.ready);
    let stopped = server.stop();
    assert_eq!(stopped.code, 0, "{stopped:?}");
}

/// Begins to load the version that hangs, and comes back when it is on its way.
async fn begin_to_hang(server: &Server) -> JoinHandle<Result<Response<v1::LoadModelResponse>, Status>> {
    let mut client = admin(server);
    let hanging = tokio::spawn(async move { client.load_model(load("tiny", 2)).await });
    until("the load does not begin", async || {
        condition(server, "tiny", 2).await.state() == v1::ModelState::Loading
    })
    .await;
    hanging
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_hangs_keeps_no_other_model_out() {
    let place = Place::new(1, &[0.5]);
    // Its time is never up.
    let server = with_hanging(
        &place,
        "model tiny@2 0",
        &[
            ("MODELS__LOAD_SECONDS", "86400"),
            ("SERVER__SHUTDOWN_SECONDS", "1"),
        ],
    );
    tiny_model::copy_version(&place.path("models"), "tiny", 2);
    tiny_model::write_as("other", &place.path("models"), 1, Vec::new(), &[0.5]);
    let hanging = begin_to_hang(&server).await;
    within(admin(&server).load_model(load("other", 1))).await.unwrap();
    assert!(!hanging.is_finished());
    let stopped = server.stop();
    stopped.assert_calm();
    // The load call is cut off at the end; its status does not matter here.
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_hangs_has_its_time() {
    let place = Place::new(1, &[0.5]);
    // Time enough for one that does not hang, however busy the machine.
    let settings = [
        ("MODELS__LOAD_SECONDS", "15"),
        ("ENGINE__WARM_UP_SIDES", "[32]"),
        ("ENGINE__NICE", "0"),
    ];
    let server = with_hanging(&place, "model tiny@2 0", &settings);
    let models = place.path("models");
    tiny_model::copy_version(&models, "tiny", 2);
    let hanging = begin_to_hang(&server).await;
    let refused = within(hanging).await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("models.load_seconds"), "{refused}");
    let failed = condition(&server, "tiny", 2).await;
    assert_eq!(failed.state(), v1::ModelState::Failed);
    assert!(failed.reason.contains("models.load_seconds"), "{failed:?}");
    // Threads that hang do not add up: nothing is begun while the first is there.
    let again = within(admin(&server).load_model(load("tiny", 2)))
        .await
        .unwrap_err();
    assert!(again.message().contains("has not returned yet"), "{again}");
    // Nor does another version of the same model wait for ever.
    tiny_model::copy_version(&models, "tiny", 3);
    within(admin(&server).load_model(load("tiny", 3))).await.unwrap();
    let asked = request("", tensor(&waves_image(1, 48, 48)));
    let answer = within(server.client().segment(asked)).await.unwrap().into_inner();
    assert_eq!(answer.segmentation.unwrap().model.unwrap().version, 3);
    let stopped = server.stop();
    assert_eq!(stopped.code, 0, "the thread that hangs keeps nobody: {stopped:?}");
    stopped.assert_calm();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_comes_in_order_while_models_load() {
    const ROUNDS: u32 = 15;
    let place = Place::new(1, &[0.5]);
    // Wide enough for the warm-up to take a while.
    let sides = ("SAGATE__ENGINE__WARM_UP_SIDES", "[512]");
    for round in 0..ROUNDS {
        let versions = 2..=5;
        for version in versions.clone() {
            let _ = std::fs::remove_dir_all(place.path(&format!("models/tiny/{version}")));
        }
        let server = Server::with(serving(&place, &[]).env(sides.0, sides.1));
        for version in versions {
            tiny_model::copy_version(&place.path("models"), "tiny", version);
        }
        server.signal("USR2");
        // Another moment of the loads in each round.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % 150))).await;
        let stopped = server.stop();
        assert_eq!(stopped.code, 0, "round {round}: {stopped:?}");
        stopped.assert_calm();
    }
}
