//! Section `serving.NAME`: how one model is served, where that differs from all others.

use std::collections::BTreeMap;

use super::{ConfigError, Reader};

/// What a model's section may hold, and what a right value looks like.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("weight", "a number above 0, at most 1000"),
    ("instances", "a whole number from 0 (as suits the device) to 256"),
    ("max_batch", "a whole number from 0 (as suits the device) to 1024"),
    (
        "bucket",
        "0 (only images of one size meet) or a multiple of 16 to 8192",
    ),
    ("batch_wait_ms", "a number of milliseconds from 0 to 60000"),
    (
        "preferred_batches",
        "ascending whole numbers from 1 to max_batch, like [4, 8]",
    ),
    ("versions", "\"all\", \"latest\", or versions, like [1, 3]"),
    ("pinned", "a version, from 1; 0 pins none"),
    ("shadow", "a version, from 1; 0 is none"),
    ("canary", "a version, from 1; 0 is none"),
    ("canary_share", "a number from 0 to 1"),
];

/// Section `serving.NAME`. What is `None` is as section `engine` says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Serving {
    /// Its share of the device beside other models that have work, above 0; 1 where nothing is said.
    pub weight: Option<f64>,
    /// Threads that run it.
    pub instances: Option<usize>,
    /// Most images that the network sees at once.
    pub max_batch: Option<usize>,
    /// The multiple of sides within which images meet.
    pub bucket: Option<usize>,
    /// Milliseconds that an image waits for company.
    pub batch_wait_ms: Option<f64>,
    /// Batches that are run as soon as they are there.
    pub preferred_batches: Option<Vec<usize>>,
    /// Which versions are loaded.
    pub versions: Option<VersionsSetting>,
    /// The version that takes the requests which name none; 0: none is pinned.
    pub pinned: Option<usize>,
    /// The version that looks on; 0: none.
    pub shadow: Option<usize>,
    /// The version that is tried on a share of the requests; 0: none.
    pub canary: Option<usize>,
    /// That share, in [0, 1].
    pub canary_share: Option<f64>,
}

/// Which versions of a model are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionsSetting {
    /// All that the folder holds.
    All,
    /// The highest.
    Latest,
    /// These.
    Named(Vec<usize>),
}

/// Splits `serving.NAME.FIELD` into name and field, where it is a field that there is.
pub(super) fn parts(key: &str) -> Option<(&str, &str)> {
    let (name, field) = key.strip_prefix("serving.")?.rsplit_once('.')?;
    let known = KEYS.iter().any(|(known, _)| *known == field);
    (known && !name.is_empty()).then_some((name, field))
}

/// What a field of a model's section must be.
pub(super) fn right(key: &str) -> Option<&'static str> {
    let (_, field) = parts(key)?;
    KEYS.iter()
        .find(|(known, _)| *known == field)
        .map(|(_, right)| *right)
}

/// Reads the sections of all models that have one.
pub(super) fn read(reader: &mut Reader) -> Result<BTreeMap<String, Serving>, ConfigError> {
    let mut models = BTreeMap::new();
    for name in names(reader) {
        let section = Serving {
            weight: reader.find_and_get(&name, "weight")?,
            instances: reader.find_and_get(&name, "instances")?,
            max_batch: reader.find_and_get(&name, "max_batch")?,
            bucket: reader.find_and_get(&name, "bucket")?,
            batch_wait_ms: reader.find_and_get(&name, "batch_wait_ms")?,
            preferred_batches: reader.find_and_get(&name, "preferred_batches")?,
            versions: reader.find_and_get(&name, "versions")?,
            pinned: reader.find_and_get(&name, "pinned")?,
            shadow: reader.find_and_get(&name, "shadow")?,
            canary: reader.find_and_get(&name, "canary")?,
            canary_share: reader.find_and_get(&name, "canary_share")?,
        };
        section.check(&name, reader)?;
        models.insert(name, section);
    }
    Ok(models)
}

fn names(reader: &Reader) -> Vec<String> {
    let keys = reader.layers.iter().flat_map(|layer| layer.values.keys());
    let mut names: Vec<String> = keys.filter_map(|key| Some(parts(key)?.0.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

impl Serving {
    fn check(&self, name: &str, reader: &Reader) -> Result<(), ConfigError> {
        let version = |version: Option<usize>| version.is_none_or(|it| u32::try_from(it).is_ok());
        let versions = match &self.versions {
            Some(VersionsSetting::Named(named)) => {
                !named.is_empty() && named.iter().all(|&it| it >= 1 && version(Some(it)))
            }
            _ => true,
        };
        let checks = [
            ("weight", self.weight.is_none_or(|it| it > 0.0 && it <= 1000.0)),
            ("instances", self.instances.is_none_or(|it| it <= 256)),
            ("max_batch", self.max_batch.is_none_or(|it| it <= 1024)),
            ("bucket", self.bucket.is_none_or(is_bucket)),
            ("batch_wait_ms", self.batch_wait_ms.is_none_or(is_wait)),
            (
                "preferred_batches",
                self.preferred_batches
                    .as_deref()
                    .is_none_or(|it| are_batches(it, self.max_batch.unwrap_or(0))),
            ),
            ("versions", versions),
            ("pinned", version(self.pinned)),
            ("shadow", version(self.shadow)),
            ("canary", version(self.canary)),
            (
                "canary_share",
                self.canary_share.is_none_or(|it| (0.0..=1.0).contains(&it)),
            ),
        ];
        match checks.into_iter().find(|(_, fine)| !fine) {
            Some((field, _)) => Err(reader.bad(&format!("serving.{name}.{field}"))),
            None => Ok(()),
        }
    }
}

/// Whether it is a multiple of sides within which images may meet.
pub(super) fn is_bucket(multiple: usize) -> bool {
    multiple.is_multiple_of(16) && multiple <= 8192
}

/// Whether it is a time in milliseconds that images may wait for company.
pub(super) fn is_wait(milliseconds: f64) -> bool {
    (0.0..=60_000.0).contains(&milliseconds)
}

/// Whether these are sizes of batches, ascending and at most `most` (0: not said).
pub(super) fn are_batches(sizes: &[usize], most: usize) -> bool {
    let most = if most == 0 { 1024 } else { most };
    sizes.iter().all(|size| (1..=most).contains(size)) && sizes.is_sorted_by(|a, b| a < b)
}
