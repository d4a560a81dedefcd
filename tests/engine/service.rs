//! The engine: queue, deadlines, and panics of model threads.
//!
//! What would break: a panic that loses the model or the answers of other images, a full queue that accepts more,
//! a permit that is not released.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sagate::engine::{
    AdmissionLimits, BatchingPolicy, Comparison, Engine, EngineConfig, EngineError, Instances, ModelHandle,
    Observer, QueueLimits, QueueUsage, RequestContext, ServingPolicies, ServingPolicy, Slots,
    TimedSegmentation,
};
use sagate_core::executor::{ModelId, ModelSpec};
use sagate_core::model::Model;

use crate::binary::{Place, segment, waves_image};

/// Panics on the thread of the model, this number of times, at batches of at least this size.
#[derive(Default)]
struct Saboteur {
    left: AtomicUsize,
    least: AtomicUsize,
    seen: AtomicUsize,
    /// Held by tests to block the model before its next batch.
    hold: Mutex<()>,
}

impl Observer for Saboteur {
    fn loaded(&self, _: &ModelSpec) {}
    fn shadowed(&self, _: &ModelId, _: &Comparison) {}
    fn queue(&self, _: &ModelId, _: usize, _: u64) {}
    fn batch_begins(&self, _: &ModelId, images: usize) {
        drop(self.hold.lock().unwrap_or_else(PoisonError::into_inner));
        if images < self.least.load(Ordering::SeqCst) {
            return;
        }
        let take = |left: usize| left.checked_sub(1);
        if self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
        {
            panic!("sabotage");
        }
    }
    fn batch_ended(&self, _: &ModelId, _: Duration, _: Duration) {}
    fn sams(&self, _: &ModelId, _: Duration) {}
    fn ready(&self, _: &ModelId, _: bool) {}
    fn instances(&self, _: &ModelId, _: Instances) {}
    fn unloaded(&self, _: &ModelId) {}
    fn panicked(&self, _: &ModelId) {
        self.seen.fetch_add(1, Ordering::SeqCst);
    }
}

fn engine(place: &Place, entries: usize, bytes: u64, observer: Arc<Saboteur>) -> Engine {
    let model = Model::open(&place.path("models/tiny/1")).unwrap();
    let contract = Arc::new(ModelSpec::new(&model).unwrap());
    let setup = EngineConfig {
        placement: tch::Device::Cpu.into(),
        slots: Slots {
            count: 1,
            divisible: true,
        },
        memory: u64::MAX,
        admission: AdmissionLimits::same(QueueLimits { entries, bytes }),
        aging: Duration::from_secs(10),
        nice: 0,
        warm_up_sides: vec![48],
        serving: ServingPolicies {
            common: ServingPolicy {
                batching: BatchingPolicy {
                    max_batch: 4,
                    ..BatchingPolicy::default()
                },
                ..ServingPolicy::default()
            },
            ..ServingPolicies::default()
        },
        load_timeout: Duration::from_secs(200),
        strict_readiness: false,
    };
    let default = "tiny".parse().unwrap();
    Engine::start(vec![(model, contract)], default, setup, observer).unwrap()
}

async fn ready(engine: &Engine) -> Arc<ModelHandle> {
    let model = engine.find("", None).unwrap();
    model.ready().await.unwrap();
    model
}

async fn ask(
    model: &ModelHandle,
    seed: usize,
    deadline: Option<Instant>,
) -> Result<TimedSegmentation, EngineError> {
    let image = model.contract().prepare(waves_image(seed, 48, 48)).unwrap();
    let request_context = RequestContext {
        deadline,
        ..RequestContext::default()
    };
    let place = model.admit(image.bytes(), &request_context)?;
    model.segment(image, place, &request_context)?.wait().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_one_image_at_most() {
    let place = Place::new(1, &[0.5]);
    let saboteur = Arc::new(Saboteur::default());
    let engine = engine(&place, 64, 1 << 30, saboteur.clone());
    let model = ready(&engine).await;
    let expected = segment(&place.pass(), &waves_image(3, 48, 48)).mean_sa.mu;

    saboteur.left.store(1, Ordering::SeqCst);
    let alone = ask(&model, 3, None).await;
    assert!(matches!(alone, Err(EngineError::Panicked)), "{alone:?}");
    let model = ready(&engine).await;
    assert_eq!(saboteur.seen.load(Ordering::SeqCst), 1, "the thread was replaced");
    assert_eq!(
        ask(&model, 3, None).await.unwrap().segmentation.mean_sa.mu,
        expected
    );
    engine.stop().await;
    assert_eq!(model.usage(), QueueUsage::default());
    let refused = model.admit(1, &RequestContext::default()).map(drop);
    assert!(matches!(refused, Err(EngineError::Stopping)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_within_a_batch_costs_nobody_an_answer() {
    let place = Place::new(1, &[0.5]);
    let saboteur = Arc::new(Saboteur::default());
    let engine = engine(&place, 64, 1 << 30, saboteur.clone());
    let model = ready(&engine).await;
    let pass = place.pass();
    saboteur.least.store(2, Ordering::SeqCst);
    saboteur.left.store(1, Ordering::SeqCst);

    // All wait before the first is begun: they meet in batches.
    let pending: Vec<_> = {
        let _held = saboteur.hold.lock().unwrap();
        let queue = |seed| {
            let image = model.contract().prepare(waves_image(seed, 48, 48)).unwrap();
            let place = model.admit(image.bytes(), &RequestContext::default()).unwrap();
            model.segment(image, place, &RequestContext::default()).unwrap()
        };
        (0..7).map(queue).collect()
    };
    let mut batches = Vec::new();
    for (seed, pending) in pending.into_iter().enumerate() {
        let scored = pending.wait().await.unwrap();
        let expected = segment(&pass, &waves_image(seed, 48, 48)).mean_sa.mu;
        assert_eq!(scored.segmentation.mean_sa.mu, expected, "image {seed}");
        batches.push(scored.timing.images);
    }
    assert_eq!(saboteur.seen.load(Ordering::SeqCst), 1, "one batch panicked");
    let alone = batches.iter().filter(|&&images| images == 1).count();
    assert!(
        alone >= 2,
        "those of the batch that panicked ran alone: {batches:?}"
    );
    engine.stop().await;
    assert_eq!(model.usage(), QueueUsage::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_takes_no_more_and_gives_places_back() {
    let place = Place::new(1, &[0.5]);
    let engine = engine(&place, 2, 1000, Arc::default());
    let model = ready(&engine).await;
    let first = model.admit(400, &RequestContext::default()).unwrap();
    let second = model.admit(400, &RequestContext::default()).unwrap();
    match model.admit(1, &RequestContext::default()).map(drop) {
        Err(EngineError::QueueFull {
            entries,
            retry_seconds,
            ..
        }) => assert!(entries == 2 && retry_seconds > 0.0),
        other => panic!("{other:?}"),
    }
    let grown = second.grow(300);
    assert!(matches!(grown, Err(EngineError::QueueFull { .. })), "{grown:?}");
    let clone = first.clone();
    drop(first);
    assert_eq!(model.usage().entries, 2, "a clone still holds the place");
    drop(clone);
    second.grow(600).unwrap();
    assert_eq!(
        model.usage(),
        QueueUsage {
            entries: 1,
            bytes: 1000
        }
    );
    drop(second);
    let never = model.admit(1001, &RequestContext::default()).map(drop);
    assert!(
        matches!(never, Err(EngineError::TooLargeForQueue { limit: 1000, .. })),
        "{never:?}"
    );
    assert_eq!(model.usage(), QueueUsage::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_refused_and_leaves() {
    let place = Place::new(1, &[0.5]);
    let engine = engine(&place, 64, 1 << 30, Arc::default());
    let model = ready(&engine).await;
    let late = ask(&model, 1, Some(Instant::now())).await;
    assert!(matches!(late, Err(EngineError::DeadlineExceeded)), "{late:?}");
    let in_time = ask(&model, 1, Some(Instant::now() + Duration::from_secs(600))).await;
    in_time.unwrap();
    engine.stop().await;
    assert_eq!(model.usage(), QueueUsage::default());
}
