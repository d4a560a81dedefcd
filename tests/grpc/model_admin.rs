//! Loading, reloading and unloading models of a running server under load, over real gRPC.
//!
//! What would break: an admin call where nobody allowed it, a request that is lost while its model is replaced, health that says ready
//! for a model that is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sagate::proto::v1;
use sagate::proto::v1::model_admin_control_client::ModelAdminControlClient;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::binary::{Place, waves_image};
use crate::grpc_calls::until;
use crate::server::{ADMINS, Server};

fn allowed(place: &Place, more: &[(&str, &str)]) -> Server {
    let settings = [&[("SERVER__MODEL_ADMIN", "true"), ADMINS], more].concat();
    crate::server::serve(place, &settings, &[])
}

fn request(seed: usize) -> v1::SegmentRequest {
    crate::server::request("", crate::server::tensor(&waves_image(seed, 48, 48)))
}

fn admin(server: &Server) -> ModelAdminControlClient<Channel> {
    ModelAdminControlClient::new(server.channel())
}

fn model(name: &str, version: u32) -> Option<v1::ModelReference> {
    Some(v1::ModelReference {
        name: name.into(),
        version,
    })
}

/// Version 1 as version 2.
fn second_version(place: &Place) {
    crate::tiny_model::copy_version(&place.path("models"), "tiny", 2);
}

/// Waits until a service has this health status: 1 is serving, 2 is not.
async fn until_health(server: &Server, service: &str, wanted: i32) {
    let mut client = HealthClient::new(server.channel());
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let mut health = None;
    for _ in 0..600 {
        // An unknown service yields NOT_FOUND.
        health = client
            .check(request.clone())
            .await
            .ok()
            .map(|answer| answer.into_inner().status);
        if health == Some(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("health says {health:?} of {service}, not {wanted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_models_unless_the_settings_allow_it() {
    let place = Place::new(1, &[0.5]);
    for (settings, code) in [
        (&[ADMINS][..], Code::Unimplemented),
        (&[("SERVER__MODEL_ADMIN", "true")], Code::Unauthenticated),
    ] {
        let server = crate::server::serve(&place, settings, &[]);
        let refused = admin(&server)
            .unload_model(v1::UnloadModelRequest {
                model: model("tiny", 1),
            })
            .await;
        assert_eq!(refused.unwrap_err().code(), code);
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_come_and_go_while_others_ask() {
    let place = Place::new(1, &[0.5]);
    let server = allowed(&place, &[]);
    let mut admin = admin(&server);
    let stop = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..3)
        .map(|seed| {
            let (mut client, stop) = (server.client(), stop.clone());
            tokio::spawn(async move {
                let mut versions = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let answer = client.segment(request(seed)).await.unwrap().into_inner();
                    versions.push(answer.segmentation.unwrap().model.unwrap().version);
                }
                versions
            })
        })
        .collect();
    second_version(&place);
    let request = v1::LoadModelRequest {
        model: model("tiny", 0),
    };
    let loaded = admin
        .load_model(request)
        .await
        .unwrap()
        .into_inner()
        .model
        .unwrap();
    assert_eq!(
        (loaded.name.as_str(), loaded.version),
        ("tiny", 2),
        "the highest of the folder"
    );
    until_health(&server, "tiny@2", 1).await;
    for _ in 0..3 {
        let request = v1::ReloadModelRequest {
            model: model("tiny", 2),
        };
        let answer = admin.reload_model(request).await.unwrap().into_inner();
        assert_eq!(answer.before, answer.model, "nothing changed in the folder");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::SeqCst);
    for versions in asking {
        let versions = versions.await.unwrap();
        assert!(
            versions.is_sorted() && versions.last() == Some(&2),
            "{versions:?}"
        );
    }
    let request = v1::UnloadModelRequest {
        model: model("tiny", 2),
    };
    admin.unload_model(request.clone()).await.unwrap();
    until_health(&server, "tiny@2", 2).await;
    // A model unloaded on purpose has no series, so no alert fires.
    let metrics = server.get("/metrics").1;
    assert!(
        !metrics.contains("sagate_model_ready{model=\"tiny\",version=\"2\"}"),
        "{metrics}"
    );
    assert_eq!(
        server.metric("sagate_model_ready{model=\"tiny\",version=\"1\"}"),
        1.0
    );
    let gone = admin.unload_model(request).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "{gone}");
    let status = admin.get_model_status(v1::GetModelStatusRequest { name: String::new() });
    let models = status.await.unwrap().into_inner().models;
    let states: Vec<_> = models
        .iter()
        .map(|it| (it.state(), it.role(), it.in_repository))
        .collect();
    assert_eq!(
        states,
        [
            (v1::ModelState::Ready, v1::ModelRole::Primary, true),
            (v1::ModelState::NotLoaded, v1::ModelRole::Unspecified, true)
        ]
    );
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_is_told_and_changes_nothing() {
    let place = Place::new(1, &[0.5]);
    let server = allowed(&place, &[]);
    let mut admin = admin(&server);
    second_version(&place);
    std::fs::write(place.path("models/tiny/2/weights.safetensors"), b"nonsense").unwrap();
    for (reference, code) in [
        (model("tiny", 2), Code::FailedPrecondition),
        (model("tiny", 7), Code::NotFound),
        (model("../tiny", 1), Code::InvalidArgument),
        (model("", 0), Code::InvalidArgument),
        (None, Code::InvalidArgument),
    ] {
        let refused = admin
            .load_model(v1::LoadModelRequest {
                model: reference.clone(),
            })
            .await;
        assert_eq!(refused.unwrap_err().code(), code, "{reference:?}");
    }
    let answer = server.client().segment(request(1)).await.unwrap();
    assert_eq!(
        answer.into_inner().segmentation.unwrap().model.unwrap().version,
        1
    );
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigusr2_lets_the_server_look_at_its_folder() {
    let place = Place::new(1, &[0.5]);
    let server = crate::server::serve(&place, &[("SERVING__TINY__SHADOW", "2")], &[]);
    second_version(&place);
    server.signal("USR2");
    until_health(&server, "tiny@2", 1).await;
    let mut tries = 0;
    let answer = server.client().segment(request(1)).await.unwrap();
    assert_eq!(
        answer.into_inner().segmentation.unwrap().model.unwrap().version,
        1,
        "the shadow never answers"
    );
    let agreed = "sagate_shadow_images_total{model=\"tiny\",outcome=\"agree\",version=\"2\"}";
    while server.metric(agreed) < 1.0 {
        tries += 1;
        assert!(tries < 600, "the shadow was not compared");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_leaves_models_as_an_admin_left_them() {
    let place = Place::new(1, &[0.5]);
    second_version(&place);
    let server = allowed(&place, &[("AUDIT__FILE", "audit.jsonl"), ("LOG__LEVEL", "info")]);
    let unload = v1::UnloadModelRequest {
        model: model("tiny", 2),
    };
    admin(&server).unload_model(unload).await.unwrap();
    until_health(&server, "tiny@2", 2).await;
    // Neither of the signals undoes it.
    server.signal("USR2");
    std::fs::rename(place.path("audit.jsonl"), place.path("moved.jsonl")).unwrap();
    server.signal("HUP");
    until("the audit log does not begin anew", async || {
        server.client().segment(request(1)).await.unwrap();
        place.path("audit.jsonl").exists()
    })
    .await;
    let asked = v1::GetModelStatusRequest::default();
    let answer = admin(&server).get_model_status(asked).await.unwrap();
    let states: Vec<_> = answer.into_inner().models.iter().map(|it| it.state()).collect();
    assert_eq!(states, [v1::ModelState::Ready, v1::ModelState::NotLoaded]);
    let stopped = server.stop();
    assert_eq!(stopped.code, 0);
    assert!(stopped.log.contains("SIGUSR2 changes nothing"), "{}", stopped.log);
    assert!(!stopped.log.contains("the model was loaded"), "{}", stopped.log);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_folder_says_what_is_served_calls_do_not() {
    let place = Place::new(1, &[0.5]);
    for (control, settings) in [
        ("poll", &[("MODELS__WATCH_SECONDS", "1")][..]),
        ("none", &[("MODELS__CONTROL", "none")]),
    ] {
        let server = allowed(&place, settings);
        let mut admin = admin(&server);
        let refusals = [
            admin
                .load_model(v1::LoadModelRequest {
                    model: model("tiny", 1),
                })
                .await
                .unwrap_err(),
            admin
                .unload_model(v1::UnloadModelRequest {
                    model: model("tiny", 1),
                })
                .await
                .unwrap_err(),
            admin
                .reload_model(v1::ReloadModelRequest {
                    model: model("tiny", 1),
                })
                .await
                .unwrap_err(),
        ];
        for refused in refusals {
            let expected = (Code::FailedPrecondition, "MODEL_CONTROL_NOT_EXPLICIT", "");
            crate::grpc_calls::assert_refused(&refused, expected, control);
            let message = refused.message();
            assert!(
                message.contains(&format!("models.control is \"{control}\"")) && message.contains("explicit"),
                "{message}"
            );
        }
        // The status call still works.
        let asked = v1::GetModelStatusRequest::default();
        let answer = admin.get_model_status(asked).await.unwrap().into_inner();
        assert_eq!(answer.models[0].state(), v1::ModelState::Ready);
        assert_eq!(server.stop().code, 0);
    }
}
