//! How a model is served: its batches, its instances, its share of the device, its versions.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::engine::scheduling::batching::BatchingPolicy;

/// How one model is served. What is 0 or empty is left to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct ServingPolicy {
    /// Its share of the device beside other models that have work, above 0.
    pub weight: f64,
    /// Threads that run it; 0: as many as may run at once, see [`crate::engine::EngineConfig::slots`].
    pub instances: usize,
    /// How its batches are made.
    pub batching: BatchingPolicy,
    /// Which of its versions are loaded.
    pub versions: Versions,
    /// Which of those take requests.
    pub traffic: Traffic,
}

/// Which versions of a model are loaded, of those that its folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Versions {
    /// All of them.
    #[default]
    All,
    /// The highest, beside shadow and canary.
    Latest,
    /// These.
    Named(Vec<u32>),
}

/// Which versions of a model take requests that name none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Traffic {
    /// The version that takes them; `None`: the highest that is ready and neither shadow nor canary.
    pub pinned: Option<u32>,
    /// A version that sees the same images and is never returned.
    pub shadow: Option<u32>,
    /// A version that takes a share of the requests.
    pub canary: Option<Canary>,
}

/// A version that is tried on a share of the requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canary {
    /// The version.
    pub version: u32,
    /// The share in [0, 1] of request ids that it takes, always the same ones.
    pub share: f64,
}

/// How every model is served: its own way, or the common one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServingPolicies {
    /// For models that are not named.
    pub common: ServingPolicy,
    /// By model name.
    pub models: BTreeMap<String, ServingPolicy>,
}

impl ServingPolicies {
    /// How the model of a name is served.
    pub fn of(&self, name: &str) -> &ServingPolicy {
        self.models.get(name).unwrap_or(&self.common)
    }
}

impl ServingPolicy {
    /// Which versions are wanted of those that there are (ascending).
    pub fn wanted(&self, there: &[u32]) -> Vec<u32> {
        let is_experimental = |version: &u32| self.traffic.is_experimental(*version);
        let highest = there.iter().rev().find(|version| !is_experimental(version));
        let is_wanted = |version: &&u32| match &self.versions {
            Versions::All => true,
            Versions::Latest => is_experimental(version) || Some(*version) == highest,
            Versions::Named(named) => is_experimental(version) || named.contains(version),
        };
        there.iter().filter(is_wanted).copied().collect()
    }
}

impl Traffic {
    /// Whether a version is tried beside the one that takes the requests.
    pub fn is_experimental(&self, version: u32) -> bool {
        self.shadow == Some(version) || self.canary.is_some_and(|canary| canary.version == version)
    }

    /// Whether the canary takes the request of this id: always the same answer for the same id.
    pub fn to_canary(&self, request_id: &str) -> Option<u32> {
        let canary = self.canary?;
        let digest = Sha256::digest(request_id.as_bytes());
        let head: [u8; 8] = digest[..8].try_into().expect("a digest has 32 bytes");
        let place = u64::from_be_bytes(head) as f64 / 2f64.powi(64);
        (place < canary.share).then_some(canary.version)
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
