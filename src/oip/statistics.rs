//! Statistics of models: an image counts as an inference, a batch as an execution.

use std::time::Duration;

use super::model;
use crate::engine::ModelHandle;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::proto::inference::{InferStatistics, ModelStatistics, ModelStatisticsResponse, StatisticDuration};
use crate::telemetry::{Phase, Telemetry};

/// Statistics of one model, or of all if the name is empty; of one version, or of all if it is empty.
///
/// # Errors
/// An unknown model.
pub(crate) fn statistics(
    name: &str,
    version: &str,
    context: &Context,
) -> Result<ModelStatisticsResponse, ServiceError> {
    if !name.is_empty() {
        model::find(name, version, context)?;
    }
    let version = model::number(version)?;
    let matches = |model: &ModelHandle| {
        let id = model.contract().id();
        (name.is_empty() || id.name == name) && version.is_none_or(|version| id.version == version)
    };
    let models = model::all(context);
    let models = models.iter().filter(|model| matches(model));
    Ok(ModelStatisticsResponse {
        model_stats: models
            .map(|model| model_statistics(model, &context.telemetry))
            .collect(),
    })
}

fn model_statistics(model: &ModelHandle, telemetry: &Telemetry) -> ModelStatistics {
    let id = model.contract().id();
    let counters = telemetry.statistics(id);
    let phases = |phases: &[Phase]| {
        let time = phases.iter().map(|&phase| counters.phase(phase)).sum();
        Some(duration(counters.answered, time))
    };
    ModelStatistics {
        name: id.name.clone(),
        version: id.version.to_string(),
        last_inference: counters.last_milliseconds,
        inference_count: counters.answered,
        execution_count: counters.batches,
        inference_stats: Some(InferStatistics {
            success: Some(duration(counters.answered, counters.answered_time)),
            fail: Some(duration(counters.failed, counters.failed_time)),
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

fn duration(count: u64, time: Duration) -> StatisticDuration {
    StatisticDuration {
        count,
        ns: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
    }
}
