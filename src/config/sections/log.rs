//! Section `log`.

use clap::ValueEnum;

use crate::config::rule::one_of;
use crate::config::section::section;
use crate::config::value::named_settings;

section! {
    /// The log, on stderr.
    #[derive(Copy, Eq)]
    pub struct LogSettings: "log" {
        /// The least severe level that is logged.
        level: LogLevel = "warn", one_of(), flag "log";
        /// Format of a line: `"pretty"`, `"json"` (one object), or `"auto"`: pretty if stderr is a terminal, else JSON.
        format: LogFormat = "auto", one_of();
    }
}

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

impl LogLevel {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

/// Format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Pretty where stderr is a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

named_settings!(LogLevel, LogFormat);
