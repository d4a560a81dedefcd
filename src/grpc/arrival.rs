//! An image's way in: a place in the queue, then from bytes to the form that the model takes, off the threads that serve others.

use std::time::Instant;

use super::error::ServiceError;
use super::order::{self, Order};
use super::picture::Sent;
use super::service::Context;
use super::v1;
use crate::engine::{Place, Ready};
use crate::telemetry::{ImageCall, Phase, Phases};

/// Takes a request in: its id, which model it is for and what is wanted of it.
///
/// # Errors
/// The server takes nothing more, or the first field that is wrong.
pub(super) fn enter(
    context: &Context,
    request_id: String,
    options: Option<v1::SegmentationOptions>,
    call: &mut ImageCall,
) -> Result<(String, Order), ServiceError> {
    context.open()?;
    let request_id = order::request_id(request_id)?;
    call.request_id(&request_id);
    let order = order::order(options, &context.engine, &context.policy)?;
    call.model(order.hosted.contract().id());
    Ok((request_id, order))
}

/// An image that may wait for its model.
pub(super) struct Arrived {
    pub ready: Ready,
    pub place: Place,
    /// SHA-256 of the bytes as they were sent.
    pub hash: String,
    /// Millimetres per row step and per column step.
    pub spacing: [f64; 2],
}

/// Takes a place and decodes the image. `answer_bytes` says what its answer will take, given the prepared image and the number of
/// classes.
///
/// # Errors
/// The queue is full, or the image is wrong.
pub(super) async fn arrive(
    context: &Context,
    order: &Order,
    sent: Sent,
    phases: &mut Phases,
    call: &mut ImageCall,
    answer_bytes: impl FnOnce(&Ready, u64) -> u64,
) -> Result<Arrived, ServiceError> {
    let hosted = &order.hosted;
    let place = hosted.admit(sent.bytes())?;
    let decoders = context.decoders.clone();
    let decoder = decoders
        .acquire_owned()
        .await
        .map_err(|_| ServiceError::Internal)?;
    let (contract, limits) = (hosted.contract().clone(), context.limits);
    let held = place.clone();
    let begun = Instant::now();
    let decoding = tokio::task::spawn_blocking(move || {
        // Held until the work is done, even where nobody waits for it any more.
        let _held = (decoder, held);
        let hash = sent.hash();
        let decoded = sent.decode(contract.manifest(), &limits).map(|image| {
            let decoded_at = Instant::now();
            let ready = contract.prepare(&image).map_err(ServiceError::Engine);
            (ready, image.spacing, decoded_at)
        });
        (hash, decoded)
    });
    let (hash, decoded) = decoding.await.map_err(|_| ServiceError::Internal)?;
    call.image_hash(&hash);
    let (ready, spacing, decoded_at) = decoded?;
    phases.add(Phase::Decode, begun, decoded_at);
    phases.add(Phase::Preprocess, decoded_at, Instant::now());
    let ready = ready?;
    let classes = hosted.contract().manifest().classes.len() as u64;
    place.grow(ready.bytes() + answer_bytes(&ready, classes))?;
    Ok(Arrived {
        ready,
        place,
        hash,
        spacing,
    })
}

/// Runs work that takes a while on a thread of its own.
///
/// # Errors
/// It panicked.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::Internal)
}
