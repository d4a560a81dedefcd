//! Routing of requests: a named version, the default version, or a canary.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagate_core::executor::ModelId;

use super::engine::{Engine, model_id, unknown_model};
use crate::engine::error::EngineError;
use crate::engine::runtime::handle::ModelHandle;

/// The models for a request.
pub struct Route {
    /// The model that answers.
    pub model: Arc<ModelHandle>,
    /// A ready shadow version, whose answer is compared and never returned.
    pub shadow: Option<Arc<ModelHandle>>,
}

impl Engine {
    /// The default model; `None` if it is not loaded.
    pub fn default_model(&self) -> Option<ModelId> {
        self.find("", None)
            .ok()
            .map(|model| model.contract().id().clone())
    }

    /// The model of a name (empty: the default model) in the given version, or its default version.
    ///
    /// # Errors
    /// No such model; the message lists the loaded ones.
    pub fn find(&self, name: &str, version: Option<u32>) -> Result<Arc<ModelHandle>, EngineError> {
        let default = self.default_reference();
        let (name, version) = match (name, version) {
            ("", version) => (default.name.as_str(), version.or(default.version)),
            named => named,
        };
        let models = self.read();
        let found = match version {
            Some(version) => models.get(&model_id(name, version)),
            None => self.default_version(&models, name),
        };
        found.cloned().ok_or_else(|| {
            let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
            unknown_model(wanted, &models)
        })
    }

    /// Routes a request: as [`Engine::find`], but a canary takes its share of the requests that name no version, and a shadow gets a copy.
    ///
    /// # Errors
    /// As [`Engine::find`].
    pub fn route(&self, name: &str, version: Option<u32>, request_id: &str) -> Result<Route, EngineError> {
        let model = self.find(name, version)?;
        if version.is_some() || name.is_empty() && self.default_reference().version.is_some() {
            return Ok(Route { model, shadow: None });
        }
        let name = &model.contract().id().name;
        let traffic = &self.config().serving.policy_for(name).traffic;
        let models = self.read();
        let ready = |version| {
            models
                .get(&model_id(name, version))
                .filter(|it| it.is_ready())
                .cloned()
        };
        if let Some(canary) = traffic.to_canary(request_id).and_then(ready) {
            return Ok(Route {
                model: canary,
                shadow: None,
            });
        }
        let shadow = traffic.shadow.and_then(ready);
        Ok(Route { model, shadow })
    }

    /// The version of a model for requests that name none.
    fn default_version<'a>(
        &self,
        models: &'a BTreeMap<ModelId, Arc<ModelHandle>>,
        name: &str,
    ) -> Option<&'a Arc<ModelHandle>> {
        let traffic = &self.config().serving.policy_for(name).traffic;
        if let Some(version) = traffic.pinned {
            return models.get(&model_id(name, version));
        }
        let versions = models.range(model_id(name, 0)..=model_id(name, u32::MAX));
        let regular = versions.filter(|(id, _)| !traffic.is_experimental(id.version));
        let (_, highest) = regular.clone().next_back()?;
        let ready = regular.rev().find(|(_, model)| model.is_ready());
        Some(ready.map_or(highest, |(_, model)| model))
    }
}
