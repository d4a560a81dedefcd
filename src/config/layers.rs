//! One layer of settings: a flat map from dotted key to value, and where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Environment, File, FileFormat, Source, Value, ValueKind};

use super::{ConfigError, Origin};

pub(super) struct Layer {
    pub origin: Origin,
    pub values: BTreeMap<String, Value>,
}

impl Layer {
    /// The defaults, as the text of a settings file.
    pub fn defaults(text: &str) -> Layer {
        let table = File::from_str(text, FileFormat::Toml)
            .collect()
            .expect("the built-in defaults are TOML");
        Layer {
            origin: Origin::Default,
            values: flatten(table),
        }
    }

    pub fn file(path: &Path) -> Result<Layer, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        Layer::text(&text, path)
    }

    /// A file's text; `path` is what messages call it.
    pub fn text(text: &str, path: &Path) -> Result<Layer, ConfigError> {
        let table = File::from_str(text, FileFormat::Toml)
            .collect()
            .map_err(|error| ConfigError::Syntax {
                origin: format!("the settings file {}", path.display()),
                message: error.to_string().trim().to_string(),
            })?;
        Ok(Layer {
            origin: Origin::File(path.to_path_buf()),
            values: flatten(table),
        })
    }

    pub fn environment(variables: &BTreeMap<String, String>) -> Result<Layer, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let table = Environment::with_prefix("SAGATE")
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables))
            .collect()
            .map_err(|error| ConfigError::Syntax {
                origin: "the environment".into(),
                message: error.to_string(),
            })?;
        Ok(Layer {
            origin: Origin::Environment,
            values: flatten(table),
        })
    }

    pub fn flags(flags: &[(&'static str, String)]) -> Layer {
        let values = flags
            .iter()
            .map(|(key, value)| ((*key).to_string(), Value::from(value.as_str())))
            .collect();
        Layer {
            origin: Origin::Flag,
            values,
        }
    }
}

/// Turns nested tables into dotted keys.
fn flatten(table: config::Map<String, Value>) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, table: config::Map<String, Value>, out: &mut BTreeMap<String, Value>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value.kind {
                ValueKind::Table(inner) => walk(&key, inner, out),
                _ => {
                    out.insert(key, value);
                }
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", table, &mut out);
    out
}
