//! stub
#![allow(missing_docs, reason = "stands in until telemetry lands")]
use super::phases::Phases;
use crate::engine::*;
use crate::gate::Reason;
use std::time::Duration;
#[derive(Clone)]
pub struct Telemetry;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct TelemetryError;
pub struct WindowView {
    pub images: u64,
}
pub enum Rpc {
    Segment,
    SegmentStream,
    Interpret,
    ListModels,
    GetModel,
    GetStatus,
}
pub struct Call;
pub struct ImageCall;
pub struct Decided {
    pub accept: bool,
    pub mu: f64,
    pub coverage: Option<f64>,
    pub pixels: u64,
    pub reasons: Vec<Reason>,
    pub phases: Phases,
    pub batch: usize,
}
impl Telemetry {
    pub fn start(
        _: &crate::config::Telemetry,
        _: &[std::sync::Arc<Contract>],
    ) -> Result<Telemetry, TelemetryError> {
        Ok(Telemetry)
    }
    pub fn call(&self, _: Rpc, _: &tonic::metadata::MetadataMap) -> Call {
        Call
    }
    pub fn window(&self, _: &ModelId) -> WindowView {
        WindowView { images: 0 }
    }
    pub fn uptime(&self) -> Duration {
        Duration::ZERO
    }
    pub fn window_span(&self) -> Duration {
        Duration::ZERO
    }
    pub fn in_flight(&self) -> u64 {
        0
    }
    pub async fn shutdown(&self) {}
}
impl Call {
    pub fn finish(self, _: tonic::Code) {}
    pub fn image(&self) -> ImageCall {
        ImageCall
    }
}
impl ImageCall {
    pub fn model(&mut self, _: &ModelId) {}
    pub fn request_id(&mut self, _: &str) {}
    pub fn image_hash(&mut self, _: &str) {}
    pub fn decided(self, _: Decided) {}
    pub fn failed(self, _: tonic::Code, _: &'static str, _: Phases) {}
}
impl Observer for Telemetry {
    fn queue(&self, _: &ModelId, _: usize, _: u64) {}
    fn batch_begins(&self, _: &ModelId, _: usize) {}
    fn batch_ended(&self, _: &ModelId, _: Duration, _: Duration) {}
    fn sams(&self, _: &ModelId, _: Duration) {}
    fn ready(&self, _: &ModelId, _: bool) {}
    fn panicked(&self, _: &ModelId) {}
}
pub mod admin {
    pub async fn serve(
        _: tokio::net::TcpListener,
        _: super::Telemetry,
        _: tokio::sync::watch::Receiver<bool>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        stop.await;
        Ok(())
    }
}
