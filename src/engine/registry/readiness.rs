//! Whether the server may be sent requests: whether the models that it must have answer.

use std::collections::BTreeMap;

use sagate_core::executor::ModelId;

use super::engine::Engine;
use super::loads::Load;

impl Engine {
    /// The models that the server must have, by name, and whether each answers: the default, and those that the settings name.
    pub fn required(&self) -> BTreeMap<String, bool> {
        let answers = |name: &str, version| self.find(name, version).is_ok_and(|hosted| hosted.is_ready());
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

    /// What keeps the server from being ready, `NAME` or `NAME@VERSION` each; empty where nothing does.
    ///
    /// Every required model must answer. At the start, what the server starts with must have been loaded, or have failed to. Where
    /// readiness is strict, every version that is loaded or should be must answer.
    pub fn missing(&self) -> Vec<String> {
        let strict = self.config().strict_readiness;
        let required = self.required().into_iter().filter(|(_, answers)| !answers);
        let mut missing: Vec<String> = required.map(|(name, _)| name).collect();
        let hosted = self.models();
        let late = hosted
            .iter()
            .filter(|hosted| hosted.is_starting() || strict && !hosted.is_ready());
        missing.extend(late.map(|hosted| hosted.contract().id().to_string()));
        if strict {
            let is_hosted = |id: &ModelId| hosted.iter().any(|hosted| hosted.contract().id() == id);
            let failed = self
                .loads()
                .into_iter()
                .filter(|(id, load)| matches!(load, Load::Failed(_)) && !is_hosted(id));
            missing.extend(failed.map(|(id, _)| id.to_string()));
        }
        missing
    }

    /// Whether the server may be sent requests: nothing is [`Engine::missing`].
    pub fn is_ready(&self) -> bool {
        self.missing().is_empty()
    }
}
