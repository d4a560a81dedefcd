//! Section `models`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{A_DAY, Relation};
use crate::config::rule::{filled, one_of, whole, zero_or};
use crate::config::section::section;
use crate::config::value::named_settings;

section! {
    /// Where models lie, and when a running server loads and unloads them.
    pub struct ModelsSettings: "models" {
        /// The folder that holds `NAME/VERSION/` folders.
        dir: PathBuf = "models", filled("a folder"), flag "models";
        /// The model that is used when none is named: NAME (its highest version) or NAME@VERSION.
        default: String = "t1-brain", filled("NAME or NAME@VERSION"), flag "model";
        /// What changes the loaded models of a running server (docs/operate/serving.md). `"none"`: nothing. `"poll"`: the
        /// folder. `"explicit"`: the calls of `server.model_admin`. `"auto"` is `"explicit"` if `server.model_admin` is true
        /// and `models.watch_seconds` is 0, else `"poll"`.
        control: ModelControl = "auto",
            one_of().with("; \"none\" and \"explicit\" need models.watch_seconds = 0");
        /// Seconds between two scans of the folder: new and changed versions are loaded, missing ones unloaded.
        watch_seconds: u64 = 0, zero_or("scans on SIGUSR2 only", ..=A_DAY);
        /// Consecutive scans without a version before it is unloaded; scans are `models.watch_seconds` apart, or a second if
        /// that is 0. An unreadable folder, and a folder without any model, which is taken for a missing mount, unload
        /// nothing.
        removal_scans: u32 = 3, whole(1..=1000);
        /// Seconds that a model may take from its files to its first warm worker thread. A slower load fails and is retried
        /// later.
        load_seconds: u64 = 300, whole(1..=A_DAY);
    }
}

/// What changes the loaded models of a running server; like NVIDIA Triton's model control modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelControl {
    /// `explicit` where `server.model_admin` is set and nothing is polled, else `poll`.
    Auto,
    /// Nothing: what is loaded at the start is served until the end.
    None,
    /// The folder.
    Poll,
    /// Calls; the folder says what there is to be loaded.
    Explicit,
}

named_settings!(ModelControl);

impl ModelsSettings {
    pub(in crate::config) fn relations(&self) -> [Relation; 1] {
        let polls = matches!(self.control, ModelControl::Auto | ModelControl::Poll);
        [("models.control", polls || self.watch_seconds == 0)]
    }
}

impl ModelControl {
    /// Its name in a settings file.
    pub fn name(self) -> &'static str {
        match self {
            ModelControl::Auto => "auto",
            ModelControl::None => "none",
            ModelControl::Poll => "poll",
            ModelControl::Explicit => "explicit",
        }
    }
}
