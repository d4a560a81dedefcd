//! Logs by `tracing` to stderr: pretty lines on a terminal, one JSON object per line otherwise. The level can be changed at run time.

use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Handle of the started logger, and its current level.
static STARTED: OnceLock<(reload::Handle<Targets, Registry>, Mutex<LogLevel>)> = OnceLock::new();

/// Logging was not started by sagate in this process.
#[derive(Debug, thiserror::Error)]
#[error("this process does not log by sagate's own settings")]
pub struct NotStarted;

/// Starts logging for the whole process. A second call changes nothing.
///
/// sagate's own events follow `log.level`; those of libraries are shown from `warn` upward, and never more of them than
/// of its own.
pub fn start(log: &LogSettings) {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let terminal = stderr().is_terminal();
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(stderr);
    let started = if json {
        tracing_subscriber::registry()
            .with(filter)
            .with(layer.json().flatten_event(true))
            .try_init()
    } else {
        tracing_subscriber::registry()
            .with(filter)
            .with(layer.with_ansi(terminal).with_target(false))
            .try_init()
    };
    match started {
        Ok(()) => drop(STARTED.set((handle, Mutex::new(log.level)))),
        Err(_) => tracing::debug!("logging had already been started"),
    }
}

/// The least severe level that is logged now.
///
/// # Errors
/// Logging was not started.
pub fn level() -> Result<LogLevel, NotStarted> {
    let (_, level) = STARTED.get().ok_or(NotStarted)?;
    Ok(*level.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Logs from this level upward from now on.
///
/// # Errors
/// Logging was not started.
pub fn set_level(to: LogLevel) -> Result<(), NotStarted> {
    let (handle, level) = STARTED.get().ok_or(NotStarted)?;
    let mut level = level.lock().unwrap_or_else(PoisonError::into_inner);
    handle.reload(filter(to)).map_err(|_| NotStarted)?;
    *level = to;
    Ok(())
}

fn filter(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_target("sagate", own)
        .with_default(own.min(LevelFilter::WARN))
}
