//! Loading and unloading without downtime: replacement, failed self-tests, canary and shadow versions.
//!
//! What would break: a request that is lost while its model is replaced, a broken version that answers, a shadow answer that is
//! returned, a canary that routes the same request id differently.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sagate::engine::{
    Canary, Comparison, DecodePermits, Engine, EngineError, ModelState, RequestContext, ServingPolicy,
    ShadowRun, Traffic,
};
use sagate_core::executor::ModelId;
use sagate_core::gate::Policy;
use sagate_core::model::{Golden, Model, refresh_checksums, write_golden};

use crate::engine_rig::{Rig, ask, image, open};

fn id(version: u32) -> ModelId {
    ModelId {
        name: "tiny".into(),
        version,
    }
}

/// A copy of version 1 under another version number.
fn copy_version(rig: &Rig, version: u32) -> PathBuf {
    crate::tiny_model::copy_version(&rig.place.path("models"), "tiny", version)
}

/// A golden image with the correct or a wrong answer.
fn golden(rig: &Rig, off_by: f64) -> Golden {
    let image = crate::binary::waves_image(5, 64, 64);
    let seen = crate::binary::segment(&rig.place.pass(), &image);
    Golden {
        labels: seen.labels,
        mu: (seen.mean_sa.mu + off_by).max(0.0),
        image,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_replaced_without_a_gap() {
    let rig = Rig::new(&["tiny"], |_| {});
    rig.ready("tiny").await;
    let stop = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|seed| {
            let (engine, stop) = (rig.engine.clone(), stop.clone());
            tokio::spawn(async move {
                let mut answers = 0;
                while !stop.load(Ordering::SeqCst) {
                    let model = engine.find("tiny", None).unwrap();
                    ask(&model, &image(&model, seed, 48), &RequestContext::default())
                        .await
                        .unwrap();
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for _ in 0..5 {
        let (model, contract) = open(&rig.place, "tiny", 1);
        rig.engine.load(model, contract).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    for answers in asking {
        assert!(answers.await.unwrap() > 0);
    }
    let states = rig.observer.readiness.lock().unwrap().clone();
    let ready = states.iter().position(|(_, ready)| *ready).unwrap();
    assert!(
        states[ready..].iter().all(|(_, ready)| *ready),
        "it was ready all the time: {states:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_its_self_test_never_answers() {
    let rig = Rig::new(&["tiny"], |_| {});
    rig.ready("tiny").await;
    let folder = copy_version(&rig, 2);
    write_golden(&folder, &golden(&rig, 0.2)).unwrap();
    let (model, contract) = open(&rig.place, "tiny", 2);
    match rig.engine.load(model, contract).await.map(drop) {
        Err(EngineError::NotLoaded { reason, .. }) => assert!(reason.contains("golden one"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.engine.find("tiny", None).unwrap().contract().id(), &id(1));
    assert!(matches!(
        rig.engine.find("tiny", Some(2)).map(drop),
        Err(EngineError::UnknownModel { .. })
    ));
    // With what it does say, it answers.
    write_golden(&folder, &golden(&rig, 0.0)).unwrap();
    let (model, contract) = open(&rig.place, "tiny", 2);
    rig.engine.load(model, contract).await.unwrap();
    assert_eq!(rig.engine.find("tiny", None).unwrap().contract().id(), &id(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_golden_file_that_is_damaged_is_told_of() {
    let rig = Rig::new(&["tiny"], |_| {});
    let folder = rig.place.path("models/tiny/1");
    write_golden(&folder, &golden(&rig, 0.0)).unwrap();
    assert_eq!(
        Model::open(&folder).unwrap().golden().unwrap(),
        Some(golden(&rig, 0.0))
    );
    std::fs::write(folder.join("golden.safetensors"), b"nonsense").unwrap();
    refresh_checksums(&folder).unwrap();
    let error = Model::open(&folder).unwrap().golden().unwrap_err().to_string();
    assert!(
        error.contains("golden.safetensors") && error.contains("image"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_not_found_and_ends_its_work() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    let mut state = model.watch();
    let held = rig.observer.hold();
    let pending = crate::engine_rig::queue(&model, &image(&model, 0, 48), &RequestContext::default());
    rig.engine.unload(&id(1)).await.unwrap();
    assert!(matches!(
        rig.engine.find("tiny", None).map(drop),
        Err(EngineError::UnknownModel { .. })
    ));
    drop(held);
    pending.wait().await.unwrap();
    assert_eq!(
        rig.observer.readiness.lock().unwrap().last(),
        Some(&(id(1), false))
    );
    drop(model);
    state
        .wait_for(|state| *state == ModelState::Stopped)
        .await
        .unwrap();
    let again = rig.engine.unload(&id(1)).await;
    assert!(
        matches!(again, Err(EngineError::UnknownModel { .. })),
        "{again:?}"
    );
}

async fn with_second(traffic: Traffic) -> Rig {
    let rig = Rig::new(&["tiny"], |setup| {
        let serving = ServingPolicy {
            traffic,
            ..ServingPolicy::default()
        };
        setup.serving.models.insert("tiny".into(), serving);
    });
    rig.ready("tiny").await;
    copy_version(&rig, 2);
    let (model, contract) = open(&rig.place, "tiny", 2);
    rig.engine.load(model, contract).await.unwrap();
    rig
}

fn takes(engine: &Engine, request_id: &str) -> u32 {
    engine
        .route("tiny", None, request_id)
        .unwrap()
        .model
        .contract()
        .id()
        .version
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_takes_its_share_always_the_same() {
    let canary = Canary {
        version: 2,
        share: 0.25,
    };
    let rig = with_second(Traffic {
        canary: Some(canary),
        ..Traffic::default()
    })
    .await;
    let ids: Vec<String> = (0..2000).map(|number| format!("request-{number}")).collect();
    let first: Vec<u32> = ids.iter().map(|id| takes(&rig.engine, id)).collect();
    let share = first.iter().filter(|version| **version == 2).count();
    assert!((420..=580).contains(&share), "{share} of 2000");
    assert_eq!(
        first,
        ids.iter().map(|id| takes(&rig.engine, id)).collect::<Vec<_>>()
    );
    let named = rig.engine.route("tiny", Some(1), &ids[0]).unwrap();
    assert_eq!(named.model.contract().id(), &id(1), "who names a version gets it");
    rig.engine.unload(&id(2)).await.unwrap();
    assert!(
        ids.iter().all(|id| takes(&rig.engine, id) == 1),
        "without the canary the other takes all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_compared_and_never_answers() {
    let rig = with_second(Traffic {
        shadow: Some(2),
        ..Traffic::default()
    })
    .await;
    let route = rig.engine.route("tiny", None, "any").unwrap();
    assert_eq!(route.model.contract().id(), &id(1));
    let shadow = route.shadow.unwrap();
    assert_eq!(shadow.contract().id(), &id(2));
    let waves = crate::binary::waves_image(3, 48, 48);
    let shadow_run = ShadowRun::admit(shadow, &waves, 0);
    let ready = route.model.contract().prepare(waves).unwrap();
    let answer = ask(&route.model, &ready, &RequestContext::default())
        .await
        .unwrap()
        .segmentation;
    let policy = Policy {
        by: sagate_core::gate::By::Mu,
        coverage: None,
        threshold: None,
        allowed_coverage: [0.0, 1.0],
        allowed_threshold: [0.0, 1.0],
        accept_empty: false,
        accept_uncalibrated: false,
    };
    let accepted = route.model.contract().decide(&answer, &policy).accept;
    let permits = DecodePermits::new(1, std::time::Duration::ZERO);
    shadow_run.compare(permits, answer, accepted, policy).await;
    let comparisons = rig.observer.comparisons.lock().unwrap().clone();
    let same = Comparison::Seen {
        same_decision: true,
        mu_difference: 0.0,
        mask_dice: 1.0,
    };
    assert_eq!(comparisons, [(id(2), same)]);
}
