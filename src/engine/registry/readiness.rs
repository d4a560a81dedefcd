//! Readiness of the server: whether its required models are ready.

use std::collections::BTreeMap;

use sagate_core::executor::ModelId;

use super::engine::Engine;
use super::loads::Load;

impl Engine {
    /// The required models by name, and whether each is ready: the default model, and those that the settings name.
    pub fn required(&self) -> BTreeMap<String, bool> {
        let answers = |name: &str, version| self.find(name, version).is_ok_and(|model| model.is_ready());
        let named = self.config().serving.models.keys();
        let mut required: BTreeMap<String, bool> =
            named.map(|name| (name.clone(), answers(name, None))).collect();
        let default = self.default_reference();
        let default_answers = answers(&default.name, default.version);
        required
            .entry(default.name.clone())
            .and_modify(|answers| *answers &= default_answers)
            .or_insert(default_answers);
        required
    }

    /// The models that keep the server from being ready, `NAME` or `NAME@VERSION` each; empty when it is ready.
    ///
    /// Every required model must be ready. At start-up, each initial model must have been loaded or have failed. With strict readiness,
    /// every version that is loaded or should be loaded must be ready.
    pub fn missing(&self) -> Vec<String> {
        let strict = self.config().strict_readiness;
        let required = self.required().into_iter().filter(|(_, answers)| !answers);
        let mut missing: Vec<String> = required.map(|(name, _)| name).collect();
        let models = self.models();
        let late = models
            .iter()
            .filter(|model| model.is_starting() || strict && !model.is_ready());
        missing.extend(late.map(|model| model.contract().id().to_string()));
        if strict {
            let is_loaded = |id: &ModelId| models.iter().any(|model| model.contract().id() == id);
            let failed = self
                .loads()
                .into_iter()
                .filter(|(id, load)| matches!(load, Load::Failed(_)) && !is_loaded(id));
            missing.extend(failed.map(|(id, _)| id.to_string()));
        }
        missing
    }

    /// Whether the server is ready: no model is [`Engine::missing`].
    pub fn is_ready(&self) -> bool {
        self.missing().is_empty()
    }
}
