//! Scheduling: priorities without starvation, weighted sharing, deadlines that are met or refused at once, client limits, the memory budget,
//! and the maximum batching delay.
//!
//! What would break: an urgent image that waits behind a study, a study that never runs, a refusal that comes after the deadline, one
//! client that takes every permit, an image that runs the machine out of memory.

#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/engine_rig/mod.rs"]
mod engine_rig;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_rig::{Rig, ask, image, queue};
use sagate::engine::{
    BatchingPolicy, ClientId, EngineError, InterpretationPlan, ModelHandle, PendingSegmentation, Priority,
    QueueLimits, RequestContext, ServingPolicy, Slots,
};
use sagate_core::executor::PreparedImage;

fn of(priority: Priority) -> RequestContext {
    RequestContext {
        priority,
        ..RequestContext::default()
    }
}

/// The order in which images began to run.
async fn order(pending: Vec<(&'static str, PendingSegmentation)>) -> Vec<&'static str> {
    let mut begun = Vec::new();
    for (name, pending) in pending {
        begun.push((pending.wait().await.unwrap().timing.begun, name));
    }
    begun.sort();
    begun.into_iter().map(|(_, name)| name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_more_urgent_goes_first_and_equals_in_their_order() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 48), &RequestContext::default());
    rig.observer.until_held().await;
    let pending = [
        ("batch", Priority::Batch),
        ("routine 1", Priority::Routine),
        ("routine 2", Priority::Routine),
        ("urgent", Priority::Urgent),
    ]
    .map(|(name, priority)| (name, queue(&model, &image(&model, 1, 48), &of(priority))));
    drop(held);
    first.wait().await.unwrap();
    let ran = order(pending.into()).await;
    assert_eq!(ran, ["urgent", "routine 1", "routine 2", "batch"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_image_that_has_waited_counts_as_routine_and_never_as_urgent() {
    let rig = Rig::new(&["tiny"], |setup| setup.aging = Duration::from_millis(20));
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 48), &RequestContext::default());
    rig.observer.until_held().await;
    let old = queue(&model, &image(&model, 1, 48), &of(Priority::Batch));
    // Three times as long as an image waits for one class more.
    tokio::time::sleep(Duration::from_millis(60)).await;
    let routine = queue(&model, &image(&model, 1, 48), &of(Priority::Routine));
    let urgent = queue(&model, &image(&model, 1, 48), &of(Priority::Urgent));
    drop(held);
    first.wait().await.unwrap();
    let ran = order(vec![("old", old), ("routine", routine), ("urgent", urgent)]).await;
    assert_eq!(ran, ["urgent", "old", "routine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadows_image_goes_last_however_long_it_has_waited() {
    let rig = Rig::new(&["tiny"], |setup| setup.aging = Duration::from_millis(1));
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 48), &RequestContext::default());
    rig.observer.until_held().await;
    let shadow = queue(&model, &image(&model, 1, 48), &of(Priority::Shadow));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let batch = queue(&model, &image(&model, 1, 48), &of(Priority::Batch));
    drop(held);
    first.wait().await.unwrap();
    let ran = order(vec![("shadow", shadow), ("batch", batch)]).await;
    assert_eq!(ran, ["batch", "shadow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_share_the_device_by_their_weights() {
    let rig = Rig::new(&["heavy", "light"], |setup| {
        let weighted = |weight| ServingPolicy {
            weight,
            ..ServingPolicy::default()
        };
        setup.serving.models.insert("heavy".into(), weighted(3.0));
        setup.serving.models.insert("light".into(), weighted(1.0));
    });
    let (heavy, light) = (rig.ready("heavy").await, rig.ready("light").await);
    let held = rig.observer.hold();
    let first = queue(&heavy, &image(&heavy, 0, 48), &RequestContext::default());
    rig.observer.until_held().await;
    let side = 128;
    let many = |model: &Arc<ModelHandle>, name| {
        let image = image(model, 1, side);
        let pending = (0..40).map(|_| (name, queue(model, &image, &RequestContext::default())));
        pending.collect::<Vec<_>>()
    };
    let mut pending = many(&light, "light");
    pending.extend(many(&heavy, "heavy"));
    drop(held);
    first.wait().await.unwrap();
    // As long as both have work: of the first 32 some 24 are the heavy one's.
    let ran = order(pending).await;
    let heavies = ran[..32].iter().filter(|name| **name == "heavy").count();
    assert!((19..=29).contains(&heavies), "{heavies} of 32: {ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_in_time_is_refused_at_once() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let waiting: Vec<_> = (0..64)
        .map(|_| queue(&model, &image(&model, 0, 256), &RequestContext::default()))
        .collect();
    rig.observer.until_held().await;
    let request_context = RequestContext {
        deadline: Some(Instant::now() + Duration::from_millis(20)),
        ..RequestContext::default()
    };
    match ask(&model, &image(&model, 1, 256), &request_context).await {
        Err(EngineError::NotInTime {
            expected_seconds,
            left_seconds,
            retry_seconds,
        }) => {
            assert!(expected_seconds > left_seconds && left_seconds <= 0.02);
            assert!(retry_seconds >= 0.01);
        }
        other => panic!("{other:?}"),
    }
    // The urgent do not wait for these.
    let urgent = RequestContext {
        priority: Priority::Urgent,
        deadline: Some(Instant::now() + Duration::from_secs(60)),
        ..RequestContext::default()
    };
    let urgent = queue(&model, &image(&model, 1, 256), &urgent);
    drop(held);
    urgent.wait().await.unwrap();
    for pending in waiting {
        pending.wait().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_in_the_queue_leaves_it_at_that_moment() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 48), &RequestContext::default());
    rig.observer.until_held().await;
    let before = model.usage();
    let request_context = RequestContext {
        deadline: Some(Instant::now() + Duration::from_millis(200)),
        ..RequestContext::default()
    };
    let late = ask(&model, &image(&model, 1, 48), &request_context).await;
    assert!(matches!(late, Err(EngineError::DeadlineExceeded)), "{late:?}");
    assert_eq!(
        model.usage(),
        before,
        "its place is free while the other still runs"
    );
    drop(held);
    first.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_does_not_take_every_place() {
    let rig = Rig::new(&["tiny"], |setup| {
        setup.admission.client = QueueLimits {
            entries: 2,
            bytes: 1 << 20,
        };
    });
    let model = rig.ready("tiny").await;
    let of = |name: &str| RequestContext {
        client: ClientId::new(name),
        ..RequestContext::default()
    };
    let places = [1, 2].map(|_| model.admit(10, &of("greedy")).unwrap());
    let refused = model.admit(10, &of("greedy")).map(drop).unwrap_err().to_string();
    assert!(refused.contains("this client's part"), "{refused}");
    model.admit(10, &of("other")).unwrap();
    drop(places);
    model.admit(10, &of("greedy")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_never_fits_into_memory_is_refused_with_the_figure() {
    let rig = Rig::new(&["tiny"], |setup| setup.memory = 24 << 20);
    let model = rig.ready("tiny").await;
    ask(&model, &image(&model, 0, 64), &RequestContext::default())
        .await
        .unwrap();
    match ask(&model, &image(&model, 0, 1024), &RequestContext::default()).await {
        Err(EngineError::TooLargeForMemory { size, bytes, budget }) => {
            assert_eq!((size, budget), ([1024, 1024], 24 << 20));
            assert!(bytes > budget);
        }
        other => panic!("{other:?}"),
    }
    // What fits goes on, if need be one after the other.
    let pending: Vec<_> = (0..6)
        .map(|_| queue(&model, &image(&model, 0, 128), &RequestContext::default()))
        .collect();
    for pending in pending {
        pending.wait().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_wait_for_company_and_no_longer_than_they_may() {
    let rig = Rig::new(&["tiny"], |setup| {
        setup.serving.common.batching = BatchingPolicy {
            max_batch: 8,
            max_wait: Duration::from_millis(400),
            preferred: vec![2, 4],
            bucket: 64,
        };
    });
    let model = rig.ready("tiny").await;
    let alone = Instant::now();
    let scored = ask(&model, &image(&model, 0, 48), &RequestContext::default())
        .await
        .unwrap();
    assert_eq!(scored.timing.images, 1);
    assert!(
        alone.elapsed() >= Duration::from_millis(400),
        "it waited for company"
    );
    // Two are a preferred size: nobody waits.
    let pair = [48, 60].map(|side| queue(&model, &image(&model, 1, side), &RequestContext::default()));
    for pending in pair {
        let scored = pending.wait().await.unwrap();
        assert_eq!(scored.timing.images, 2);
        assert!(scored.timing.begun - scored.timing.queued < Duration::from_millis(400));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_share_the_slots_and_answer_as_one_would() {
    let rig = Rig::new(&["tiny"], |setup| {
        setup.slots = Slots {
            count: 2,
            divisible: true,
        };
    });
    let model = rig.ready("tiny").await;
    let pass = rig.place.pass();
    let pending: Vec<_> = (0..24)
        .map(|seed| {
            (
                seed,
                queue(&model, &image(&model, seed, 96), &RequestContext::default()),
            )
        })
        .collect();
    for (seed, pending) in pending {
        let found = pending.wait().await.unwrap().segmentation;
        let expected = binary::segment(&pass, &binary::waves_image(seed, 96, 96));
        assert_eq!(*found, expected, "image {seed}");
    }
    rig.engine.stop().await;
}

/// Sets the cost estimate of the model (warmed up with 48 x 48) to a fifth of this number of seconds per image.
async fn slow_down(rig: &Rig, model: &Arc<ModelHandle>, seconds: f64) {
    let held = rig.observer.hold();
    let slow = queue(model, &image(model, 0, 48), &RequestContext::default());
    rig.observer.until_held().await;
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    drop(held);
    slow.wait().await.unwrap();
}

fn within(seconds: f64) -> RequestContext {
    RequestContext {
        deadline: Some(Instant::now() + Duration::from_secs_f64(seconds)),
        ..RequestContext::default()
    }
}

async fn must_be_refused_for_its_time(
    model: &Arc<ModelHandle>,
    image: &PreparedImage,
    request_context: &RequestContext,
) {
    match ask(model, image, request_context).await {
        Err(EngineError::NotInTime {
            expected_seconds,
            left_seconds,
            ..
        }) => assert!(expected_seconds > 0.5 * left_seconds),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_slot_is_no_use_where_the_models_only_instance_is_busy() {
    let rig = Rig::new(&["tiny"], |setup| {
        setup.slots = Slots {
            count: 2,
            divisible: false,
        };
        setup.serving.common.instances = 1;
    });
    let model = rig.ready("tiny").await;
    slow_down(&rig, &model, 2.0).await;
    let held = rig.observer.hold();
    // Some 1.6 s of work.
    let first = queue(&model, &image(&model, 0, 96), &RequestContext::default());
    rig.observer.until_held().await;
    must_be_refused_for_its_time(&model, &image(&model, 1, 16), &within(0.8)).await;
    drop(held);
    first.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_slot_is_no_use_where_the_memory_is_taken() {
    let one = {
        let rig = Rig::new(&["tiny"], |setup| setup.memory = 1);
        let model = rig.ready("tiny").await;
        match ask(&model, &image(&model, 0, 128), &RequestContext::default()).await {
            Err(EngineError::TooLargeForMemory { bytes, .. }) => bytes,
            other => panic!("{other:?}"),
        }
    };
    let rig = Rig::new(&["tiny"], |setup| {
        setup.slots = Slots {
            count: 2,
            divisible: false,
        };
        setup.serving.common.instances = 2;
        // For one image of 128 x 128, and not for two.
        setup.memory = one * 3 / 2;
    });
    let model = rig.ready("tiny").await;
    slow_down(&rig, &model, 2.0).await;
    let held = rig.observer.hold();
    // Some 2.8 s of work.
    let first = queue(&model, &image(&model, 0, 128), &RequestContext::default());
    rig.observer.until_held().await;
    // Some 2.8 s of work, for which there is time, and no memory before the first is done.
    must_be_refused_for_its_time(&model, &image(&model, 1, 128), &within(4.5)).await;
    drop(held);
    first.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_images_that_have_aged_are_counted_before_a_routine_one() {
    let rig = Rig::new(&["tiny"], |setup| setup.aging = Duration::from_millis(50));
    let model = rig.ready("tiny").await;
    slow_down(&rig, &model, 1.0).await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 16), &RequestContext::default());
    rig.observer.until_held().await;
    // Some 2.4 s of work.
    let old = [1, 2, 3].map(|seed| queue(&model, &image(&model, seed, 96), &of(Priority::Batch)));
    let urgent = RequestContext {
        priority: Priority::Urgent,
        ..within(1.0)
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    must_be_refused_for_its_time(&model, &image(&model, 4, 16), &within(1.0)).await;
    let urgent = queue(&model, &image(&model, 4, 16), &urgent);
    drop(held);
    first.wait().await.unwrap();
    urgent.wait().await.unwrap();
    for pending in old {
        pending.wait().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_image_that_was_held_up_counts_by_its_pixels() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let small = queue(&model, &image(&model, 0, 16), &RequestContext::default());
    rig.observer.until_held().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(held);
    small.wait().await.unwrap();
    // Some 1 s by all that was measured; by an average of seconds for a pixel it would be 7 s.
    ask(&model, &image(&model, 1, 96), &within(4.0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interpretation_is_counted_by_what_it_shows() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    let image = image(&model, 0, 48);
    let interpret = |layers: std::ops::RangeInclusive<usize>, request_context: &RequestContext| {
        let plan = InterpretationPlan {
            layers: layers.collect(),
            ..InterpretationPlan::default()
        };
        let place = model.admit(image.bytes(), request_context).unwrap();
        model.interpret(image.clone(), plan, place, request_context)
    };
    // The network's pass takes some 0.2 s, all layers some 3.6 s, which is as much for each.
    slow_down(&rig, &model, 1.0).await;
    let held = rig.observer.hold();
    let mut slow = interpret(1..=18, &RequestContext::default()).unwrap();
    rig.observer.until_held().await;
    tokio::time::sleep(Duration::from_secs_f64(3.6)).await;
    drop(held);
    while slow.next().await.unwrap().is_some() {}
    let all = interpret(1..=18, &within(1.5)).map(drop);
    assert!(matches!(all, Err(EngineError::NotInTime { .. })), "{all:?}");
    let mut one = interpret(3..=3, &within(1.5)).unwrap();
    while one.next().await.unwrap().is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_spent_on_what_would_come_too_late() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    slow_down(&rig, &model, 1.0).await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 16), &RequestContext::default());
    rig.observer.until_held().await;
    // Some 0.8 s of work, and time enough when it comes.
    let late = queue(&model, &image(&model, 1, 96), &within(2.0));
    tokio::time::sleep(Duration::from_secs_f64(1.6)).await;
    drop(held);
    first.wait().await.unwrap();
    match late.wait().await {
        Err(EngineError::NotInTime {
            expected_seconds,
            left_seconds,
            ..
        }) => assert!(expected_seconds > left_seconds),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.observer.begun(), 1, "the network ran for the first alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_no_larger_than_lets_each_be_in_time() {
    let rig = Rig::new(&["tiny"], |setup| setup.serving.common.batching.max_batch = 8);
    let model = rig.ready("tiny").await;
    slow_down(&rig, &model, 5.0).await;
    let held = rig.observer.hold();
    let first = queue(&model, &image(&model, 0, 16), &RequestContext::default());
    rig.observer.until_held().await;
    // Images of some 0.9 s each: by then one is done, and not two.
    let hasty = queue(&model, &image(&model, 1, 48), &within(1.7));
    let patient = [2, 3, 4].map(|seed| queue(&model, &image(&model, seed, 48), &RequestContext::default()));
    drop(held);
    first.wait().await.unwrap();
    assert_eq!(hasty.wait().await.unwrap().timing.images, 1);
    for pending in patient {
        assert_eq!(pending.wait().await.unwrap().timing.images, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_hour_is_not_held_against_images_for_ever() {
    let rig = Rig::new(&["tiny"], |_| {});
    let model = rig.ready("tiny").await;
    slow_down(&rig, &model, 1.5).await;
    let image = image(&model, 0, 48);
    let first = ask(&model, &image, &within(0.15)).await;
    assert!(matches!(first, Err(EngineError::NotInTime { .. })), "{first:?}");
    let mut refused = 1;
    while let Err(EngineError::NotInTime { .. }) = ask(&model, &image, &within(0.15)).await {
        refused += 1;
        assert!(refused < 500, "nothing is tried any more");
        // As callers do; and the model's thread must have ended with the image before.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// On one thread, which is blocked until both have happened: the answer and the timeout arrive together.
#[tokio::test]
async fn every_image_of_a_batch_that_ends_too_late_is_told_so() {
    let rig = Rig::new(&["tiny"], |setup| {
        setup.serving.common.batching = BatchingPolicy {
            max_batch: 2,
            max_wait: Duration::from_secs(10),
            preferred: vec![2],
            bucket: 0,
        };
    });
    let model = rig.ready("tiny").await;
    let held = rig.observer.hold();
    let pair = [1, 2].map(|seed| queue(&model, &image(&model, seed, 48), &within(2.0)));
    rig.observer.until_held().await;
    std::thread::sleep(Duration::from_secs_f64(2.1));
    drop(held);
    while model.usage().entries > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    for pending in pair {
        let late = pending.wait().await;
        assert!(matches!(late, Err(EngineError::DeadlineExceeded)), "{late:?}");
    }
}
