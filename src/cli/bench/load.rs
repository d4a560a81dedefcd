//! Clients of a server that ask again as soon as they have their answer.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use sagate_core::imaging::Image;
use tonic::transport::Channel;

use crate::proto::v1;
use crate::proto::v1::quality_control_client::QualityControlClient;

/// More than any answer of a benchmark.
const MAX_MESSAGE_BYTES: usize = 1 << 30;

/// One answered request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    /// Seconds from asking to the answer.
    pub seconds: f64,
    /// Seconds of it in the network and the scores.
    pub model_seconds: f64,
    /// Seconds of it in the network.
    pub forward_seconds: f64,
}

/// Answers and duration of a closed-loop run.
pub(super) struct LoadResult {
    pub answers: Vec<Answered>,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl LoadResult {
    pub fn images_per_second(&self) -> f64 {
        self.answers.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency in milliseconds that a share of the requests stayed below.
    pub fn quantile_ms(&self, share: f64) -> f64 {
        let mut seconds: Vec<f64> = self.answers.iter().map(|it| it.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let rank = ((seconds.len() as f64 * share).ceil() as usize).clamp(1, seconds.len());
        seconds[rank - 1] * 1e3
    }
}

/// An image as 16-bit values, which is what scanners give.
pub(super) fn tensor(image: &Image) -> v1::Image {
    let (channels, height, width) = image.pixels.dim();
    let data: Vec<u8> = image
        .pixels
        .iter()
        .flat_map(|&value| (value as u16).to_le_bytes())
        .collect();
    v1::Image {
        source: Some(v1::image::Source::Tensor(v1::Tensor {
            data_type: v1::DataType::Uint16.into(),
            shape: [channels, height, width]
                .iter()
                .map(|&side| side as u32)
                .collect(),
            data: Bytes::from(data),
            spacing: image.spacing.to_vec(),
        })),
    }
}

/// A client with a connection of its own.
pub(super) async fn connect(url: &str) -> anyhow::Result<QualityControlClient<Channel>> {
    let channel = Channel::from_shared(url.to_owned())?.connect().await?;
    Ok(QualityControlClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES))
}

/// Sends each image again and again, so many at a time, for a while.
pub(super) async fn closed_loop(
    url: &str,
    images: &[v1::Image],
    in_flight: usize,
    span: Duration,
) -> anyhow::Result<LoadResult> {
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..in_flight {
        let mut connection = connect(url).await?;
        let images = images.to_vec();
        clients.spawn(async move {
            let mut answers = Vec::new();
            for image in images.iter().cycle().skip(client) {
                if begun.elapsed() >= span {
                    break;
                }
                answers.push(ask(&mut connection, image.clone()).await?);
            }
            anyhow::Ok(answers)
        });
    }
    let mut answers = Vec::new();
    while let Some(client) = clients.join_next().await {
        answers.extend(client??);
    }
    Ok(LoadResult {
        answers,
        took: begun.elapsed(),
    })
}

async fn ask(client: &mut QualityControlClient<Channel>, image: v1::Image) -> anyhow::Result<Answered> {
    let request = v1::SegmentRequest {
        request_id: String::new(),
        image: Some(image),
        options: Some(v1::SegmentationOptions {
            mask_format: v1::MaskFormat::Bits.into(),
            ..Default::default()
        }),
    };
    let begun = Instant::now();
    let answer = client.segment(request).await?.into_inner();
    let seconds = begun.elapsed().as_secs_f64();
    let timing = answer
        .segmentation
        .and_then(|it| it.timing)
        .context("an answer without timing")?;
    Ok(Answered {
        seconds,
        model_seconds: timing.forward_seconds + timing.qc_seconds,
        forward_seconds: timing.forward_seconds,
    })
}

/// Seconds of one whole interpretation: every layer's probabilities as bytes, at the image's resolution.
pub(super) async fn interpret(
    client: &mut QualityControlClient<Channel>,
    image: v1::Image,
) -> anyhow::Result<f64> {
    let request = v1::InterpretRequest {
        request_id: String::new(),
        image: Some(image),
        options: Some(v1::SegmentationOptions {
            mask_format: v1::MaskFormat::Bits.into(),
            ..Default::default()
        }),
        layers: Some(v1::LayerOptions {
            probability: v1::ProbabilityFormat::Uint8.into(),
            ..Default::default()
        }),
        units: Vec::new(),
    };
    let begun = Instant::now();
    let mut parts = client.interpret(request).await?.into_inner();
    let mut summed_up = false;
    while let Some(part) = parts.message().await? {
        summed_up |= matches!(part.part, Some(v1::interpret_response::Part::Summary(_)));
    }
    anyhow::ensure!(summed_up, "an interpretation without its end");
    Ok(begun.elapsed().as_secs_f64())
}
