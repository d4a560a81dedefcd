//! Routing of Open Inference Protocol requests: one version for all images, named in the response.
//!
//! What would break: an answer whose masks come from two versions and which names one of them, or a server whose default is a version
//! and that answers with another.

use sagate::proto::inference::ModelInferRequest;

use crate::binary::{Place, floats, waves_image};
use crate::oip::{asks, client};
use crate::server::{SERVE, Server, serve};

const SIDE: usize = 32;

/// A folder with the versions 1 and 2 of the tiny model.
fn two_versions() -> Place {
    let place = Place::new(1, &[0.5]);
    crate::tiny_model::copy_version(&place.path("models"), crate::tiny_model::NAME, 2);
    place
}

/// A request of so many images, without an id.
fn images(count: usize) -> ModelInferRequest {
    let pixels = (0..count).flat_map(|seed| floats(waves_image(seed, SIDE, SIDE).pixels));
    asks(
        "IMAGE",
        "FP32",
        &[count as i64, 1, SIDE as i64, SIDE as i64],
        pixels.collect(),
    )
}

/// Images that a version was asked for, however they ended.
fn asked(server: &Server, version: u32) -> f64 {
    let label = format!("version=\"{version}\"");
    let metrics = server.get("/metrics").1;
    let of_version = metrics
        .lines()
        .filter(|line| line.starts_with("sagate_images_total{") && line.contains(&label));
    of_version
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_version_answers_all_images_of_a_request_and_is_the_one_that_is_named() {
    let place = two_versions();
    let settings = [
        ("SERVING__TINY__CANARY", "2"),
        ("SERVING__TINY__CANARY_SHARE", "0.5"),
    ];
    let server = serve(&place, &settings, &[]);
    let mut client = client(&server);
    let mut answered_by_canary = 0;
    // That all of these fall to one version happens once in half a million.
    for _ in 0..20 {
        let before = [1, 2].map(|version| asked(&server, version));
        let answer = client.model_infer(images(8)).await.unwrap().into_inner();
        assert_eq!(answer.id, "", "a request without an id is answered without one");
        let after = [1, 2].map(|version| asked(&server, version));
        let counted = [after[0] - before[0], after[1] - before[1]];
        let named = if answer.model_version == "2" {
            [0.0, 8.0]
        } else {
            [8.0, 0.0]
        };
        assert_eq!(counted, named, "version {} is named", answer.model_version);
        answered_by_canary += usize::from(answer.model_version == "2");
    }
    assert!(
        (1..20).contains(&answered_by_canary),
        "{answered_by_canary} of 20"
    );
    assert_eq!(server.stop().code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_that_names_a_version_answers_requests_that_name_no_model() {
    let place = two_versions();
    let arguments = [&SERVE[..], &["--models", "models", "--model", "tiny@1"]].concat();
    let server = Server::with(&mut place.bare(&arguments));
    let mut unnamed = images(2);
    unnamed.model_name.clear();
    let answer = client(&server).model_infer(unnamed).await.unwrap().into_inner();
    assert_eq!((&*answer.model_name, &*answer.model_version), ("tiny", "1"));
    assert_eq!([1, 2].map(|version| asked(&server, version)), [2.0, 0.0]);
    assert_eq!(server.stop().code, 0);
}
