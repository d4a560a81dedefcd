//! Health and readiness, over gRPC and HTTP: not serving without the default model.
//!
//! What would break: a server that says it is ready and has no model, a watcher that misses a model that is loaded later.

use sagate::proto::v1;
use sagate::proto::v1::model_admin_control_client::ModelAdminControlClient;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::binary::{Place, waves_image};
use crate::grpc_calls::{until, within};
use crate::server::{ADMINS, Server, request, serve, tensor};
use crate::tiny_model;

const ADMIN: [(&str, &str); 2] = [("SERVER__MODEL_ADMIN", "true"), ADMINS];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

async fn check(server: &Server, service: &str) -> Option<ServingStatus> {
    let mut client = HealthClient::new(server.channel());
    let answer = within(client.check(of(service))).await.ok()?;
    Some(answer.into_inner().status())
}

fn reference(name: &str, version: u32) -> Option<v1::ModelReference> {
    Some(v1::ModelReference {
        name: name.into(),
        version,
    })
}

async fn load(server: &Server, name: &str, version: u32) {
    let asked = v1::LoadModelRequest {
        model: reference(name, version),
    };
    let mut client = ModelAdminControlClient::new(server.channel());
    within(client.load_model(asked)).await.unwrap();
}

async fn unload(server: &Server, name: &str, version: u32) {
    let asked = v1::UnloadModelRequest {
        model: reference(name, version),
    };
    let mut client = ModelAdminControlClient::new(server.channel());
    within(client.unload_model(asked)).await.unwrap();
}

async fn until_ready(server: &Server, ready: bool) {
    let status = if ready { 200 } else { 503 };
    until("readiness does not change", async || {
        server.get("/readyz").0 == status
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_default_is_not_ready() {
    let place = Place::new(1, &[0.5]);
    tiny_model::write_as("other", &place.path("models"), 1, Vec::new(), &[0.5]);
    let server = serve(&place, &ADMIN, &[]);
    assert_eq!(server.get("/readyz").0, 200);
    unload(&server, "tiny", 1).await;
    until_ready(&server, false).await;
    let asked = request("", tensor(&waves_image(1, 40, 40)));
    within(server.client().segment(asked)).await.unwrap_err();
    for (service, status) in [
        ("", ServingStatus::NotServing),
        ("sagate.v1.QualityControl", ServingStatus::NotServing),
        ("inference.GRPCInferenceService", ServingStatus::NotServing),
        ("tiny", ServingStatus::NotServing),
        ("tiny@1", ServingStatus::NotServing),
        ("other", ServingStatus::Serving),
        ("other@1", ServingStatus::Serving),
    ] {
        assert_eq!(check(&server, service).await, Some(status), "`{service}`");
    }
    // A model that is not loaded has no series of its own, except that it is required.
    let required = "sagate_required_model_ready{model=\"tiny\"}";
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains(&format!("{required} 0")), "{metrics}");
    // A model that is not required may be unloaded.
    load(&server, "tiny", 1).await;
    until_ready(&server, true).await;
    assert_eq!(server.metric(required), 1.0);
    unload(&server, "other", 1).await;
    until("it is there still", async || {
        check(&server, "other").await == Some(ServingStatus::NotServing)
    })
    .await;
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_the_settings_name_must_answer() {
    let place = Place::new(1, &[0.5]);
    tiny_model::write_as("other", &place.path("models"), 1, Vec::new(), &[0.5]);
    let settings = [&ADMIN[..], &[("SERVING__OTHER__WEIGHT", "2")]].concat();
    let server = serve(&place, &settings, &[]);
    unload(&server, "other", 1).await;
    until_ready(&server, false).await;
    load(&server, "other", 1).await;
    until_ready(&server, true).await;
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_readiness_is_of_every_version_that_should_answer() {
    let place = Place::new(1, &[0.5]);
    let broken = || {
        let folder = tiny_model::copy_version(&place.path("models"), "tiny", 2);
        std::fs::write(folder.join("weights.safetensors"), b"nonsense").unwrap();
    };
    let load_broken = async |server: &Server| {
        let asked = v1::LoadModelRequest {
            model: reference("tiny", 2),
        };
        let mut client = ModelAdminControlClient::new(server.channel());
        within(client.load_model(asked)).await.unwrap_err();
    };
    for (strict, status) in [("false", 200), ("true", 503)] {
        let settings = [&ADMIN[..], &[("READINESS__STRICT", strict)]].concat();
        let server = serve(&place, &settings, &[]);
        broken();
        load_broken(&server).await;
        until("readiness is not that of the setting", async || {
            server.get("/readyz").0 == status
        })
        .await;
        assert_eq!(check(&server, "tiny").await, Some(ServingStatus::Serving));
        std::fs::remove_dir_all(place.path("models/tiny/2")).unwrap();
        assert_eq!(server.stop().code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_told_of_a_model_that_comes_later() {
    let place = Place::new(1, &[0.5]);
    let server = serve(&place, &ADMIN, &[]);
    let mut watched = Vec::new();
    for service in ["tiny", "later", "later@1"] {
        let mut client = HealthClient::new(server.channel());
        let answers = within(client.watch(of(service))).await.unwrap().into_inner();
        watched.push((service, answers));
    }
    for (service, answers) in &mut watched {
        let first = within(answers.message()).await.unwrap().unwrap().status();
        let expected = match *service {
            "tiny" => ServingStatus::Serving,
            _ => ServingStatus::ServiceUnknown,
        };
        assert_eq!(first, expected, "{service}");
    }
    tiny_model::write_as("later", &place.path("models"), 1, Vec::new(), &[0.5]);
    load(&server, "later", 1).await;
    for (service, answers) in &mut watched[1..] {
        let received = within(answers.message()).await.unwrap().unwrap().status();
        assert_eq!(received, ServingStatus::Serving, "{service}");
    }
    unload(&server, "later", 1).await;
    for (service, answers) in &mut watched[1..] {
        let received = within(answers.message()).await.unwrap().unwrap().status();
        assert_eq!(received, ServingStatus::NotServing, "{service}");
    }
    drop(watched);
    assert_eq!(server.stop().code, 0);
}
