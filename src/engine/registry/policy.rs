//! Serving policy of a model: batching, instances, weight, versions, traffic.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::engine::scheduling::batching::BatchingPolicy;

/// Serving policy of one model. A value of 0 or an empty one selects the default of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingPolicy {
    /// Weight in the sharing of the device between models, above 0.
    pub weight: f64,
    /// Instances (threads); 0: as many as can run at once, see [`crate::engine::EngineConfig::slots`].
    pub instances: usize,
    /// Batching policy.
    pub batching: BatchingPolicy,
    /// Versions to load.
    pub versions: Versions,
    /// Versions that take requests.
    pub traffic: Traffic,
}

/// Versions of a model to load, of those in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Versions {
    /// All of them.
    #[default]
    All,
    /// The highest, and shadow and canary.
    Latest,
    /// These.
    Named(Vec<u32>),
}

/// Which versions of a model take requests that name none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Traffic {
    /// Fixed version; `None`: the highest ready one that is neither shadow nor canary.
    pub pinned: Option<u32>,
    /// A version that runs on the same images and whose answers are never returned.
    pub shadow: Option<u32>,
    /// A version that takes a share of the requests.
    pub canary: Option<Canary>,
}

/// A version that takes a share of the requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canary {
    /// The version.
    pub version: u32,
    /// Share of request ids in [0, 1]. The same ids are always selected.
    pub share: f64,
}

/// Serving policies of all models.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServingPolicies {
    /// Policy of models without one of their own.
    pub common: ServingPolicy,
    /// By model name.
    pub models: BTreeMap<String, ServingPolicy>,
}

impl ServingPolicies {
    /// The policy of a model.
    pub fn policy_for(&self, name: &str) -> &ServingPolicy {
        self.models.get(name).unwrap_or(&self.common)
    }
}

impl ServingPolicy {
    /// The versions to load, of those available (ascending).
    pub fn wanted(&self, available: &[u32]) -> Vec<u32> {
        let is_experimental = |version: &u32| self.traffic.is_experimental(*version);
        let highest = available.iter().rev().find(|version| !is_experimental(version));
        let is_wanted = |version: &&u32| match &self.versions {
            Versions::All => true,
            Versions::Latest => is_experimental(version) || Some(*version) == highest,
            Versions::Named(named) => is_experimental(version) || named.contains(version),
        };
        available.iter().filter(is_wanted).copied().collect()
    }
}

impl Traffic {
    /// Whether a version is the shadow or the canary.
    pub fn is_experimental(&self, version: u32) -> bool {
        self.shadow == Some(version) || self.canary.is_some_and(|canary| canary.version == version)
    }

    /// The canary version, if it takes the request of this id. Deterministic per id.
    pub fn to_canary(&self, request_id: &str) -> Option<u32> {
        let canary = self.canary?;
        let digest = Sha256::digest(request_id.as_bytes());
        let head: [u8; 8] = digest[..8].try_into().expect("a digest has 32 bytes");
        let position = u64::from_be_bytes(head) as f64 / 2f64.powi(64);
        (position < canary.share).then_some(canary.version)
    }
}

impl Default for ServingPolicy {
    fn default() -> Self {
        ServingPolicy {
            weight: 1.0,
            instances: 0,
            batching: BatchingPolicy::default(),
            versions: Versions::default(),
            traffic: Traffic::default(),
        }
    }
}
