//! The sections of the settings, each in a file of its own. Every setting is described once, there.

pub mod access_log;
pub mod audit;
pub mod auth;
pub mod client;
pub mod connections;
pub mod device;
pub mod engine;
pub mod gate;
pub mod imaging;
pub mod limits;
pub mod log;
pub mod models;
pub mod output;
pub mod proxies;
pub mod rate;
pub mod readiness;
pub mod server;
pub mod serving;
pub mod telemetry;
pub mod tls;

use std::path::Path;

/// Seconds of a day.
const A_DAY: u64 = 86400;
/// Seconds of a year.
const A_YEAR: u64 = 365 * A_DAY;

/// A key, and whether its value fits those of other keys.
pub(super) type Relation = (&'static str, bool);

/// Whether a setting names a file; empty text names none.
fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}
