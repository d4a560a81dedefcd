//! Metadata and statistics as JSON.

use serde_json::{Value, json};

use crate::proto::inference::model_config::SchedulingChoice;
use crate::proto::inference::model_metadata_response::TensorMetadata;
use crate::proto::inference::{
    DataType, ModelConfig, ModelMetadataResponse, ModelStatistics, RepositoryIndexResponse, StatisticDuration,
};

/// Metadata of a model.
pub(crate) fn metadata(it: &ModelMetadataResponse) -> Value {
    let tensors = |tensors: &[TensorMetadata]| tensors.iter().map(tensor).collect::<Vec<Value>>();
    json!({
        "name": it.name, "versions": it.versions, "platform": it.platform, "inputs": tensors(&it.inputs),
        "outputs": tensors(&it.outputs),
    })
}

fn tensor(it: &TensorMetadata) -> Value {
    json!({ "name": it.name, "datatype": it.datatype, "shape": it.shape })
}

/// Protobuf's JSON encoding, with the field names of the proto file.
pub(crate) fn config(it: &ModelConfig) -> Value {
    let name_of = |data_type| DataType::try_from(data_type).map_or("TYPE_INVALID", |it| it.as_str_name());
    let inputs = it.input.iter().map(|it| {
        json!({
            "name": it.name, "data_type": name_of(it.data_type), "format": it.format().as_str_name(), "dims": it.dims,
            "optional": it.optional,
        })
    });
    let outputs = it
        .output
        .iter()
        .map(|it| json!({ "name": it.name, "data_type": name_of(it.data_type), "dims": it.dims }));
    let mut value = json!({
        "name": it.name, "platform": it.platform, "max_batch_size": it.max_batch_size,
        "input": inputs.collect::<Vec<_>>(), "output": outputs.collect::<Vec<_>>(),
    });
    if let Some(SchedulingChoice::DynamicBatching(it)) = &it.scheduling_choice {
        value["dynamic_batching"] = json!({
            "preferred_batch_size": it.preferred_batch_size, "max_queue_delay_microseconds": it.max_queue_delay_microseconds,
            "preserve_ordering": it.preserve_ordering, "priority_levels": it.priority_levels,
            "default_priority_level": it.default_priority_level,
        });
    }
    value
}

/// Statistics of a model.
pub(crate) fn statistics(it: &ModelStatistics) -> Value {
    let duration = |it: &Option<StatisticDuration>| {
        let it = it.unwrap_or_default();
        json!({ "count": it.count, "ns": it.ns })
    };
    let stats = it.inference_stats.unwrap_or_default();
    json!({
        "name": it.name, "version": it.version, "last_inference": it.last_inference, "inference_count": it.inference_count,
        "execution_count": it.execution_count,
        "inference_stats": {
            "success": duration(&stats.success), "fail": duration(&stats.fail), "queue": duration(&stats.queue),
            "compute_input": duration(&stats.compute_input), "compute_infer": duration(&stats.compute_infer),
            "compute_output": duration(&stats.compute_output), "cache_hit": duration(&stats.cache_hit),
            "cache_miss": duration(&stats.cache_miss),
        },
    })
}

/// The repository index.
pub(crate) fn index(it: &RepositoryIndexResponse) -> Value {
    let models = it
        .models
        .iter()
        .map(|it| json!({ "name": it.name, "version": it.version, "state": it.state, "reason": it.reason }));
    models.collect()
}
