//! What is asked of a server, and what it says.

use ndarray::Array2;
use protoseg::Fault;
use sagate_core::executor::{ModelId, Score, UnitView};
use sagate_core::gate::{Confidence, Decision};
use sagate_core::imaging::Plane;
use sagate_core::model::Class;
use sagate_core::nn::layers::Layer;
use serde::Serialize;

use crate::engine::Priority;

/// What a request asks for, beside its image.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentOptions {
    /// The model.
    pub model: ModelId,
    /// What is asked of the gate; `None`: what the server's settings say.
    pub gate: Option<GateOptions>,
    /// How urgent it is.
    pub priority: Priority,
}

/// What a request asks of the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GateOptions {
    /// Share of images like the calibration's that shall pass.
    Coverage(f64),
    /// Least mu that passes.
    Threshold(f64),
}

/// What an interpretation shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpretOptions {
    /// Layers whose SAMs are shown, 1 to 18, ascending.
    pub layers: Vec<usize>,
    /// Layer whose units are shown.
    pub units_of: usize,
    /// Object class whose units are shown, from 1.
    pub class: usize,
    /// How many units' SAMs are shown, spread from the best to the worst; at most as many as there are.
    pub units: usize,
}

/// A model that a server serves.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedModel {
    /// Which it is.
    pub id: ModelId,
    /// The content hash of its folder.
    pub hash: String,
    /// Plane in which volumes are cut, where the model cares.
    pub plane: Option<Plane>,
    /// How many channels its images have.
    pub channels: usize,
    /// Its object classes, in the order of their labels.
    pub classes: Vec<Class>,
    /// Units of each of its layers, layer 1 first.
    pub units: Vec<usize>,
    /// Whether it has a calibration.
    pub calibrated: bool,
}

/// What a model and its gate say of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `[height, width]`: 0 background, k object class k.
    pub labels: Array2<u8>,
    /// What the gate says.
    pub decision: Decision,
    /// Share of the image's pixels that are object.
    pub object_fraction: f64,
    /// How sure the probabilities are of the labels; NaN where mu is not finite.
    pub confidence: Confidence,
    /// The quality score, where the model has one.
    pub score: Option<Score>,
    /// Why there is no score.
    pub fault: Option<Fault>,
}

/// What one layer sees.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerResult {
    /// The layer.
    pub layer: &'static Layer,
    /// Its SA score.
    pub score: f64,
    /// `[height, width]`: its SAM, 0 background or the class.
    pub sam: Array2<u8>,
}

/// One part of an interpretation, as it arrives.
#[derive(Debug, Clone)]
pub enum Part {
    /// What the model and the gate say; the first part.
    Answer(Answer),
    /// What one layer sees.
    Layer(LayerResult),
    /// What the units of one layer see.
    Units(UnitView),
    /// The last part: nothing is missing.
    End,
}

/// How a server is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerStatus {
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Seconds that the models' window values look back.
    pub window_seconds: f64,
    /// Whether it is shutting down.
    pub draining: bool,
    /// Requests that are being worked on.
    pub in_flight: u64,
    /// Every model, by name and version.
    pub models: Vec<ModelStatus>,
}

/// How one model is doing: totals since the start, and values of the last `window_seconds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStatus {
    /// `NAME@VERSION`.
    pub model: String,
    /// Whether it answers now.
    pub ready: bool,
    /// Images that were accepted since the start.
    pub accepted: u64,
    /// Images that were rejected since the start.
    pub rejected: u64,
    /// Images that got no decision since the start.
    pub failed: u64,
    /// Images that wait for it.
    pub queue_entries: u64,
    /// Bytes that waiting and running images take.
    pub queue_bytes: u64,
    /// Decisions a second within the window.
    pub images_per_second: f64,
    /// Megapixels a second within the window.
    pub megapixels_per_second: f64,
    /// Decisions within the window.
    pub images: u64,
    /// Mean mu within the window.
    pub mean_mu: Option<f64>,
    /// Share of the window's decisions that are ACCEPT.
    pub accepted_share: Option<f64>,
    /// Mean coverage that the window's requests asked for.
    pub coverage: Option<f64>,
    /// How often mu fell into each twentieth of [0, 1] within the window.
    pub mu_histogram: Vec<u64>,
    /// Seconds of the window's median request.
    pub p50_seconds: Option<f64>,
    /// Seconds that 99 % of the window's requests stayed below.
    pub p99_seconds: Option<f64>,
}

/// What `grpc.health.v1` says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    /// It answers.
    Serving,
    /// It does not.
    NotServing,
    /// The server knows no such service.
    ServiceUnknown,
    /// The server does not say.
    Unknown,
}

impl HealthStatus {
    /// As the protocol writes it: `SERVING`.
    pub fn word(self) -> &'static str {
        match self {
            HealthStatus::Serving => "SERVING",
            HealthStatus::NotServing => "NOT_SERVING",
            HealthStatus::ServiceUnknown => "SERVICE_UNKNOWN",
            HealthStatus::Unknown => "UNKNOWN",
        }
    }
}
