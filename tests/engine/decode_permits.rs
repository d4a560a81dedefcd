//! Decode permits: the most urgent image first, whatever the queue length, and early refusal of late ones.
//!
//! What would break: an urgent image that waits behind a study of hundreds, or is refused only at its deadline.

use std::time::{Duration, Instant};

use sagate::engine::{DecodePermit, DecodePermits, DecodeSize, EngineError, Priority};
use tokio::task::JoinHandle;

const NEVER: Duration = Duration::ZERO;

fn file(bytes: u64) -> DecodeSize {
    DecodeSize { bytes, is_file: true }
}

/// Starts to wait for a permit in the background; returns once it waits.
async fn queue(permits: &DecodePermits, priority: Priority) -> JoinHandle<DecodePermit> {
    let before = permits.waiting();
    let waiting = {
        let permits = permits.clone();
        tokio::spawn(async move { permits.acquire(file(1), priority, None).await.unwrap() })
    };
    while permits.waiting() == before {
        tokio::task::yield_now().await;
    }
    waiting
}

/// The order in which waiting images get their permits, one after the other.
async fn order(
    first: DecodePermit,
    waiting: Vec<(&'static str, JoinHandle<DecodePermit>)>,
) -> Vec<&'static str> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    for (name, waiting) in waiting {
        let sender = sender.clone();
        tokio::spawn(async move {
            let permit = waiting.await.unwrap();
            sender.send(name).unwrap();
            drop(permit);
        });
    }
    drop(sender);
    drop(first);
    let mut order = Vec::new();
    while let Some(name) = receiver.recv().await {
        order.push(name);
    }
    order
}

#[tokio::test]
async fn the_most_urgent_decodes_next_and_equals_in_their_order() {
    let permits = DecodePermits::new(1, NEVER);
    let first = permits.acquire(file(1), Priority::Batch, None).await.unwrap();
    let mut waiting = Vec::new();
    for (name, priority) in [
        ("shadow", Priority::Shadow),
        ("batch 1", Priority::Batch),
        ("batch 2", Priority::Batch),
        ("routine", Priority::Routine),
        ("urgent", Priority::Urgent),
    ] {
        waiting.push((name, queue(&permits, priority).await));
    }
    let order = order(first, waiting).await;
    assert_eq!(order, ["urgent", "routine", "batch 1", "batch 2", "shadow"]);
}

#[tokio::test]
async fn a_batch_image_that_has_waited_counts_as_routine() {
    let aging = Duration::from_millis(20);
    let permits = DecodePermits::new(1, aging);
    let first = permits.acquire(file(1), Priority::Routine, None).await.unwrap();
    let old = queue(&permits, Priority::Batch).await;
    tokio::time::sleep(2 * aging).await;
    let routine = queue(&permits, Priority::Routine).await;
    let urgent = queue(&permits, Priority::Urgent).await;
    let order = order(
        first,
        vec![("old", old), ("routine", routine), ("urgent", urgent)],
    )
    .await;
    assert_eq!(order, ["urgent", "old", "routine"]);
}

#[tokio::test]
async fn who_would_be_late_is_refused_at_once_and_the_urgent_are_not() {
    let permits = DecodePermits::new(1, NEVER);
    // A byte takes a tenth of a second or more.
    let measured = permits.acquire(file(1), Priority::Routine, None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    measured.decoded();
    let first = permits.acquire(file(1), Priority::Routine, None).await.unwrap();
    let mut study = Vec::new();
    for _ in 0..40 {
        study.push(queue(&permits, Priority::Batch).await);
    }
    let within = |seconds| Some(Instant::now() + Duration::from_secs_f64(seconds));
    let late = permits.acquire(file(1), Priority::Batch, within(2.0)).await;
    let Err(EngineError::NotInTime { expected_seconds, .. }) = late.map(drop) else {
        panic!("what goes before it takes 4 s");
    };
    assert!(expected_seconds >= 4.0, "{expected_seconds}");
    let urgent = permits.acquire(file(1), Priority::Urgent, within(2.0));
    let (urgent, ()) = tokio::join!(urgent, async { drop(first) });
    urgent.unwrap();
}

#[tokio::test]
async fn a_permit_of_who_went_away_goes_to_the_next() {
    let permits = DecodePermits::new(1, NEVER);
    let first = permits.acquire(file(1), Priority::Routine, None).await.unwrap();
    let gone = queue(&permits, Priority::Urgent).await;
    let next = queue(&permits, Priority::Routine).await;
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!(permits.waiting(), 1);
    drop(first);
    drop(next.await.unwrap());
    // It is free again.
    permits.acquire(file(1), Priority::Batch, None).await.unwrap();
}
