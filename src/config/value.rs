//! How a value is read strictly: no truth from numbers, no numbers from truth. Text from the environment or a flag is
//! parsed as what the key wants.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;
use config::{Value, ValueKind};

use super::VersionsSetting;
use crate::nn::placement::{Convolutions, Precision};

/// How a file says that the calibration names the coverage.
const CALIBRATED: &str = "calibrated";

/// A type that a setting may have.
pub(super) trait Setting: Sized {
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

/// A number, or the word `calibrated` for `None`.
impl Setting for Option<f64> {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::String(text) if text.trim() == CALIBRATED => Some(None),
            _ => f64::read(value).map(Some),
        }
    }
    fn shown(&self) -> toml::Value {
        self.map_or(CALIBRATED.into(), toml::Value::from)
    }
}

impl Setting for [f64; 2] {
    fn read(value: &Value) -> Option<Self> {
        let parts: Vec<f64> = match &value.kind {
            ValueKind::Array(parts) => parts.iter().map(f64::read).collect::<Option<_>>()?,
            ValueKind::String(text) => {
                let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
                inner
                    .split(',')
                    .map(|part| part.trim().parse().ok())
                    .collect::<Option<_>>()?
            }
            _ => return None,
        };
        parts.try_into().ok()
    }
    fn shown(&self) -> toml::Value {
        self.to_vec().into()
    }
}

impl Setting for Vec<usize> {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::Array(parts) => parts.iter().map(usize::read).collect(),
            ValueKind::String(text) => {
                let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
                let parts = inner.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| part.parse().ok()).collect()
            }
            _ => None,
        }
    }
    fn shown(&self) -> toml::Value {
        toml::Value::Array(self.iter().map(Setting::shown).collect())
    }
}

impl Setting for VersionsSetting {
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

/// A list in a file; where it is one text, semicolons part it.
impl Setting for Vec<String> {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::Array(parts) => parts.iter().map(String::read).collect(),
            ValueKind::String(text) => {
                let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
                Some(parts.map(str::to_owned).collect())
            }
            _ => None,
        }
    }
    fn shown(&self) -> toml::Value {
        self.clone().into()
    }
}

/// A list in a file; where it is one text, commas part it.
impl Setting for super::Roles {
    fn read(value: &Value) -> Option<Self> {
        match &value.kind {
            ValueKind::Array(parts) => parts
                .iter()
                .map(|part| String::read(part)?.parse::<super::Role>().ok())
                .collect(),
            ValueKind::String(text) => text.parse().ok(),
            _ => None,
        }
    }
    fn shown(&self) -> toml::Value {
        self.names().collect::<Vec<_>>().into()
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

/// What a value looked like, for a message.
pub(super) fn describe(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Nil => "empty".into(),
        _ => value.to_string(),
    }
}

/// Reads an enumeration by the names that its flag has.
fn by_name<T: ValueEnum>(value: &Value) -> Option<T> {
    T::from_str(String::read(value)?.trim(), true).ok()
}

fn name<T: ValueEnum>(value: &T) -> toml::Value {
    value
        .to_possible_value()
        .map_or_else(String::new, |it| it.get_name().to_string())
        .into()
}

/// Implements [`Setting`] for enumerations that are also flags.
macro_rules! named_settings {
    ($($kind:ty),*) => {$(
        impl Setting for $kind {
            fn read(value: &Value) -> Option<Self> {
                by_name(value)
            }
            fn shown(&self) -> toml::Value {
                name(self)
            }
        }
    )*};
}

named_settings!(
    super::DeviceKind,
    super::ModelControl,
    Precision,
    Convolutions,
    super::By,
    LogLevel,
    LogFormat,
    OutputFormat
);

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What a person should look at.
    Warn,
    /// What was done.
    Info,
    /// How it was done.
    Debug,
    /// Every step.
    Trace,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Pretty where stderr is a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Tables for people.
    Table,
    /// JSON for programs.
    Json,
}
