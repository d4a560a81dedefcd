//! Runs the images of a request through the pipeline, and combines the results into one response.

use std::sync::Arc;
use std::time::Instant;

use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answer;
use super::answer::ImageResult;
use super::inference_spec::InferenceSpec;
use crate::engine::QueuePermit;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::pipeline::admit::encode;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::transport::outgoing::Permit;
use crate::grpc::transport::receive::Charge;
use crate::grpc::v1::{interpret, segment};
use crate::proto::inference::{ModelInferRequest, ModelInferResponse};
use crate::proto::v1;
use crate::telemetry::{Call, ImageCall, Phases};

/// One inference: the response, and the permit that it holds until it is written.
///
/// # Errors
/// An invalid request or image, or a failure of one image, which cancels the others.
pub(crate) async fn infer(
    context: &Arc<Context>,
    request: ModelInferRequest,
    caller: &Caller,
    call: &Call,
) -> Result<(ModelInferResponse, Permit), ServiceError> {
    let mut waiting = context.receiving.charge(caller.client.key());
    let read = context
        .check_accepting()
        .and_then(|()| InferenceSpec::parse(context, request, caller));
    // Until admission, its images are charged to the receive budget.
    let charged = read.and_then(|inference| {
        waiting
            .add(inference.images.iter().map(bytes).sum())
            .map(|()| inference)
    });
    let inference = match charged {
        Ok(inference) => inference,
        Err(error) => {
            call.image().failed(error.code(), error.reason(), Phases::begin());
            return Err(error);
        }
    };
    let (outputs, id) = (inference.outputs.clone(), inference.id.clone());
    let (results, queue_permits): (Vec<ImageResult>, Vec<QueuePermit>) =
        run_images(context, inference, waiting, call)
            .await?
            .into_iter()
            .unzip();
    let max_bytes = context.limits.max_bytes;
    let values = answer::bytes(&outputs, &results, max_bytes)?;
    let answer = encode(values, move || answer::answer(id, &outputs, results)).await??;
    let permit = Permit {
        queue_permits,
        window: None,
    };
    Ok((answer, permit))
}

/// Bytes of an image as received.
fn bytes(image: &v1::Image) -> usize {
    match &image.source {
        None => 0,
        Some(v1::image::Source::Tensor(tensor)) => tensor.data.len(),
        Some(v1::image::Source::File(file)) => file.data.len(),
    }
}

/// Runs every image, at most a stream's window of them concurrently, so that they can share batches.
async fn run_images(
    context: &Arc<Context>,
    mut inference: InferenceSpec,
    unadmitted: Charge,
    call: &Call,
) -> Result<Vec<(ImageResult, QueuePermit)>, ServiceError> {
    let mut unadmitted = Some(unadmitted);
    let images = std::mem::take(&mut inference.images);
    let count = images.len();
    let inference = Arc::new(inference);
    let mut work = JoinSet::new();
    let mut waiting = images.into_iter().enumerate();
    let mut results: Vec<Option<(ImageResult, QueuePermit)>> = (0..count).map(|_| None).collect();
    loop {
        while work.len() < context.settings.stream_window {
            let Some((index, image)) = waiting.next() else {
                drop(unadmitted.take());
                break;
            };
            let (context, inference, call) = (context.clone(), inference.clone(), call.image());
            work.spawn(async move { (index, run_image(&context, &inference, image, call).await) });
        }
        let Some(done) = work.join_next().await else {
            break;
        };
        let (index, answer) = done.map_err(|_| ServiceError::Internal)?;
        results[index] = Some(answer.map_err(|error| error.of_image(index, count))?);
    }
    results
        .into_iter()
        .map(|answer| answer.ok_or(ServiceError::Internal))
        .collect()
}

/// Runs one image.
async fn run_image(
    context: &Arc<Context>,
    inference: &InferenceSpec,
    image: v1::Image,
    call: ImageCall,
) -> Result<(ImageResult, QueuePermit), ServiceError> {
    let image = Some(image);
    let Some(layers) = inference.layers() else {
        let (answer, queue_permit) = segment::segment_as(context, &inference.spec, image, call).await?;
        let result = ImageResult {
            segmentation: answer.segmentation.ok_or(ServiceError::Internal)?,
            layers: Vec::new(),
        };
        return Ok((result, queue_permit));
    };
    let input = interpret::InterpretInput {
        image,
        layers: Some(layers),
        units: Vec::new(),
    };
    let spec = inference.spec.clone();
    let (sender, mut parts) = mpsc::channel(interpret::WAITING);
    let work = async move {
        // Dropping the sender at the end closes `parts`.
        interpret::interpret_as(context, spec, input, call, &sender, Instant::now()).await
    };
    let gather = async {
        let (mut segmentation, mut layers, mut queue_permit) = (None, Vec::new(), None);
        while let Some(Ok(mut part)) = parts.recv().await {
            queue_permit = part.permit.queue_permits.pop();
            match part.message.part {
                Some(v1::interpret_response::Part::Segmentation(it)) => segmentation = Some(it),
                Some(v1::interpret_response::Part::Layer(layer)) => layers.push(layer),
                Some(v1::interpret_response::Part::Units(_) | v1::interpret_response::Part::Summary(_))
                | None => {}
            }
        }
        (segmentation, layers, queue_permit)
    };
    let (ended, (segmentation, layers, queue_permit)) = tokio::join!(work, gather);
    ended?;
    let result = ImageResult {
        segmentation: segmentation.ok_or(ServiceError::Internal)?,
        layers,
    };
    let queue_permit = queue_permit.ok_or(ServiceError::Internal)?;
    let layers: usize = result.layers.iter().map(Message::encoded_len).sum();
    queue_permit.answered((result.segmentation.encoded_len() + layers) as u64);
    Ok((result, queue_permit))
}
