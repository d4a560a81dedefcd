//! The status of a server, as a table or JSON.

use super::words::{bytes, number, percent, span};
use crate::cli::out;
use crate::client::{ModelStatus, ServerStatus, ServerUrl};
use crate::config::Settings;

/// Prints a status.
pub fn print(url: &ServerUrl, status: &ServerStatus, settings: &Settings) -> anyhow::Result<()> {
    if settings.json() {
        return out::json(status);
    }
    let draining = if status.draining { ", shutting down" } else { "" };
    out::line(&format!(
        "sagate {} at {url}, up {}, requests in flight: {}{draining}",
        status.version,
        span(status.uptime_seconds),
        status.in_flight
    ))?;
    let mut table = out::table(&[
        "model", "state", "images/s", "MP/s", "queue", "bytes", "passed", "asked", "mean mu", "p50 s",
        "p99 s", "accepted", "rejected", "failed",
    ]);
    for model in &status.models {
        table.add_row(row(model));
    }
    out::print(&table)?;
    Ok(out::line(&format!(
        "rates, shares, mu and latencies of the last {}; counts since the start",
        span(status.window_seconds)
    ))?)
}

fn row(model: &ModelStatus) -> [String; 14] {
    let state = if model.ready { "ready" } else { "not ready" };
    [
        model.model.clone(),
        state.into(),
        number(Some(model.images_per_second), 2),
        number(Some(model.megapixels_per_second), 2),
        model.queue_entries.to_string(),
        bytes(model.queue_bytes),
        percent(model.accepted_share),
        percent(model.coverage),
        number(model.mean_mu, 3),
        number(model.p50_seconds, 3),
        number(model.p99_seconds, 3),
        model.accepted.to_string(),
        model.rejected.to_string(),
        model.failed.to_string(),
    ]
}
