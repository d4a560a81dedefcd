//! State shared by all calls.

use std::sync::Arc;

use sagate_core::gate::Policy;
use sagate_core::imaging::Limits;
use sagate_core::model::Repository;
use tokio::sync::watch;
use tonic::Request;

use super::error::ServiceError;
use super::middleware::call_start::StartedCall;
use super::transport::receive::ReceiveBudget;
use crate::config::{ImagingSettings, ModelControl, ServerSettings, Settings};
use crate::engine::{DecodePermits, Engine, EngineError};
use crate::proto::Rpc;
use crate::security::Security;
use crate::telemetry::{Call, Telemetry};

/// The components that a server is built from.
#[derive(Clone)]
pub struct ServerComponents {
    /// Runs the models.
    pub engine: Arc<Engine>,
    /// The model repository.
    pub repository: Repository,
    /// Metrics, traces and logs.
    pub telemetry: Telemetry,
    /// TLS, authentication, authorization, rate limits, audit.
    pub security: Security,
}

/// State shared by all calls.
pub(crate) struct Context {
    pub engine: Arc<Engine>,
    /// The model repository.
    pub repository: Repository,
    pub telemetry: Telemetry,
    /// TLS, authentication, authorization, rate limits, audit.
    pub security: Security,
    /// The gate policy of the settings.
    pub policy: Policy,
    pub limits: Limits,
    /// How images are decoded.
    pub imaging: ImagingSettings,
    pub settings: ServerSettings,
    /// What changes the loaded models.
    pub control: ModelControl,
    /// Memory budget of requests before admission.
    pub receiving: Arc<ReceiveBudget>,
    /// Permits to decode an image, one per core.
    pub decode_permits: DecodePermits,
    /// Becomes true when the server starts to drain.
    pub draining: watch::Receiver<bool>,
}

impl Context {
    pub fn new(
        components: ServerComponents,
        settings: &Settings,
        receiving: Arc<ReceiveBudget>,
        draining: watch::Receiver<bool>,
    ) -> Arc<Context> {
        let ServerComponents {
            engine,
            repository,
            telemetry,
            security,
        } = components;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Context {
            decode_permits: DecodePermits::new(cores, engine.config().aging),
            engine,
            repository,
            telemetry,
            security,
            policy: settings.gate.policy(),
            limits: Limits {
                max_pixels: settings.limits.max_pixels,
                max_bytes: settings.limits.max_bytes,
            },
            imaging: settings.imaging,
            settings: settings.server.clone(),
            control: settings.model_control(),
            receiving,
            draining,
        })
    }

    /// The call of a request, which started with its headers: counted, traced and audited.
    pub(crate) fn call<T>(&self, rpc: Rpc, request: &Request<T>) -> Call {
        StartedCall::take(request.extensions()).unwrap_or_else(|| {
            let call = self.telemetry.call(rpc, request.metadata());
            call.audited(request.extensions())
        })
    }

    /// Checks that the server still accepts requests.
    ///
    /// # Errors
    /// The server is shutting down.
    pub fn check_accepting(&self) -> Result<(), ServiceError> {
        if *self.draining.borrow() {
            return Err(EngineError::Stopping.into());
        }
        Ok(())
    }
}
