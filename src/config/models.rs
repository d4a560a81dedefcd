//! Section `models`: where models lie, and how they come and go while the server runs. Section `readiness`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{ConfigError, Reader};

/// Their keys, and what a right value looks like.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("models.dir", "a folder"),
    ("models.default", "NAME or NAME@VERSION"),
    (
        "models.control",
        "\"auto\", \"none\", \"poll\" or \"explicit\"; \"none\" and \"explicit\" need models.watch_seconds = 0",
    ),
    ("models.watch_seconds", "a whole number from 0 (never) to 86400"),
    ("models.removal_scans", "a whole number from 1 to 1000"),
    ("models.load_seconds", "a whole number from 1 to 86400"),
    ("readiness.strict", "true or false"),
];

/// Section `models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Models {
    /// The folder that holds `NAME/VERSION/` folders.
    pub dir: PathBuf,
    /// The model that is meant when none is named: `NAME` (its highest version) or `NAME@VERSION`.
    pub default: String,
    /// How models come and go while the server runs; `Settings::model_control` resolves `auto`.
    pub control: ModelControl,
    /// Seconds between two looks at the folder for models that came, changed or went; 0: it looks only at SIGUSR2.
    pub watch_seconds: u64,
    /// A version is unloaded when so many scans of the folder in a row do not find it.
    pub removal_scans: u32,
    /// Seconds that a model may take until it answers.
    pub load_seconds: u64,
}

/// How models come and go while the server runs; as NVIDIA Triton's model control modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelControl {
    /// `explicit` where `server.model_admin` is set and nothing is polled, else `poll`.
    Auto,
    /// Not at all: what is loaded at the start is served until the end.
    None,
    /// By the folder.
    Poll,
    /// By calls; the folder says what there is to be loaded.
    Explicit,
}

/// Section `readiness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Whether every version that shall be served must answer, not only the default and the models that the settings name.
    pub strict: bool,
}

impl Models {
    pub(super) fn read(reader: &mut Reader) -> Result<Models, ConfigError> {
        Ok(Models {
            dir: reader.get("models.dir")?,
            default: reader.get("models.default")?,
            control: reader.get("models.control")?,
            watch_seconds: reader.get("models.watch_seconds")?,
            removal_scans: reader.get("models.removal_scans")?,
            load_seconds: reader.get("models.load_seconds")?,
        })
    }

    pub(super) fn in_range(&self) -> [(&'static str, bool); 6] {
        let polls = matches!(self.control, ModelControl::Auto | ModelControl::Poll);
        [
            ("models.dir", !self.dir.as_os_str().is_empty()),
            ("models.default", !self.default.is_empty()),
            ("models.control", polls || self.watch_seconds == 0),
            ("models.watch_seconds", self.watch_seconds <= 86400),
            ("models.removal_scans", (1..=1000).contains(&self.removal_scans)),
            ("models.load_seconds", (1..=86400).contains(&self.load_seconds)),
        ]
    }
}

impl Readiness {
    pub(super) fn read(reader: &mut Reader) -> Result<Readiness, ConfigError> {
        Ok(Readiness {
            strict: reader.get("readiness.strict")?,
        })
    }
}

impl ModelControl {
    /// As a settings file has it.
    pub fn name(self) -> &'static str {
        match self {
            ModelControl::Auto => "auto",
            ModelControl::None => "none",
            ModelControl::Poll => "poll",
            ModelControl::Explicit => "explicit",
        }
    }
}
