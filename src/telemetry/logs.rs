//! Logs by `tracing`, to stderr: pretty lines where a person watches, one JSON object a line otherwise.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging for the whole process. A second call changes nothing.
///
/// sagate's own events follow `log.level`; those of libraries are shown from `warn` upward, and never more of them than
/// of its own.
pub fn start(log: &Log) {
    let own = match log.level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let targets = Targets::new()
        .with_target("sagate", own)
        .with_default(own.min(LevelFilter::WARN));
    let terminal = stderr().is_terminal();
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(stderr);
    let started = if json {
        tracing_subscriber::registry()
            .with(layer.json().flatten_event(true))
            .with(targets)
            .try_init()
    } else {
        tracing_subscriber::registry()
            .with(layer.with_ansi(terminal).with_target(false))
            .with(targets)
            .try_init()
    };
    if started.is_err() {
        tracing::debug!("logging had already been started");
    }
}
