//! An image's way in: a place in the queue, then from bytes to the form that the model takes, off the threads that serve others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use ndarray::Axis;
use sagate_core::executor::{ModelSpec, PreparedImage};
use sagate_core::imaging::Image;

use super::caller::Caller;
use super::grid::Grid;
use super::image_input::Sent;
use super::validate;
use super::validate::Order;
use crate::engine::{DecodeSize, EngineError, ModelHandle, QueuePermit, ShadowRun};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::proto::v1;
use crate::telemetry::{ImageCall, Phase, Phases};

/// Takes a request in: its id, which model it is for and what is wanted of it.
///
/// # Errors
/// The server takes nothing more, or the first field that is wrong.
pub(crate) fn enter(
    context: &Context,
    request_id: String,
    options: Option<v1::SegmentationOptions>,
    caller: &Caller,
    call: &mut ImageCall,
) -> Result<Order, ServiceError> {
    context.open()?;
    let request_id = validate::request_id(request_id)?;
    call.request_id(&request_id);
    validate::order(context, caller, request_id, &options.unwrap_or_default())
}

/// An image that waits for its model.
pub(crate) struct Arrived<T> {
    /// What it is waited for with.
    pub pending: T,
    pub place: QueuePermit,
    /// A shadow version that will run on it as well.
    pub shadow_run: Option<ShadowRun>,
    /// SHA-256 of the bytes as they were sent.
    pub hash: String,
    /// Where its pixels lie.
    pub grid: Grid,
}

/// Takes a place, decodes the image and queues it. `answer_bytes` says what its answer will take, given the prepared image and the
/// number of classes; `queue` puts it into the model's queue, from the thread that decoded it.
///
/// # Errors
/// The queue is full, the image cannot be done in its time, or it is wrong.
pub(crate) async fn arrive<T: Send + 'static>(
    context: &Context,
    order: &Order,
    sent: Sent,
    phases: &mut Phases,
    call: &mut ImageCall,
    answer_bytes: impl Fn(&PreparedImage, u64) -> u64 + Send + 'static,
    queue: impl FnOnce(&ModelHandle, PreparedImage, QueuePermit) -> Result<T, EngineError> + Send + 'static,
) -> Result<Arrived<T>, ServiceError> {
    let hosted = &order.hosted;
    let request_context = &order.request_context;
    let place = hosted.admit(sent.bytes(), request_context)?;
    let payload = DecodeSize {
        bytes: sent.bytes(),
        is_file: sent.values().is_none(),
    };
    let permits = &context.decode_permits;
    let permit = permits
        .acquire(payload, request_context.priority, request_context.deadline)
        .await?;
    let (hosted, held) = (hosted.clone(), place.clone());
    let (limits, imaging) = (context.limits, context.imaging);
    let shadow = order.shadow.clone();
    let begun = Instant::now();
    let at_once = sent.values().is_some_and(|values| values <= DECODED_AT_ONCE);
    let decode = move || {
        let bytes = sent.clone();
        let contract = hosted.contract();
        let decoded = sent.decode(contract.manifest(), &limits, imaging).map(|image| {
            let decoded_at = Instant::now();
            let grid = Grid::of(&image);
            // Only kept here: whatever the shadow does, it does after the answer was given.
            let shadow_run = shadow.map(|shadow| {
                let answer_bytes = shadow_answer_bytes(&image, shadow.contract());
                ShadowRun::admit(shadow, &image, answer_bytes)
            });
            let ready = contract.prepare(image);
            let prepared_at = Instant::now();
            let pending = ready.map_err(EngineError::from).and_then(|ready| {
                let classes = contract.manifest().classes.len() as u64;
                held.grow(ready.bytes() + answer_bytes(&ready, classes))?;
                queue(&hosted, ready, held)
            });
            (pending, grid, decoded_at, prepared_at, shadow_run)
        });
        // Held until the work is done, even where nobody waits for it any more.
        permit.decoded();
        // The model is at work already.
        (bytes.hash(), decoded)
    };
    let (hash, decoded) = done(at_once, decode).await?;
    call.image_hash(&hash);
    let (pending, grid, decoded_at, prepared_at, shadow_run) = decoded?;
    phases.add(Phase::Decode, begun, decoded_at);
    phases.add(Phase::Preprocess, decoded_at, prepared_at);
    Ok(Arrived {
        pending: pending?,
        place,
        shadow_run,
        hash,
        grid,
    })
}

/// Bytes that a shadow's answer takes until it is compared: a probability for each class and a label, of each pixel.
fn shadow_answer_bytes(image: &Image, shadow: &ModelSpec) -> u64 {
    let [height, width] = [1, 2].map(|axis| image.pixels.len_of(Axis(axis)) as u64);
    height * width * (4 * shadow.manifest().classes.len() as u64 + 1)
}

/// Values of a tensor that are prepared, and values that are turned into bytes, before whoever waits for the same thread would notice:
/// a few tenths of a millisecond, and less than another thread takes to wake up and to answer.
const DECODED_AT_ONCE: usize = 1 << 17;
const ENCODED_AT_ONCE: usize = 1 << 19;

/// Turns so many values into bytes: a few at once, more on a thread that nobody waits for.
///
/// # Errors
/// It panicked.
pub(crate) async fn encoded<T: Send + 'static>(
    values: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    done(values <= ENCODED_AT_ONCE, work).await
}

/// Does work here, or on a thread that nobody waits for.
async fn done<T: Send + 'static>(
    at_once: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    if at_once {
        return catch_unwind(AssertUnwindSafe(work)).map_err(|_| ServiceError::Internal);
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::Internal)
}
