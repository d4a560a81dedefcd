//! Where images are worked on: in this process, or by a server. Commands see no difference.

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
    /// Served elsewhere.
    Remote(Box<Remote>),
}

/// An image whose answer was not yet taken.
pub enum Begun {
    /// It waits here.
    Here,
    /// It is on its way to a server.
    There(PendingResponse),
}

/// All of an interpretation.
pub struct Seen {
    /// What the model and the gate say.
    pub answer: Answer,
    /// What each layer sees, in their order.
    pub layers: Vec<LayerResult>,
    /// What the units of one layer see.
    pub units: UnitView,
}

impl Backend {
    /// Loads the model of the settings, or connects to the server that has it.
    ///
    /// # Errors
    /// A gate that is not allowed, a model that is not there, a server that does not answer.
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

    /// How many images may be begun before the first is finished.
    pub fn at_once(&self) -> usize {
        match self {
            Backend::Local(_) => 1,
            Backend::Remote(_) => remote::AT_ONCE,
        }
    }

    /// Begins to segment an image.
    pub fn begin(&self, image: &Image) -> Begun {
        match self {
            Backend::Local(_) => Begun::Here,
            Backend::Remote(remote) => Begun::There(remote.begin(image)),
        }
    }

    /// The answer to an image that was begun, and how long it took.
    ///
    /// # Errors
    /// An image that does not fit the model, memory that ran out, a server that refuses or is gone.
    pub fn finish(&self, begun: Begun, image: &Image) -> anyhow::Result<(Answer, Duration)> {
        match (self, begun) {
            (Backend::Local(local), Begun::Here) => local.segment(image),
            (Backend::Remote(remote), Begun::There(image)) => remote.finish(image),
            _ => bail!("an image was begun by one backend and finished by another"),
        }
    }

    /// Segments a slice and looks into it. Each layer goes to `show` as soon as it is known.
    ///
    /// # Errors
    /// As [`Backend::finish`], or what `show` gave.
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
