//! A request's images on the way of all images, and their answers as one.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::answer::{self, Seen};
use super::ask::Ask;
use crate::grpc::arrival::encoded;
use crate::grpc::caller::Caller;
use crate::grpc::error::ServiceError;
use crate::grpc::inference::{ModelInferRequest, ModelInferResponse};
use crate::grpc::service::Context;
use crate::grpc::{interpret, segment, v1};
use crate::telemetry::{Call, ImageCall, Phases};

/// One inference.
///
/// # Errors
/// Whatever is wrong with the request or one of its images, or went wrong on the way: then the work on the others is given up.
pub(super) async fn infer(
    context: &Arc<Context>,
    request: ModelInferRequest,
    caller: &Caller,
    call: &Call,
) -> Result<ModelInferResponse, ServiceError> {
    let read = context.open().and_then(|()| Ask::read(context, request, caller));
    let ask = match read {
        Ok(ask) => ask,
        Err(error) => {
            call.image().failed(error.code(), error.reason(), Phases::begin());
            return Err(error);
        }
    };
    let (outputs, id) = (ask.outputs.clone(), ask.id.clone());
    let seen = see(context, ask, call).await?;
    let most = context.limits.max_bytes;
    let values = answer::bytes(&outputs, &seen, most)?;
    encoded(values, move || answer::answer(id, &outputs, seen)).await?
}

/// Looks at every image, at most a stream's window of them at once, which may so meet in the model's batches.
async fn see(context: &Arc<Context>, mut ask: Ask, call: &Call) -> Result<Vec<Seen>, ServiceError> {
    let images = std::mem::take(&mut ask.images);
    let count = images.len();
    let ask = Arc::new(ask);
    let mut work = JoinSet::new();
    let mut waiting = images.into_iter().enumerate();
    let mut seen: Vec<Option<Seen>> = (0..count).map(|_| None).collect();
    loop {
        while work.len() < context.settings.stream_window {
            let Some((index, image)) = waiting.next() else {
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
) -> Result<Seen, ServiceError> {
    let image = Some(image);
    let Some(layers) = ask.layers() else {
        let answer = segment::segment_as(context, &ask.order, image, call).await?;
        return Ok(Seen {
            segmentation: answer.segmentation.ok_or(ServiceError::Internal)?,
            layers: Vec::new(),
        });
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
        let (mut segmentation, mut layers) = (None, Vec::new());
        while let Some(Ok(part)) = parts.recv().await {
            match part.part {
                Some(v1::interpret_response::Part::Segmentation(it)) => segmentation = Some(it),
                Some(v1::interpret_response::Part::Layer(layer)) => layers.push(layer),
                Some(v1::interpret_response::Part::Units(_) | v1::interpret_response::Part::Summary(_))
                | None => {}
            }
        }
        (segmentation, layers)
    };
    let (ended, (segmentation, layers)) = tokio::join!(work, gather);
    ended?;
    Ok(Seen {
        segmentation: segmentation.ok_or(ServiceError::Internal)?,
        layers,
    })
}
