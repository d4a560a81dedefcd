//! Admission of an image: a queue permit, decoding and preprocessing off the async threads, then the model's queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use ndarray::Axis;
use sagate_core::executor::{ModelSpec, PreparedImage};
use sagate_core::imaging::Image;

use super::caller::Caller;
use super::grid::Grid;
use super::image_input::ImagePayload;
use super::validate;
use super::validate::RequestSpec;
use crate::engine::{DecodeSize, EngineError, ModelHandle, QueuePermit, ShadowRun};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::proto::v1;
use crate::telemetry::{ImageCall, Phase, Phases};

/// Validates a request: its id, its model and its options.
///
/// # Errors
/// The server is draining, or the first invalid field.
pub(crate) fn validate_request(
    context: &Context,
    request_id: String,
    options: Option<v1::SegmentationOptions>,
    caller: &Caller,
    call: &mut ImageCall,
) -> Result<RequestSpec, ServiceError> {
    context.check_accepting()?;
    let request_id = validate::request_id(request_id)?;
    call.request_id(&request_id);
    validate::parse_request(context, caller, request_id, &options.unwrap_or_default())
}

/// An image in its model's queue.
pub(crate) struct AdmittedImage<T> {
    /// Handle to wait for the result with.
    pub pending: T,
    pub queue_permit: QueuePermit,
    /// The run of the shadow version on the same image, if there is one.
    pub shadow_run: Option<ShadowRun>,
    /// SHA-256 of the bytes as they were sent.
    pub hash: String,
    /// Its pixel grid.
    pub grid: Grid,
}

/// Admits the image, decodes it and enqueues it. `answer_bytes` gives the size of its response from the prepared image and the number
/// of classes; `queue` enqueues it from the thread that decoded it.
///
/// # Errors
/// The queue is full, the deadline cannot be met, or the image is invalid.
pub(crate) async fn admit_and_decode<T: Send + 'static>(
    context: &Context,
    spec: &RequestSpec,
    payload: ImagePayload,
    phases: &mut Phases,
    call: &mut ImageCall,
    answer_bytes: impl Fn(&PreparedImage, u64) -> u64 + Send + 'static,
    queue: impl FnOnce(&ModelHandle, PreparedImage, QueuePermit) -> Result<T, EngineError> + Send + 'static,
) -> Result<AdmittedImage<T>, ServiceError> {
    let model = &spec.model;
    let request_context = &spec.request_context;
    let queue_permit = model.admit(payload.bytes(), request_context)?;
    let size = DecodeSize {
        bytes: payload.bytes(),
        is_file: payload.values().is_none(),
    };
    let permits = &context.decode_permits;
    let permit = permits
        .acquire(size, request_context.priority, request_context.deadline)
        .await?;
    let (model, held) = (model.clone(), queue_permit.clone());
    let (limits, imaging) = (context.limits, context.imaging);
    let shadow = spec.shadow.clone();
    let started = Instant::now();
    let inline = payload
        .values()
        .is_some_and(|values| values <= MAX_INLINE_DECODE_VALUES);
    let decode = move || {
        let bytes = payload.clone();
        let model_spec = model.contract();
        let decoded = payload
            .decode(model_spec.manifest(), &limits, imaging)
            .map(|image| {
                let decoded_at = Instant::now();
                let grid = Grid::of(&image);
                // Only admitted here: the shadow runs after the response was sent.
                let shadow_run = shadow.map(|shadow| {
                    let answer_bytes = shadow_answer_bytes(&image, shadow.contract());
                    ShadowRun::admit(shadow, &image, answer_bytes)
                });
                let ready = model_spec.prepare(image);
                let prepared_at = Instant::now();
                let pending = ready.map_err(EngineError::from).and_then(|ready| {
                    let classes = model_spec.manifest().classes.len() as u64;
                    held.grow(ready.bytes() + answer_bytes(&ready, classes))?;
                    queue(&model, ready, held)
                });
                (pending, grid, decoded_at, prepared_at, shadow_run)
            });
        // Held until the work is done, even if the caller is gone.
        permit.decoded();
        // Hashed last: the model already works on the image.
        (bytes.hash(), decoded)
    };
    let (hash, decoded) = run_inline_or_blocking(inline, decode).await?;
    call.image_hash(&hash);
    let (pending, grid, decoded_at, prepared_at, shadow_run) = decoded?;
    phases.add(Phase::Decode, started, decoded_at);
    phases.add(Phase::Preprocess, decoded_at, prepared_at);
    Ok(AdmittedImage {
        pending: pending?,
        queue_permit,
        shadow_run,
        hash,
        grid,
    })
}

/// Bytes of a shadow's result until it is compared: per pixel a probability for each class and a label.
fn shadow_answer_bytes(image: &Image, shadow: &ModelSpec) -> u64 {
    let [height, width] = [1, 2].map(|axis| image.pixels.len_of(Axis(axis)) as u64);
    height * width * (4 * shadow.manifest().classes.len() as u64 + 1)
}

/// Largest tensors, in values, that are decoded or encoded on the async thread: a few tenths of a millisecond, less than the hand-over
/// to a blocking thread takes.
const MAX_INLINE_DECODE_VALUES: usize = 1 << 17;
const MAX_INLINE_ENCODE_VALUES: usize = 1 << 19;

/// Encodes so many values: few inline, more on a blocking thread.
///
/// # Errors
/// The work panicked.
pub(crate) async fn encode<T: Send + 'static>(
    values: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    run_inline_or_blocking(values <= MAX_INLINE_ENCODE_VALUES, work).await
}

/// Runs work inline, or on tokio's blocking thread pool.
///
/// # Errors
/// The work panicked.
async fn run_inline_or_blocking<T: Send + 'static>(
    inline: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ServiceError> {
    if inline {
        return catch_unwind(AssertUnwindSafe(work)).map_err(|_| ServiceError::Internal);
    }
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::Internal)
}
