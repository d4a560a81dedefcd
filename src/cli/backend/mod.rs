//! Backends of commands: a model in this process, or a server.

mod local;
mod remote;

use std::time::Duration;

use anyhow::bail;
use local::Local;
use remote::Remote;
use sagate_core::executor::UnitView;
use sagate_core::imaging::Image;

use super::gate::GateArgs;
use super::inputs::Slice;
use super::server::WorkAt;
use super::subject::Subject;
use crate::client::{Answer, InterpretOptions, LayerResult, PendingResponse};
use crate::config::Settings;

/// A model, ready for images.
pub enum Backend {
    /// Loaded into this process.
    Local(Box<Local>),
    /// On a server.
    Remote(Box<Remote>),
}

/// A pending image.
pub enum Begun {
    /// Not started yet.
    Here,
    /// Sent to a server.
    There(PendingResponse),
}

/// A complete interpretation.
pub struct Seen {
    /// Result of the model and the gate.
    pub answer: Answer,
    /// The SAM of each layer, in order.
    pub layers: Vec<LayerResult>,
    /// The SAMs of the units of one layer.
    pub units: UnitView,
}

impl Backend {
    /// Loads the model of the settings, or connects to the server that has it.
    ///
    /// # Errors
    /// Gate options that are not allowed, an unknown model, a server that does not answer.
    pub fn open(at: &WorkAt, gate: &GateArgs, settings: &Settings) -> anyhow::Result<Backend> {
        let policy = gate.policy(settings)?;
        Ok(match &at.server {
            None => Backend::Local(Box::new(Local::open(policy, settings)?)),
            Some(url) => {
                let asked = gate.asked(settings);
                Backend::Remote(Box::new(Remote::open(url, asked, at.priority, settings)?))
            }
        })
    }

    /// The model.
    pub fn subject(&self) -> &Subject {
        match self {
            Backend::Local(local) => &local.subject,
            Backend::Remote(remote) => &remote.subject,
        }
    }

    /// How many images may be pending.
    pub fn at_once(&self) -> usize {
        match self {
            Backend::Local(_) => 1,
            Backend::Remote(_) => remote::AT_ONCE,
        }
    }

    /// Starts segmenting an image.
    pub fn begin(&self, image: &Image) -> Begun {
        match self {
            Backend::Local(_) => Begun::Here,
            Backend::Remote(remote) => Begun::There(remote.begin(image)),
        }
    }

    /// Waits for the result of a pending image; returns also its duration.
    ///
    /// # Errors
    /// An image that does not fit the model, out of memory, a server that refuses or is unreachable.
    pub fn finish(&self, begun: Begun, image: &Image) -> anyhow::Result<(Answer, Duration)> {
        match (self, begun) {
            (Backend::Local(local), Begun::Here) => local.segment(image),
            (Backend::Remote(remote), Begun::There(image)) => remote.finish(image),
            _ => bail!("an image was begun by one backend and finished by another"),
        }
    }

    /// Interprets a slice. Each layer is passed to `show` when it is ready.
    ///
    /// # Errors
    /// As [`Backend::finish`], or an error of `show`.
    pub fn interpret(
        &self,
        slice: &Slice,
        look: &InterpretOptions,
        show: impl FnMut(&LayerResult) -> anyhow::Result<()>,
    ) -> anyhow::Result<Seen> {
        match self {
            Backend::Local(local) => local.interpret(slice, look, show),
            Backend::Remote(remote) => remote.interpret(slice, look, show),
        }
    }
}
