//! Types of settings. Values are read strictly: a number is no boolean, and a boolean no number. Text from the environment or a flag is
//! parsed as the type of the key.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use config::{Value, ValueKind};

/// A type of settings.
pub(super) trait Setting: Sized + 'static {
    /// Whether its value is a list, which a variable of the environment holds as one text.
    const IS_LIST: bool = false;
    /// Reads it; `None` when the value is something else.
    fn read(value: &Value) -> Option<Self>;
    /// As a TOML file would hold it.
    fn shown(&self) -> toml::Value;
}

impl Setting for bool {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::Boolean(it) => Some(*it),
            ValueKind::String(text) => text.trim().to_lowercase().parse().ok(),
            _ => None,
        }
    }
    fn shown(&self) -> toml::Value {
        (*self).into()
    }
}

impl Setting for u64 {
    fn read(value: &Value) -> Option<Self> {
        let number = match &value.kind {
            ValueKind::I64(it) => u64::try_from(*it).ok()?,
            ValueKind::U64(it) => *it,
            ValueKind::String(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        i64::try_from(number).is_ok().then_some(number)
    }
    fn shown(&self) -> toml::Value {
        i64::try_from(*self).unwrap_or(i64::MAX).into()
    }
}

impl Setting for usize {
    fn read(value: &Value) -> Option<Self> {
        u64::read(value)?.try_into().ok()
    }
    fn shown(&self) -> toml::Value {
        (*self as u64).shown()
    }
}

impl Setting for u32 {
    fn read(value: &Value) -> Option<Self> {
        u64::read(value)?.try_into().ok()
    }
    fn shown(&self) -> toml::Value {
        u64::from(*self).shown()
    }
}

impl Setting for f64 {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::Float(it) => Some(*it),
            ValueKind::I64(it) => Some(*it as f64),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
    fn shown(&self) -> toml::Value {
        (*self).into()
    }
}

impl Setting for [f64; 2] {
    const IS_LIST: bool = true;
    fn read(value: &Value) -> Option<Self> {
        list::<f64>(value)?.try_into().ok()
    }
    fn shown(&self) -> toml::Value {
        self.to_vec().into()
    }
}

impl Setting for Vec<usize> {
    const IS_LIST: bool = true;
    fn read(value: &Value) -> Option<Self> {
        list(value)
    }
    fn shown(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(Setting::shown).collect())
    }
}

impl Setting for String {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::String(text) => Some(text.clone()),
            _ => None,
        }
    }
    fn shown(&self) -> toml::Value {
        self.clone().into()
    }
}

impl Setting for Vec<String> {
    const IS_LIST: bool = true;
    fn read(value: &Value) -> Option<Self> {
        list(value)
    }
    fn shown(&self) -> toml::Value {
        self.clone().into()
    }
}

impl Setting for PathBuf {
    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(PathBuf::from)
    }
    fn shown(&self) -> toml::Value {
        self.display().to_string().into()
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Option<Self> {
        String::read(value)?.trim().parse().ok()
    }
    fn shown(&self) -> toml::Value {
        self.to_string().into()
    }
}

/// An address, or nothing for `None`.
impl Setting for Option<SocketAddr> {
    fn read(value: &Value) -> Option<Self> {
        match String::read(value)?.trim() {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
    fn shown(&self) -> toml::Value {
        self.map_or_else(String::new, |it| it.to_string()).into()
    }
}

/// Reads a list, each element as its own type.
pub(super) fn list<T: Setting>(value: &Value) -> Option<Vec<T>> {
    let read = |elements: &[Value]| elements.iter().map(T::read).collect();
    match &value.kind {
        ValueKind::Array(elements) => read(elements),
        ValueKind::String(text) => read(&elements(text.trim())?),
        _ => None,
    }
}

/// The elements of a list that is one text: a JSON or TOML array, or values with commas between. A semicolon outside of an array is
/// refused: some take it for the separator, and the whole text would be read as one value.
fn elements(text: &str) -> Option<Vec<Value>> {
    if text.starts_with('[') {
        return serde_json::from_str(text).ok().or_else(|| toml_array(text));
    }
    if text.contains(';') {
        return None;
    }
    let values = text.split(',').map(str::trim).filter(|value| !value.is_empty());
    Some(values.map(Value::from).collect())
}

fn toml_array(text: &str) -> Option<Vec<Value>> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Held {
        list: Vec<Value>,
    }
    toml::from_str::<Held>(&format!("list = {text}"))
        .ok()
        .map(|held| held.list)
}

/// What a value looked like, for a message.
pub(super) fn describe(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Nil => "empty".into(),
        _ => value.to_string(),
    }
}

/// Reads an enumeration by the names that its flag has.
pub(super) fn by_name<T: ValueEnum>(value: &Value) -> Option<T> {
    T::from_str(String::read(value)?.trim(), true).ok()
}

/// The name of an enumeration's value.
pub(super) fn name<T: ValueEnum>(value: &T) -> toml::Value {
    value
        .to_possible_value()
        .map_or_else(String::new, |it| it.get_name().to_string())
        .into()
}

/// Implements [`Setting`] for enumerations that are also flags.
macro_rules! named_settings {
    ($($kind:ty),+) => {$(
        impl $crate::config::value::Setting for $kind {
            fn read(value: &config::Value) -> Option<Self> {
                $crate::config::value::by_name(value)
            }
            fn shown(&self) -> toml::Value {
                $crate::config::value::name(self)
            }
        }
    )+};
}
pub(super) use named_settings;
