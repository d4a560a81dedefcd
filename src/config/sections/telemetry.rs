//! Section `telemetry`.

use std::path::PathBuf;

use super::{A_DAY, Relation, is_set};
use crate::config::rule::{Rule, any, whole};
use crate::config::section::section;

section! {
    /// Export of traces and metrics, and the window of the metrics.
    pub struct TelemetrySettings: "telemetry" {
        /// A collector that gets traces and metrics over OTLP/gRPC.
        otlp: String = "", Rule::new(
            "\"\" (off) or the http:// or https:// URL of an OTLP/gRPC collector, like \"http://127.0.0.1:4317\"",
            |url: &String| url.is_empty() || url.starts_with("http://") || url.starts_with("https://"),
        ), flag "otlp";
        /// Authorities of the certificate of an `https://` collector; `""`: those of the system.
        otlp_ca: PathBuf = "", any("a PEM file where telemetry.otlp is an https:// URL, else \"\"");
        /// Seconds between two exports of metrics.
        otlp_interval_seconds: u64 = 15, whole(1..=A_DAY);
        /// Window in seconds of the accepted share and the rates.
        window_seconds: u64 = 300, whole(10..=A_DAY);
    }
}

impl TelemetrySettings {
    pub(in crate::config) fn relations(&self) -> [Relation; 1] {
        let fits = !is_set(&self.otlp_ca) || self.otlp.starts_with("https://");
        [("telemetry.otlp_ca", fits)]
    }
}
