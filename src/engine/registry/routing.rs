//! Which model answers a request: a named version, the default version, or a canary.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagate_core::executor::ModelId;

use super::engine::{Engine, model_id, unknown_model};
use crate::engine::error::EngineError;
use crate::engine::runtime::handle::ModelHandle;

/// Who answers a request.
pub struct Route {
    /// The model whose answer is given.
    pub hosted: Arc<ModelHandle>,
    /// One that sees the same image, where there is one that is ready; its answer is compared and never given.
    pub shadow: Option<Arc<ModelHandle>>,
}

impl Engine {
    /// The model that is meant when a request names none; `None` where it was taken away.
    pub fn default_model(&self) -> Option<ModelId> {
        self.find("", None)
            .ok()
            .map(|hosted| hosted.contract().id().clone())
    }

    /// The model of a name: the version that is named, or the one that takes requests which name none; the default where the name is
    /// empty.
    ///
    /// # Errors
    /// There is none; the message lists what there is.
    pub fn find(&self, name: &str, version: Option<u32>) -> Result<Arc<ModelHandle>, EngineError> {
        let (name, version) = match (name, version) {
            ("", None) => (
                self.default_reference().name.as_str(),
                self.default_reference().version,
            ),
            ("", version) => (self.default_reference().name.as_str(), version),
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

    /// Who answers a request: as [`Engine::find`], but that a canary takes its share of those that name no version, and a shadow looks
    /// on.
    ///
    /// # Errors
    /// As there.
    pub fn route(&self, name: &str, version: Option<u32>, request_id: &str) -> Result<Route, EngineError> {
        let hosted = self.find(name, version)?;
        if version.is_some() || name.is_empty() && self.default_reference().version.is_some() {
            return Ok(Route { hosted, shadow: None });
        }
        let name = &hosted.contract().id().name;
        let traffic = &self.config().serving.of(name).traffic;
        let models = self.read();
        let ready = |version| {
            models
                .get(&model_id(name, version))
                .filter(|it| it.is_ready())
                .cloned()
        };
        if let Some(canary) = traffic.to_canary(request_id).and_then(ready) {
            return Ok(Route {
                hosted: canary,
                shadow: None,
            });
        }
        let shadow = traffic.shadow.and_then(ready);
        Ok(Route { hosted, shadow })
    }

    /// The version of a model that takes the requests which name none.
    fn default_version<'a>(
        &self,
        models: &'a BTreeMap<ModelId, Arc<ModelHandle>>,
        name: &str,
    ) -> Option<&'a Arc<ModelHandle>> {
        let traffic = &self.config().serving.of(name).traffic;
        if let Some(version) = traffic.pinned {
            return models.get(&model_id(name, version));
        }
        let versions = models.range(model_id(name, 0)..=model_id(name, u32::MAX));
        let regular = versions.filter(|(id, _)| !traffic.is_experimental(id.version));
        let (_, highest) = regular.clone().next_back()?;
        let ready = regular.rev().find(|(_, hosted)| hosted.is_ready());
        Some(ready.map_or(highest, |(_, hosted)| hosted))
    }
}
