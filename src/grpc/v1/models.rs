//! What is told of the models that answer.

use sagate_core::executor::ModelSpec;
use sagate_core::gate::evaluation::{Scored, dice_at_coverage};
use sagate_core::gate::{Calibration, Policy};
use sagate_core::imaging::Plane;
use sagate_core::nn::layers::LAYERS;

use crate::engine::{Engine, ModelHandle};
use crate::proto::v1;

/// Steps of the calibration curve.
const CURVE_STEPS: usize = 20;

/// One line about a model.
pub(crate) fn summary(hosted: &ModelHandle, engine: &Engine) -> v1::ModelSummary {
    let contract = hosted.contract();
    let instances = hosted.instances();
    v1::ModelSummary {
        model: Some(version(contract)),
        description: contract.manifest().description.clone(),
        ready: hosted.is_ready(),
        default: engine.default_model().as_ref() == Some(contract.id()),
        calibrated: contract.calibration().is_some(),
        instances: instances.wanted as u32,
        instances_ready: instances.ready as u32,
    }
}

/// Which model, exactly.
pub(crate) fn version(contract: &ModelSpec) -> v1::ModelVersion {
    v1::ModelVersion {
        name: contract.id().name.clone(),
        version: contract.id().version,
        content_hash: contract.hash().into(),
    }
}

/// Everything about a model. `policy` is what the settings ask of the gate.
pub(crate) fn whole(hosted: &ModelHandle, engine: &Engine, policy: &Policy) -> v1::GetModelResponse {
    let contract = hosted.contract();
    let manifest = contract.manifest();
    v1::GetModelResponse {
        summary: Some(summary(hosted, engine)),
        contract: Some(terms(contract)),
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
        calibration: contract.calibration().map(|it| calibration(it, policy)),
        licence: manifest.licence.clone(),
        provenance: manifest.provenance.data.clone(),
    }
}

fn terms(contract: &ModelSpec) -> v1::ModelContract {
    let manifest = contract.manifest();
    let input = &manifest.input;
    let size = |size: Option<[usize; 2]>| -> Vec<u32> {
        let sides = size.into_iter().flatten();
        sides
            .map(|side| u32::try_from(side).unwrap_or(u32::MAX))
            .collect()
    };
    v1::ModelContract {
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
    // Nothing passes where the score that is judged is not there.
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
        has_score: calibration.score.is_some(),
        has_estimated_dice: calibration
            .score
            .as_ref()
            .is_some_and(|score| score.estimated_dice.is_some()),
    }
}
