//! A request's images on the way of all images, and their answers as one.

use std::sync::Arc;
use std::time::Instant;

use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answer;
use super::answer::Seen;
use super::ask::Ask;
use crate::engine::QueuePermit;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::pipeline::admit::encoded;
use crate::grpc::pipeline::caller::Caller;
use crate::grpc::transport::outgoing::Permit;
use crate::grpc::transport::receive::Charge;
use crate::grpc::v1::{interpret, segment};
use crate::proto::inference::{ModelInferRequest, ModelInferResponse};
use crate::proto::v1;
use crate::telemetry::{Call, ImageCall, Phases};

/// One inference: the answer, and the places that it holds until it is written.
///
/// # Errors
/// Whatever is wrong with the request or one of its images, or went wrong on the way: then the work on the others is given up.
pub(crate) async fn infer(
    context: &Arc<Context>,
    request: ModelInferRequest,
    caller: &Caller,
    call: &Call,
) -> Result<(ModelInferResponse, Permit), ServiceError> {
    let mut waiting = context.receiving.charge(caller.client.key());
    let read = context.open().and_then(|()| Ask::read(context, request, caller));
    // Until they are admitted, its images count as what is being received.
    let charged = read.and_then(|ask| waiting.add(ask.images.iter().map(bytes).sum()).map(|()| ask));
    let ask = match charged {
        Ok(ask) => ask,
        Err(error) => {
            call.image().failed(error.code(), error.reason(), Phases::begin());
            return Err(error);
        }
    };
    let (outputs, id) = (ask.outputs.clone(), ask.id.clone());
    let (seen, places): (Vec<Seen>, Vec<QueuePermit>) =
        see(context, ask, waiting, call).await?.into_iter().unzip();
    let most = context.limits.max_bytes;
    let values = answer::bytes(&outputs, &seen, most)?;
    let answer = encoded(values, move || answer::answer(id, &outputs, seen)).await??;
    let permit = Permit { places, window: None };
    Ok((answer, permit))
}

/// Bytes of an image as it came.
fn bytes(image: &v1::Image) -> usize {
    match &image.source {
        None => 0,
        Some(v1::image::Source::Tensor(tensor)) => tensor.data.len(),
        Some(v1::image::Source::File(file)) => file.data.len(),
    }
}

/// Looks at every image, at most a stream's window of them at once, which may so meet in the model's batches.
async fn see(
    context: &Arc<Context>,
    mut ask: Ask,
    unadmitted: Charge,
    call: &Call,
) -> Result<Vec<(Seen, QueuePermit)>, ServiceError> {
    let mut unadmitted = Some(unadmitted);
    let images = std::mem::take(&mut ask.images);
    let count = images.len();
    let ask = Arc::new(ask);
    let mut work = JoinSet::new();
    let mut waiting = images.into_iter().enumerate();
    let mut seen: Vec<Option<(Seen, QueuePermit)>> = (0..count).map(|_| None).collect();
    loop {
        while work.len() < context.settings.stream_window {
            let Some((index, image)) = waiting.next() else {
                drop(unadmitted.take());
                break;
            };
            let (context, ask, call) = (context.clone(), ask.clone(), call.image());
            work.spawn(async move { (index, one(&context, &ask, image, call).await) });
        }
        let Some(done) = work.join_next().await else {
            break;
        };
        let (index, answer) = done.map_err(|_| ServiceError::Internal)?;
        seen[index] = Some(answer.map_err(|error| error.of_image(index, count))?);
    }
    seen.into_iter()
        .map(|answer| answer.ok_or(ServiceError::Internal))
        .collect()
}

/// Looks at one image.
async fn one(
    context: &Arc<Context>,
    ask: &Ask,
    image: v1::Image,
    call: ImageCall,
) -> Result<(Seen, QueuePermit), ServiceError> {
    let image = Some(image);
    let Some(layers) = ask.layers() else {
        let (answer, place) = segment::segment_as(context, &ask.order, image, call).await?;
        let seen = Seen {
            segmentation: answer.segmentation.ok_or(ServiceError::Internal)?,
            layers: Vec::new(),
        };
        return Ok((seen, place));
    };
    let asked = interpret::Asked {
        image,
        layers: Some(layers),
        units: Vec::new(),
    };
    let order = ask.order.clone();
    let (sender, mut parts) = mpsc::channel(interpret::WAITING);
    let work = async move {
        // Dropping the sender at the end ends the parts.
        interpret::interpret_as(context, order, asked, call, &sender, Instant::now()).await
    };
    let gather = async {
        let (mut segmentation, mut layers, mut place) = (None, Vec::new(), None);
        while let Some(Ok(mut part)) = parts.recv().await {
            place = part.permit.places.pop();
            match part.message.part {
                Some(v1::interpret_response::Part::Segmentation(it)) => segmentation = Some(it),
                Some(v1::interpret_response::Part::Layer(layer)) => layers.push(layer),
                Some(v1::interpret_response::Part::Units(_) | v1::interpret_response::Part::Summary(_))
                | None => {}
            }
        }
        (segmentation, layers, place)
    };
    let (ended, (segmentation, layers, place)) = tokio::join!(work, gather);
    ended?;
    let seen = Seen {
        segmentation: segmentation.ok_or(ServiceError::Internal)?,
        layers,
    };
    let place = place.ok_or(ServiceError::Internal)?;
    let layers: usize = seen.layers.iter().map(Message::encoded_len).sum();
    place.answered((seen.segmentation.encoded_len() + layers) as u64);
    Ok((seen, place))
}
