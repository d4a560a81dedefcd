//! Checks every model: complete, loadable, calibrated, and able to segment an image.

use ndarray::Array3;
use sagate_core::executor::ModelExecutor;
use sagate_core::imaging::Image;
use sagate_core::model::{Located, Repository, Severity, verify};
use sagate_core::nn::placement::Placement;

use super::super::loading::MUST_BE_THERE;
use super::finding::Finding;
use crate::config::Settings;

/// Image side that every network supports.
const SIDE: usize = 64;

/// Checks each model, and the default.
pub fn check(settings: &Settings, placement: Option<Placement>, findings: &mut Vec<Finding>) {
    let listed = Repository::open(&settings.models.dir).and_then(|it| Ok((it.list()?, it)));
    let ((located, strangers), repository) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            let fix = "models.dir (--models) must name a folder of NAME/VERSION/ folders";
            return findings.push(Finding::wrong("models", error.to_string(), fix));
        }
    };
    for stranger in strangers {
        findings.push(Finding::note(
            "models",
            stranger.to_string(),
            "take it out of the folder",
        ));
    }
    if located.is_empty() {
        let found = format!("there is none in {}", settings.models.dir.display());
        let fix =
            "models.dir (--models) must name a folder of NAME/VERSION/ folders; `sagate train` makes a model";
        findings.push(Finding::wrong("models", found, fix));
    }
    for model in &located {
        one(model, placement, findings);
    }
    if let Err(error) = repository.resolve(&settings.models.default) {
        findings.push(Finding::wrong("default model", error.to_string(), MUST_BE_THERE));
    }
}

fn one(located: &Located, placement: Option<Placement>, findings: &mut Vec<Finding>) {
    let about = format!("model {}@{}", located.name, located.version);
    let mut broken = false;
    let mut uncalibrated = false;
    for finding in verify(located) {
        let message = finding.to_string();
        if finding.severity == Severity::Error {
            broken = true;
            let fix =
                "put the folder back as it was written, or take it away: `serve` does not start with it";
            findings.push(Finding::wrong(&about, message, fix));
        } else {
            uncalibrated |= message.contains("NOT_CALIBRATED");
            findings.push(Finding::note(
                &about,
                message,
                "`sagate calibrate` makes what is missing",
            ));
        }
    }
    let Some(placement) = placement.filter(|_| !broken) else {
        return;
    };
    match works(located, placement) {
        Ok(units) => {
            let calibrated = if uncalibrated {
                "not calibrated"
            } else {
                "calibrated"
            };
            let found = format!("whole, {calibrated}, segments an image ({units} units give mu)");
            findings.push(Finding::fine(&about, found));
        }
        Err(error) => {
            let fix =
                "its files are whole, and still it does not work here: look at the device and the memory";
            findings.push(Finding::wrong(&about, format!("{error:#}"), fix));
        }
    }
}

/// Loads a model and segments an image; returns the number of units of its mu.
fn works(located: &Located, placement: Placement) -> anyhow::Result<usize> {
    let pass = ModelExecutor::load(&located.open()?, placement)?;
    let input = &pass.manifest().input;
    let [least, most] = [input.min_size, input.max_size];
    let side = |axis: usize| {
        let side = least.map_or(SIDE, |it| it[axis].max(SIDE));
        most.map_or(side, |it| it[axis].min(side))
    };
    let shape = (input.channels.len(), side(0), side(1));
    let [low, high] = input.range.map_or([0.0, 1000.0], |range| range.map(f64::from));
    let pixels = Array3::from_shape_fn(shape, |(_, row, column)| {
        let wave = ((row as f64 / 7.0).sin() * (column as f64 / 5.0).cos() + 1.0) / 2.0;
        (low + wave * (high - low)) as f32
    });
    let ready = pass.prepare(&Image::new(pixels, [1.0, 1.0]))?;
    let segmentation = pass.segment(&[&ready])?.remove(0);
    anyhow::ensure!(
        segmentation.mean_sa.mu.is_finite(),
        "mu of a plain image is {}: the weights hold something that is no number",
        segmentation.mean_sa.mu
    );
    let width = pass.manifest().architecture.base_width;
    let layers = &pass.manifest().mu.layers;
    let units = layers
        .iter()
        .filter_map(|&number| sagate_core::nn::layers::Layer::by_number(number));
    Ok(units.map(|layer| layer.channels(width) as usize).sum())
}
