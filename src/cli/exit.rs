//! How a command ended: one table of exit codes, and errors told as one readable chain.

use std::process::ExitCode;

use crate::config::ConfigError;

/// How a command ended. The discriminant is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; every image was accepted.
    Ok = 0,
    /// Nothing came out: the message says why.
    Error = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// Done; at least one image was rejected.
    Rejected = 3,
    /// Some inputs failed; the others came out. Says more than `Rejected`, and wins over it.
    SomeFailed = 4,
    /// Whoever read stdout went away before the end.
    BrokenPipe = 141,
}

/// The table of exit codes as `--help` shows it.
pub const HELP: &str = "Exit codes:
    0  done; every image was accepted
    1  error: nothing came out, the message says why
    2  the command line or the settings are wrong
    3  done; at least one image was rejected
    4  some inputs failed, the others came out (whether or not some were rejected)
  141  whoever read stdout went away before the end

Settings: defaults < sagate.toml (or --config FILE) < environment SAGATE__SECTION__KEY < flags.
`sagate config print` shows each value and where it came from.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// Ends the process without running what is registered for its end: libtorch's own would pull its state from under a thread that
    /// is still at work.
    pub fn at_once(self) -> ! {
        // SAFETY: _exit takes any number and returns to nobody; what is printed was flushed line by line.
        unsafe { libc::_exit(self as i32) }
    }
}

/// A command line that parses but makes no sense; ends with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Tells an error on stderr, causes after their effects in one line, and says which exit code it has.
pub(super) fn explain(error: &anyhow::Error) -> Exit {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return Exit::BrokenPipe;
    }
    super::out::error(&format!("error: {}", chain(error)));
    if error
        .chain()
        .any(|cause| cause.is::<ConfigError>() || cause.is::<UsageError>())
    {
        Exit::Usage
    } else {
        Exit::Error
    }
}

/// One line of an error and its causes; a cause that its effect has already told is not told again.
pub fn chain(error: &anyhow::Error) -> String {
    let mut chain = String::new();
    for cause in error.chain() {
        let message = without_trace(&cause.to_string()).to_owned();
        if chain.is_empty() {
            chain = message;
        } else if !chain.contains(&message) {
            chain = format!("{chain}: {message}");
        }
    }
    chain
}

/// libtorch's messages without the list of C++ calls behind them, which tells a user nothing.
fn without_trace(message: &str) -> &str {
    let trace = ["\nException raised from", "\nframe #"];
    let end = trace.iter().filter_map(|start| message.find(start)).min();
    &message[..end.unwrap_or(message.len())]
}
