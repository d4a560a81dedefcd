//! Exit codes, and printing of errors with their causes.

use std::process::ExitCode;

use crate::config::ConfigError;

/// Result of a command. The discriminant is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success; every image was accepted.
    Ok = 0,
    /// No result; the message has the cause.
    Error = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// Success; at least one image was rejected.
    Rejected = 3,
    /// Some inputs failed; the others succeeded. Takes precedence over `Rejected`.
    SomeFailed = 4,
    /// stdout was closed before the end.
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
    /// Exits without running exit handlers: libtorch's would destroy state that a running thread uses.
    pub fn at_once(self) -> ! {
        // SAFETY: _exit takes any number and does not return; output was flushed line by line.
        unsafe { libc::_exit(self as i32) }
    }
}

/// An invalid combination of arguments; exits with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Prints an error and its causes on stderr in one line, and returns its exit code.
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

/// One line of an error and its causes, without repetitions.
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

/// libtorch's message without its C++ stack trace.
fn without_trace(message: &str) -> &str {
    let trace = ["\nException raised from", "\nframe #"];
    let end = trace.iter().filter_map(|start| message.find(start)).min();
    &message[..end.unwrap_or(message.len())]
}
