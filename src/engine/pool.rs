//! Every model that answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::contract::{Contract, ModelId};
use super::error::EngineError;
use super::hosted::Hosted;
use super::observer::Observer;
use super::place::Bounds;
use super::turns::Turns;
use super::worker::Worker;
use crate::model::Model;

/// Models with a thread each.
pub struct Engine {
    models: BTreeMap<ModelId, Arc<Hosted>>,
    default: ModelId,
}

/// How the engine runs.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Where the networks run.
    pub device: tch::Device,
    /// CPU threads of an operation; 0 leaves it to libtorch.
    pub threads: usize,
    /// Bounds of each model's queue.
    pub bounds: Bounds,
}

impl Engine {
    /// Starts a thread for each model. They load and warm up by themselves, see [`Hosted::is_ready`].
    ///
    /// # Errors
    /// A model whose contract cannot be read, a default that is not among them, or no thread to be had.
    pub fn start(
        models: Vec<(Model, Arc<Contract>)>,
        default: ModelId,
        setup: Setup,
        observer: Arc<dyn Observer>,
    ) -> Result<Engine, EngineError> {
        let turns = Arc::new(Turns::default());
        let mut hosts = BTreeMap::new();
        for (model, contract) in models {
            let id = contract.id().clone();
            let hosted = Arc::new(Hosted::new(
                contract,
                setup.bounds,
                turns.clone(),
                observer.clone(),
            ));
            let worker = Worker {
                hosted: hosted.clone(),
                model,
                device: setup.device,
                threads: setup.threads,
            };
            worker.start().map_err(EngineError::Thread)?;
            hosts.insert(id, hosted);
        }
        let engine = Engine {
            models: hosts,
            default,
        };
        engine.find(&engine.default.name, Some(engine.default.version))?;
        Ok(engine)
    }

    /// Every model, by name and then version.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Hosted>> {
        self.models.values()
    }

    /// The model that is meant when a request names none.
    pub fn default_model(&self) -> &ModelId {
        &self.default
    }

    /// The model of a name, its highest version unless one is named; the default where the name is empty.
    ///
    /// # Errors
    /// There is none; the message lists what there is.
    pub fn find(&self, name: &str, version: Option<u32>) -> Result<&Arc<Hosted>, EngineError> {
        let (name, version) = match (name, version) {
            ("", None) => (self.default.name.as_str(), Some(self.default.version)),
            ("", version) => (self.default.name.as_str(), version),
            named => named,
        };
        let fits = |id: &&ModelId| id.name == name && version.is_none_or(|version| id.version == version);
        // By version, so the last is the highest.
        let found = self.models.keys().rfind(fits).and_then(|id| self.models.get(id));
        found.ok_or_else(|| EngineError::UnknownModel {
            wanted: version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}")),
            available: self
                .models
                .keys()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// Takes nothing more, and waits until what was taken is done.
    pub async fn stop(&self) {
        for hosted in self.models.values() {
            hosted.queue.close();
        }
        for hosted in self.models.values() {
            hosted.stop().await;
        }
    }
}
