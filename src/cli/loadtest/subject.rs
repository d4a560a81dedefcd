//! The test subject: connections, and prepared requests for the server's models.

use std::time::Duration;

use anyhow::Context;
use sagate_core::nn::layers::LAYERS;

use super::super::UsageError;
use super::mix::{Call, Kind};
use super::{Args, images};
use crate::client::{
    Access, Client, ClientError, InterpretOptions, PreparedRequest, SegmentOptions, ServedModel, ServerStatus,
};
use crate::config::Settings;

/// Units whose SAMs `Interpret` requests.
const UNITS: usize = 4;

/// Connections and prepared requests.
pub struct Subject {
    pub connections: Vec<Client>,
    pub kinds: Vec<Ready>,
}

/// One kind of request, prepared.
pub struct Ready {
    pub name: String,
    pub share: f64,
    pub model: ServedModel,
    /// One per image.
    pub requests: Vec<PreparedRequest>,
    pub deadline: Option<Duration>,
}

impl Subject {
    /// Connects, looks up models, prepares images, and sends each kind once, so that an invalid kind fails before the test.
    pub async fn open(args: &Args, kinds: &[Kind], settings: &Settings) -> anyhow::Result<Subject> {
        let access = Access::open(&settings.client)?;
        let mut connections = Vec::with_capacity(args.connections);
        for _ in 0..args.connections {
            connections.push(Client::connect_with(&args.server, &access).await?);
        }
        let first = &connections[0];
        let mut ready = Vec::with_capacity(kinds.len());
        for (number, kind) in (0..).zip(kinds) {
            let model = first.model(kind.model.as_ref()).await;
            let model = model.with_context(|| kind.name.clone())?;
            let images = images::images(&kind.images, &model, args.seed.wrapping_add(number), settings);
            let images = images.with_context(|| kind.name.clone())?;
            let ask = SegmentOptions {
                model: model.id.clone(),
                gate: kind.gate,
                priority: kind.priority,
            };
            match kind.call {
                Call::Segment => drop(
                    first
                        .segment(&images[0], &ask)
                        .await
                        .map_err(|it| probe_error(kind, it))?,
                ),
                Call::Interpret => {
                    let parts = first
                        .interpret(&images[0], &ask, &interpret_options(&model))
                        .await;
                    drop(parts.map_err(|it| probe_error(kind, it))?);
                }
            }
            let requests = images.iter().map(|image| match kind.call {
                Call::Segment => PreparedRequest::segment(image, &ask),
                Call::Interpret => PreparedRequest::interpret(image, &ask, &interpret_options(&model)),
            });
            ready.push(Ready {
                name: kind.name.clone(),
                share: kind.share,
                requests: requests.collect(),
                deadline: kind.deadline.map(Duration::from_secs_f64),
                model,
            });
        }
        Ok(Subject {
            connections,
            kinds: ready,
        })
    }

    /// The server's status, if it still answers.
    pub async fn status(&self) -> Option<ServerStatus> {
        self.connections[0].status().await.ok()
    }
}

/// Options for every layer, and a few units of the last one.
fn interpret_options(model: &ServedModel) -> InterpretOptions {
    InterpretOptions {
        layers: (1..=LAYERS.len()).collect(),
        units_of: LAYERS.len(),
        class: 1,
        units: UNITS.min(model.units.last().copied().unwrap_or(0)),
    }
}

/// Refused options or images are errors of the command line.
fn probe_error(kind: &Kind, error: ClientError) -> anyhow::Error {
    match &error {
        ClientError::Refused(refusal) if refusal.is_about("options") || refusal.is_about("image") => {
            UsageError(format!("{}: {error}", kind.name)).into()
        }
        _ => anyhow::Error::new(error).context(kind.name.clone()),
    }
}
