//! What models have done, as the protocol counts it: an image is an inference, a batch an execution.

use std::time::Duration;

use super::model;
use crate::engine::ModelHandle;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::proto::inference::{InferStatistics, ModelStatistics, ModelStatisticsResponse, StatisticDuration};
use crate::telemetry::{Phase, Telemetry};

/// Of one model, or of all where the name is empty; of one version, or of all where that is empty.
///
/// # Errors
/// There is no such model.
pub(crate) fn statistics(
    name: &str,
    version: &str,
    context: &Context,
) -> Result<ModelStatisticsResponse, ServiceError> {
    if !name.is_empty() {
        model::find(name, version, context)?;
    }
    let version = model::number(version)?;
    let asked = |hosted: &ModelHandle| {
        let id = hosted.contract().id();
        (name.is_empty() || id.name == name) && version.is_none_or(|version| id.version == version)
    };
    let models = model::all(context);
    let models = models.iter().filter(|hosted| asked(hosted));
    Ok(ModelStatisticsResponse {
        model_stats: models.map(|hosted| of(hosted, &context.telemetry)).collect(),
    })
}

fn of(hosted: &ModelHandle, telemetry: &Telemetry) -> ModelStatistics {
    let id = hosted.contract().id();
    let did = telemetry.statistics(id);
    let phases = |phases: &[Phase]| {
        let took = phases.iter().map(|&phase| did.phase(phase)).sum();
        Some(duration(did.answered, took))
    };
    ModelStatistics {
        name: id.name.clone(),
        version: id.version.to_string(),
        last_inference: did.last_milliseconds,
        inference_count: did.answered,
        execution_count: did.batches,
        inference_stats: Some(InferStatistics {
            success: Some(duration(did.answered, did.answered_time)),
            fail: Some(duration(did.failed, did.failed_time)),
            queue: phases(&[Phase::Queue]),
            compute_input: phases(&[Phase::Decode, Phase::Preprocess]),
            compute_infer: phases(&[Phase::Forward, Phase::Qc]),
            compute_output: phases(&[Phase::Encode]),
            // There is no cache.
            cache_hit: Some(StatisticDuration::default()),
            cache_miss: Some(StatisticDuration::default()),
        }),
    }
}

fn duration(count: u64, took: Duration) -> StatisticDuration {
    StatisticDuration {
        count,
        ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
    }
}
