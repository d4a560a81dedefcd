//! How a model is served: its batches, its instances, its share of the device, its versions.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// How one model is served. What is 0 or empty is left to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Serving {
    /// Its share of the device beside other models that have work, above 0.
    pub weight: f64,
    /// Threads that run it; 0: as many as may run at once, see [`super::Setup::slots`].
    pub instances: usize,
    /// How its batches come together.
    pub forming: Forming,
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

/// How batches come together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forming {
    /// Most images in a batch, at least 1.
    pub max_batch: usize,
    /// Longest that an image waits for company.
    pub max_wait: Duration,
    /// Sizes that are run as soon as they are there, ascending; empty: whatever is there is run.
    pub preferred: Vec<usize>,
    /// Images meet whose sides, rounded up to a multiple of this, are the same; 0: only those of one size. It changes no result.
    pub bucket: usize,
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
pub struct ServingPlan {
    /// For models that are not named.
    pub common: Serving,
    /// By model name.
    pub models: BTreeMap<String, Serving>,
}

impl ServingPlan {
    /// How the model of a name is served.
    pub fn of(&self, name: &str) -> &Serving {
        self.models.get(name).unwrap_or(&self.common)
    }
}

impl Serving {
    /// Which versions are wanted of those that there are (ascending).
    pub fn wanted(&self, there: &[u32]) -> Vec<u32> {
        let aside = |version: &u32| self.traffic.is_aside(*version);
        let highest = there.iter().rev().find(|version| !aside(version));
        let is_wanted = |version: &&u32| match &self.versions {
            Versions::All => true,
            Versions::Latest => aside(version) || Some(*version) == highest,
            Versions::Named(named) => aside(version) || named.contains(version),
        };
        there.iter().filter(is_wanted).copied().collect()
    }
}

impl Traffic {
    /// Whether a version is tried beside the one that takes the requests.
    pub fn is_aside(&self, version: u32) -> bool {
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

impl Default for Serving {
    fn default() -> Self {
        Serving {
            weight: 1.0,
            instances: 0,
            forming: Forming::default(),
            versions: Versions::default(),
            traffic: Traffic::default(),
        }
    }
}

impl Default for Forming {
    fn default() -> Self {
        Forming {
            max_batch: 1,
            max_wait: Duration::ZERO,
            preferred: Vec::new(),
            bucket: 0,
        }
    }
}

impl Forming {
    /// Height and width that an image counts as: those of one kind meet.
    pub fn bucket(&self, size: [usize; 2]) -> [usize; 2] {
        match self.bucket {
            0 => size,
            multiple => size.map(|side| side.next_multiple_of(multiple)),
        }
    }

    /// How many of so many images that could share a batch are run: all that fit, or the largest preferred size below.
    pub fn size(&self, there: usize) -> usize {
        let most = there.min(self.max_batch).max(1);
        let preferred = self.preferred.iter().rev().find(|&&size| size <= most);
        preferred.copied().unwrap_or(most)
    }

    /// Whether so many need not wait for more.
    pub fn is_enough(&self, there: usize) -> bool {
        there >= self.max_batch || self.preferred.iter().any(|&size| size > 1 && size <= there)
    }
}
