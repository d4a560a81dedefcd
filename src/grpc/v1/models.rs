//! Descriptions of the loaded models.

use sagate_core::executor::ModelSpec;
use sagate_core::gate::evaluation::{Scored, dice_at_coverage};
use sagate_core::gate::{Calibration, Policy};
use sagate_core::imaging::Plane;
use sagate_core::nn::layers::LAYERS;

use crate::engine::{Engine, ModelHandle};
use crate::proto::v1;

/// Steps of coverage on the calibration curve.
const CURVE_STEPS: usize = 20;

/// Summary of a model.
pub(crate) fn summary(model: &ModelHandle, engine: &Engine) -> v1::ModelSummary {
    let spec = model.contract();
    let instances = model.instances();
    v1::ModelSummary {
        model: Some(version(spec)),
        description: spec.manifest().description.clone(),
        ready: model.is_ready(),
        default: engine.default_model().as_ref() == Some(spec.id()),
        calibrated: spec.calibration().is_some(),
        instances: instances.wanted as u32,
        instances_ready: instances.ready as u32,
    }
}

/// Name, version and content hash of a model.
pub(crate) fn version(spec: &ModelSpec) -> v1::ModelVersion {
    v1::ModelVersion {
        name: spec.id().name.clone(),
        version: spec.id().version,
        content_hash: spec.hash().into(),
    }
}

/// All details of a model. `policy` is the gate policy of the settings.
pub(crate) fn details(model: &ModelHandle, engine: &Engine, policy: &Policy) -> v1::GetModelResponse {
    let spec = model.contract();
    let manifest = spec.manifest();
    v1::GetModelResponse {
        summary: Some(summary(model, engine)),
        spec: Some(model_spec(spec)),
        layers: LAYERS
            .iter()
            .map(|layer| v1::NetworkLayer {
                layer: layer.number as u32,
                name: layer.name.into(),
                group: layer.group.to_string(),
                units: layer.channels(manifest.architecture.base_width) as u32,
                downsampling: layer.downsampling as u32,
            })
            .collect(),
        calibration: spec.calibration().map(|it| calibration(it, policy)),
        licence: manifest.licence.clone(),
        provenance: manifest.provenance.data.clone(),
    }
}

fn model_spec(spec: &ModelSpec) -> v1::ModelSpec {
    let manifest = spec.manifest();
    let input = &manifest.input;
    let size = |size: Option<[usize; 2]>| -> Vec<u32> {
        let sides = size.into_iter().flatten();
        sides
            .map(|side| u32::try_from(side).unwrap_or(u32::MAX))
            .collect()
    };
    v1::ModelSpec {
        channels: input.channels.clone(),
        plane: input.plane.map_or("", Plane::name).into(),
        intensity_range: input.range.into_iter().flatten().collect(),
        min_size: size(input.min_size),
        max_size: size(input.max_size),
        classes: manifest
            .classes
            .iter()
            .map(|class| v1::ObjectClass {
                name: class.name.clone(),
                colour: class.colour.iter().map(|&it| it.into()).collect(),
            })
            .collect(),
        mu_layers: manifest.mu.layers.iter().map(|&layer| layer as u32).collect(),
        base_width: manifest.architecture.base_width as u32,
    }
}

fn calibration(calibration: &Calibration, policy: &Policy) -> v1::ModelCalibration {
    let pairs: Option<(Vec<f64>, Vec<f64>)> = calibration
        .entries
        .iter()
        .map(|entry| Some((entry.mu, entry.dice?)))
        .collect();
    let scored = pairs.map(|(mu, dice)| Scored::new(&mu, &dice));
    // Without the gate's score nothing passes.
    let threshold = |coverage| {
        calibration
            .threshold_by(policy.by, coverage)
            .unwrap_or(f64::INFINITY)
    };
    let point = |step: usize| {
        let coverage = step as f64 / CURVE_STEPS as f64;
        v1::CalibrationPoint {
            coverage,
            threshold: threshold(coverage),
            mean_dice: (scored.as_ref()).and_then(|scored| dice_at_coverage(&scored.all(), coverage)),
        }
    };
    v1::ModelCalibration {
        data: calibration.data.clone(),
        created: calibration.created.clone(),
        images: calibration.entries.len() as u32,
        coverage: calibration.coverage,
        threshold: threshold(policy.coverage.unwrap_or(calibration.coverage)),
        curve: (0..=CURVE_STEPS).rev().map(point).collect(),
        has_quality_score: calibration.score.is_some(),
        has_estimated_dice: calibration
            .score
            .as_ref()
            .is_some_and(|score| score.estimated_dice.is_some()),
    }
}
