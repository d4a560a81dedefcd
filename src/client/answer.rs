//! Options of requests, and answers of a server.

use ndarray::Array2;
use protoseg::Fault;
use sagate_core::executor::{ModelId, Score, UnitView};
use sagate_core::gate::{Confidence, Decision};
use sagate_core::imaging::Plane;
use sagate_core::model::Class;
use sagate_core::nn::layers::Layer;
use serde::Serialize;

use crate::engine::Priority;

/// Options of a segmentation request.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentOptions {
    /// The model.
    pub model: ModelId,
    /// Options of the gate; `None`: the server's settings.
    pub gate: Option<GateOptions>,
    /// Priority.
    pub priority: Priority,
}

/// Options of the gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GateOptions {
    /// Share of images like the calibration's to accept.
    Coverage(f64),
    /// Minimum mu to accept.
    Threshold(f64),
}

/// Content of an interpretation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpretOptions {
    /// Layers whose SAMs are shown, 1 to 18, ascending.
    pub layers: Vec<usize>,
    /// Layer whose units are shown.
    pub units_of: usize,
    /// Object class whose units are shown, from 1.
    pub class: usize,
    /// Number of units' SAMs, spread from the best to the worst; clamped to the number of units.
    pub units: usize,
}

/// A model that a server serves.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedModel {
    /// Name and version.
    pub id: ModelId,
    /// The content hash of its folder.
    pub hash: String,
    /// Slice plane of volumes, if the model requires one.
    pub plane: Option<Plane>,
    /// Number of input channels.
    pub channels: usize,
    /// Its object classes, in the order of their labels.
    pub classes: Vec<Class>,
    /// Units of each of its layers, layer 1 first.
    pub units: Vec<usize>,
    /// Whether it has a calibration.
    pub calibrated: bool,
}

/// Segmentation and gate decision of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `[height, width]`: 0 background, k object class k.
    pub labels: Array2<u8>,
    /// Decision of the gate.
    pub decision: Decision,
    /// Share of object pixels.
    pub object_fraction: f64,
    /// Confidence of the probabilities in the labels; NaN where mu is not finite.
    pub confidence: Confidence,
    /// The quality score, if the model has one.
    pub score: Option<Score>,
    /// Why there is no score.
    pub fault: Option<Fault>,
}

/// Interpretation of one layer.
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
    /// Segmentation and decision; the first part.
    Answer(Answer),
    /// Interpretation of one layer.
    Layer(LayerResult),
    /// The units of one layer.
    Units(UnitView),
    /// Last part: the interpretation is complete.
    End,
}

/// Status of a server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerStatus {
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: f64,
    /// Length of the statistics window in seconds.
    pub window_seconds: f64,
    /// Whether it is shutting down.
    pub draining: bool,
    /// Requests in flight.
    pub in_flight: u64,
    /// Every model, by name and version.
    pub models: Vec<ModelStatus>,
}

/// Status of one model: totals since the start, and statistics of the last `window_seconds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelStatus {
    /// `NAME@VERSION`.
    pub model: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Accepted images since the start.
    pub accepted: u64,
    /// Rejected images since the start.
    pub rejected: u64,
    /// Images without a decision since the start.
    pub failed: u64,
    /// Waiting and running images.
    pub queue_entries: u64,
    /// Bytes of waiting and running images.
    pub queue_bytes: u64,
    /// Decisions per second within the window.
    pub images_per_second: f64,
    /// Megapixels per second within the window.
    pub megapixels_per_second: f64,
    /// Decisions within the window.
    pub images: u64,
    /// Mean mu within the window.
    pub mean_mu: Option<f64>,
    /// Share of accepted images within the window.
    pub accepted_share: Option<f64>,
    /// Mean requested coverage within the window.
    pub coverage: Option<f64>,
    /// Histogram of mu in bins of 0.05 within the window.
    pub mu_histogram: Vec<u64>,
    /// Median latency in seconds within the window.
    pub p50_seconds: Option<f64>,
    /// 99th percentile of the latency in seconds within the window.
    pub p99_seconds: Option<f64>,
}

/// Status of a service in `grpc.health.v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthStatus {
    /// Ready.
    Serving,
    /// Not ready.
    NotServing,
    /// Unknown service.
    ServiceUnknown,
    /// Status not stated.
    Unknown,
}

impl HealthStatus {
    /// Name in the protocol, like `SERVING`.
    pub fn name(self) -> &'static str {
        match self {
            HealthStatus::Serving => "SERVING",
            HealthStatus::NotServing => "NOT_SERVING",
            HealthStatus::ServiceUnknown => "SERVICE_UNKNOWN",
            HealthStatus::Unknown => "UNKNOWN",
        }
    }
}
