//! Sections `serving.NAME`: settings of one model where they differ.

use std::collections::BTreeMap;

use config::Value;

use super::engine::{batch_sizes, batch_wait, bucket, fit_batch};
use crate::config::ConfigError;
use crate::config::description::Description;
use crate::config::reader::Reader;
use crate::config::rule::{Rule, number, zero_or};
use crate::config::section::model_section;
use crate::config::value::Setting;

model_section! {
    /// Settings of one model where they differ from section `engine`. Every key is optional; there is no such section by
    /// default.
    pub struct ServingSettings {
        /// Weight in fair scheduling between models.
        weight: f64 = 1.0, Rule::new("a number above 0, at most 1000", |&it: &f64| it > 0.0 && it <= 1000.0);
        /// Worker threads.
        instances: usize = 0, zero_or("as suits the device", ..=256);
        /// Maximum batch size.
        max_batch: usize = 0, zero_or("as suits the device", ..=1024);
        /// Images that may share a batch.
        bucket: usize = 0, bucket();
        /// Maximum batching delay in milliseconds.
        batch_wait_ms: f64 = 0.0, batch_wait();
        /// Batch sizes that run without waiting for more.
        preferred_batches: Vec<usize> = [], batch_sizes();
        /// Versions of the folder that are loaded.
        versions: VersionsSetting = "all", versions();
        /// The version for requests that name none; 0: the highest that is ready and neither shadow nor canary.
        pinned: usize = 0, version("pins none");
        /// A shadow version, which gets the same images; its answers are compared and counted, never returned.
        shadow: usize = 0, version("is none");
        /// A canary version, which gets a share of the requests that name none, always those of the same request ids.
        canary: usize = 0, version("is none");
        /// Share of the requests that name no version which the canary gets.
        canary_share: f64 = 0.0, number("", "", 0.0..=1.0);
    }
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

impl Setting for VersionsSetting {
    const IS_LIST: bool = true;
    fn read(value: &Value) -> Option<Self> {
        match String::read(value).as_deref().map(str::trim) {
            Some("all") => Some(VersionsSetting::All),
            Some("latest") => Some(VersionsSetting::Latest),
            _ => Vec::read(value).map(VersionsSetting::Named),
        }
    }
    fn shown(&self) -> toml::Value {
        match self {
            VersionsSetting::All => "all".into(),
            VersionsSetting::Latest => "latest".into(),
            VersionsSetting::Named(named) => named.shown(),
        }
    }
}

fn versions() -> Rule<VersionsSetting> {
    let words = "\"all\", \"latest\", or versions, like [1, 3]";
    Rule::new(words, |versions: &VersionsSetting| match versions {
        VersionsSetting::Named(named) => {
            !named.is_empty() && named.iter().all(|&it| it >= 1 && is_version(it))
        }
        _ => true,
    })
}

fn version(zero: &str) -> Rule<usize> {
    Rule::new(format!("a version, from 1; 0 {zero}"), |&it: &usize| {
        is_version(it)
    })
}

fn is_version(number: usize) -> bool {
    u32::try_from(number).is_ok()
}

/// Splits `serving.NAME.KEY` into name and the setting's description, where there is such a setting.
pub(in crate::config) fn parts(key: &str) -> Option<(&str, &'static Description)> {
    let (name, field) = key.strip_prefix("serving.")?.rsplit_once('.')?;
    let known = ServingSettings::SETTINGS.iter().find(|known| known.key == field);
    known.filter(|_| !name.is_empty()).map(|known| (name, known))
}

/// Reads the sections of all models that have one.
pub(in crate::config) fn read(reader: &mut Reader) -> Result<BTreeMap<String, ServingSettings>, ConfigError> {
    let mut models = BTreeMap::new();
    for name in names(reader) {
        let section = ServingSettings::read(&name, reader)?;
        let batches = section.preferred_batches.as_deref().unwrap_or_default();
        if !fit_batch(batches, section.max_batch.unwrap_or(0)) {
            let key = format!("serving.{name}.preferred_batches");
            return Err(reader.bad(&key, &batch_sizes().words, true));
        }
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
