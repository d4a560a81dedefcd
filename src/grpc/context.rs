//! What every call works with.

use std::sync::Arc;

use sagate_core::gate::Policy;
use sagate_core::imaging::Limits;
use sagate_core::model::Repository;
use tokio::sync::watch;
use tonic::Request;

use super::error::ServiceError;
use super::middleware::call_start::Begun;
use super::transport::receive::ReceiveBudget;
use crate::config::{ImagingSettings, ModelControl, ServerSettings, Settings};
use crate::engine::{DecodePermits, Engine, EngineError};
use crate::proto::Rpc;
use crate::security::Security;
use crate::telemetry::{Call, Telemetry};

/// What a server serves with.
#[derive(Clone)]
pub struct Parts {
    /// The models that answer.
    pub engine: Arc<Engine>,
    /// The folder that they are loaded from.
    pub repository: Repository,
    /// Who is told of it all.
    pub telemetry: Telemetry,
    /// Whom the service trusts.
    pub trust: Security,
}

/// What every call works with.
pub(crate) struct Context {
    pub engine: Arc<Engine>,
    /// The folder that models are loaded from.
    pub repository: Repository,
    pub telemetry: Telemetry,
    /// Whom the service trusts.
    pub trust: Security,
    /// What the settings ask of the gate.
    pub policy: Policy,
    pub limits: Limits,
    /// How an image is read.
    pub imaging: ImagingSettings,
    pub settings: ServerSettings,
    /// How models come and go.
    pub control: ModelControl,
    /// What requests may take before they are admitted.
    pub receiving: Arc<ReceiveBudget>,
    /// Who may decode an image: no more at once than there are cores.
    pub decode_permits: DecodePermits,
    /// Becomes true when the server takes nothing more.
    pub draining: watch::Receiver<bool>,
}

impl Context {
    pub fn new(
        parts: Parts,
        settings: &Settings,
        receiving: Arc<ReceiveBudget>,
        draining: watch::Receiver<bool>,
    ) -> Arc<Context> {
        let Parts {
            engine,
            repository,
            telemetry,
            trust,
        } = parts;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Context {
            decode_permits: DecodePermits::new(cores, engine.config().aging),
            engine,
            repository,
            telemetry,
            trust,
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

    /// The call of a request, which began with its headers: it is counted, traced and audited.
    pub(crate) fn call<T>(&self, rpc: Rpc, request: &Request<T>) -> Call {
        Begun::take(request.extensions()).unwrap_or_else(|| {
            let call = self.telemetry.call(rpc, request.metadata());
            call.audited(request.extensions())
        })
    }

    /// Whether a new request is still taken.
    ///
    /// # Errors
    /// The server is shutting down.
    pub fn open(&self) -> Result<(), ServiceError> {
        if *self.draining.borrow() {
            return Err(EngineError::Stopping.into());
        }
        Ok(())
    }
}
