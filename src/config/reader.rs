//! Looks settings up in the layers; the last layer that has one wins.

use std::borrow::Cow;

use super::layers::Layer;
use super::rule::Rule;
use super::value::{self, Setting};
use super::{ConfigError, Entry, Origin};

pub(super) struct Reader<'a> {
    pub layers: &'a [Layer],
    /// What was read so far.
    pub entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    pub fn new(layers: &'a [Layer]) -> Reader<'a> {
        Reader {
            layers,
            entries: Vec::new(),
        }
    }

    /// A setting that the defaults hold.
    pub fn get<T: Setting>(&mut self, key: &'static str, rule: Rule<T>) -> Result<T, ConfigError> {
        Ok(self
            .find(key.into(), &rule)?
            .expect("the defaults hold every key"))
    }

    /// A setting that may be left out.
    pub fn find<T: Setting>(
        &mut self,
        key: Cow<'static, str>,
        rule: &Rule<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some((layer, value)) = self.last(&key) else {
            return Ok(None);
        };
        let Some(read) = T::read(value).filter(|read| rule.admits(read)) else {
            return Err(self.bad(&key, &rule.words, T::IS_LIST));
        };
        let entry = Entry {
            value: read.shown(),
            origin: layer.origin.clone(),
            key,
        };
        self.entries.push(entry);
        Ok(Some(read))
    }

    /// The error for the value of a key, which some layer has.
    pub fn bad(&self, key: &str, right: &str, is_list: bool) -> ConfigError {
        let (layer, value) = self.last(key).expect("only what was found can be bad");
        let form = match layer.origin {
            Origin::Environment if is_list => {
                "; a variable holds it as a JSON array, or as values with commas between"
            }
            _ => "",
        };
        ConfigError::BadValue {
            key: key.to_owned(),
            value: value::describe(value),
            origin: layer.origin.name(key),
            right: format!("{right}{form}"),
        }
    }

    fn last(&self, key: &str) -> Option<(&'a Layer, &'a config::Value)> {
        let mut layers = self.layers.iter().rev();
        layers.find_map(|layer| layer.values.get(key).map(|value| (layer, value)))
    }
}
