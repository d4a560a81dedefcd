//! A model on a server.

use std::time::Duration;

use sagate_core::imaging::Image;

use super::Seen;
use crate::cli::UsageError;
use crate::cli::inputs::Slice;
use crate::cli::loading;
use crate::cli::subject::Subject;
use crate::client::{
    Access, Answer, BlockingClient, ClientError, GateOptions, InterpretOptions, LayerResult, Part,
    PendingResponse, SegmentOptions, ServerUrl,
};
use crate::config::Settings;
use crate::engine::Priority;

/// Pending images: enough to keep the server busy during transfers.
pub const AT_ONCE: usize = 4;

/// A served model with the gate of this run.
pub struct Remote {
    pub subject: Subject,
    client: BlockingClient,
    ask: SegmentOptions,
}

impl Remote {
    pub fn open(
        url: &ServerUrl,
        gate: Option<GateOptions>,
        priority: Priority,
        settings: &Settings,
    ) -> anyhow::Result<Remote> {
        let wanted = match settings.named("models.default") {
            true => Some(settings.models.default.parse()?),
            false => None,
        };
        let client = BlockingClient::connect(url, &Access::open(&settings.client)?, AT_ONCE)?;
        let model = client.model(wanted.as_ref())?;
        let subject = Subject::from_served(&model);
        if !model.calibrated {
            loading::warn_of_no_calibration(&subject.reference);
        }
        // Pins the version, so that one model does the whole run.
        Ok(Remote {
            subject,
            client,
            ask: SegmentOptions {
                model: model.id,
                gate,
                priority,
            },
        })
    }

    pub fn begin(&self, image: &Image) -> PendingResponse {
        self.client.start(image, &self.ask)
    }

    pub fn finish(&self, image: PendingResponse) -> anyhow::Result<(Answer, Duration)> {
        self.client.finish(image).map_err(usage)
    }

    pub fn interpret(
        &self,
        slice: &Slice,
        look: &InterpretOptions,
        mut show: impl FnMut(&LayerResult) -> anyhow::Result<()>,
    ) -> anyhow::Result<Seen> {
        let count = self.subject.units.get(look.units_of - 1).copied().unwrap_or(0);
        let look = InterpretOptions {
            units: look.units.min(count),
            ..look.clone()
        };
        let named = |error| usage(error).context(slice.name.clone());
        let parts = self
            .client
            .interpret(&slice.image, &self.ask, &look)
            .map_err(named)?;
        let (mut answer, mut layers, mut units) = (None, Vec::new(), None);
        for part in parts {
            match part.map_err(named)? {
                Part::Answer(part) => answer = Some(part),
                Part::Layer(layer) => {
                    show(&layer)?;
                    layers.push(layer);
                }
                Part::Units(part) => units = Some(part),
                Part::End => {}
            }
        }
        let missing = |field| ClientError::Answer {
            field,
            message: "was not among the parts".into(),
        };
        Ok(Seen {
            answer: answer.ok_or_else(|| missing("segmentation"))?,
            layers,
            units: units.ok_or_else(|| missing("units"))?,
        })
    }
}

/// Gate options that the server does not allow are an error of the command line, as in a local run.
fn usage(error: ClientError) -> anyhow::Error {
    match &error {
        ClientError::Refused(refusal) if refusal.is_about("options") => UsageError(error.to_string()).into(),
        _ => error.into(),
    }
}
