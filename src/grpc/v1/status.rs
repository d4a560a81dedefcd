//! The response of `GetStatus`.

use super::models;
use crate::engine::ModelHandle;
use crate::grpc::context::Context;
use crate::proto::v1;
use crate::telemetry::{Telemetry, WindowView};

/// A snapshot.
pub(crate) fn status(context: &Context) -> v1::GetStatusResponse {
    let telemetry = &context.telemetry;
    let served = context.engine.models();
    let models: Vec<_> = served
        .iter()
        .map(|model| (model, telemetry.window(model.contract().id())))
        .collect();
    v1::GetStatusResponse {
        server_version: sagate_core::build::VERSION.into(),
        uptime_seconds: telemetry.uptime().as_secs_f64(),
        window_seconds: models.first().map_or(0.0, |(_, window)| window.seconds),
        draining: *context.draining.borrow(),
        // Without this call.
        requests_in_flight: telemetry.in_flight().saturating_sub(1),
        models: models
            .into_iter()
            .map(|(model, window)| model_status(model, window, telemetry))
            .collect(),
    }
}

fn model_status(model: &ModelHandle, window: WindowView, telemetry: &Telemetry) -> v1::ModelStatus {
    let usage = model.usage();
    let counts = telemetry.counts(model.contract().id());
    v1::ModelStatus {
        model: Some(models::version(model.contract())),
        ready: model.is_ready(),
        accepted: counts.accepted,
        rejected: counts.rejected,
        failed: counts.failed,
        queue_entries: usage.entries as u64,
        queue_bytes: usage.bytes,
        window_images_per_second: window.images_per_second,
        window_megapixels_per_second: window.megapixels_per_second,
        window_images: window.images,
        window_mean_mu: window.mean_mu,
        window_accepted_share: window.accepted_share,
        window_coverage: window.coverage,
        window_mu_histogram: window.mu_histogram.to_vec(),
        window_p50_seconds: window.p50_seconds,
        window_p99_seconds: window.p99_seconds,
    }
}
