//! How the server is doing, as `GetStatus` tells it.

use super::service::Context;
use super::{models, v1};

/// A snapshot.
pub(super) fn status(context: &Context) -> v1::GetStatusResponse {
    let telemetry = &context.telemetry;
    let uptime = telemetry.uptime();
    let of_model = |hosted: &std::sync::Arc<crate::engine::Hosted>| {
        let window = telemetry.window(hosted.contract().id());
        let usage = hosted.usage();
        v1::ModelStatus {
            model: Some(models::version(hosted.contract())),
            ready: hosted.is_ready(),
            queue_entries: usage.entries as u64,
            queue_bytes: usage.bytes,
            window_images: window.images,
            ..Default::default()
        }
    };
    v1::GetStatusResponse {
        server_version: env!("CARGO_PKG_VERSION").into(),
        uptime_seconds: uptime.as_secs_f64(),
        window_seconds: telemetry.window_span().as_secs_f64(),
        draining: *context.draining.borrow(),
        requests_in_flight: telemetry.in_flight(),
        models: context.engine.models().map(of_model).collect(),
    }
}
