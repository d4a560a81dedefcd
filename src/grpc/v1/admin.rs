//! `sagate.v1.ModelAdminControl`: loading and unloading models at run time.

use std::collections::BTreeMap;
use std::sync::Arc;

use sagate_core::executor::ModelId;
use sagate_core::model::{Located, ModelError, Repository};
use tonic::{Code, Request, Response, Status};

use super::models;
use crate::config::ModelControl;
use crate::engine::{EngineError, Load, ModelHandle, ModelState};
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::pipeline::respond::finish_call;
use crate::grpc::pipeline::validate::model_name;
use crate::proto::v1::model_admin_control_server::ModelAdminControl;
use crate::proto::{Rpc, v1};

/// The service.
#[derive(Clone)]
pub(crate) struct ModelAdmin(pub Arc<Context>);

#[tonic::async_trait]
impl ModelAdminControl for ModelAdmin {
    async fn load_model(
        &self,
        request: Request<v1::LoadModelRequest>,
    ) -> Result<Response<v1::LoadModelResponse>, Status> {
        let call = self.0.call(Rpc::LoadModel, &request);
        let answer = self.load(request.into_inner().model.as_ref()).await;
        let answer = answer.map(|loaded| v1::LoadModelResponse {
            model: Some(models::version(loaded.contract())),
        });
        finish_call(call, answer)
    }

    async fn unload_model(
        &self,
        request: Request<v1::UnloadModelRequest>,
    ) -> Result<Response<v1::UnloadModelResponse>, Status> {
        let call = self.0.call(Rpc::UnloadModel, &request);
        let answer = self.unload(request.into_inner().model.as_ref()).await;
        finish_call(call, answer)
    }

    async fn reload_model(
        &self,
        request: Request<v1::ReloadModelRequest>,
    ) -> Result<Response<v1::ReloadModelResponse>, Status> {
        let call = self.0.call(Rpc::ReloadModel, &request);
        let answer = self.reload(request.into_inner().model.as_ref()).await;
        finish_call(call, answer)
    }

    async fn get_model_status(
        &self,
        request: Request<v1::GetModelStatusRequest>,
    ) -> Result<Response<v1::GetModelStatusResponse>, Status> {
        let call = self.0.call(Rpc::GetModelStatus, &request);
        let answer = self.statuses(request.into_inner().name).await;
        finish_call(call, answer)
    }
}

impl ModelAdmin {
    pub(crate) async fn load(
        &self,
        model: Option<&v1::ModelReference>,
    ) -> Result<Arc<ModelHandle>, ServiceError> {
        self.0.check_accepting()?;
        self.require_explicit_control("loaded")?;
        let (name, version) = require_name(model)?;
        let reference = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        self.load_from_folder(reference).await
    }

    async fn load_from_folder(&self, reference: String) -> Result<Arc<ModelHandle>, ServiceError> {
        let repository = self.0.repository.clone();
        let find = move || repository.resolve(&reference);
        let located = blocking(find).await?.map_err(resolve_error)?;
        let loaded = self.0.engine.open_and_load(&located).await?;
        tracing::info!(model = %loaded.contract().id(), "the model was loaded");
        Ok(loaded)
    }

    pub(crate) async fn unload(
        &self,
        model: Option<&v1::ModelReference>,
    ) -> Result<v1::UnloadModelResponse, ServiceError> {
        self.require_explicit_control("unloaded")?;
        let (name, version) = require_name(model)?;
        let version = version.ok_or_else(|| ServiceError::field("model.version", 0, "a version, from 1"))?;
        let model = self.0.engine.find(name, Some(version))?;
        self.0.engine.unload(model.contract().id()).await?;
        tracing::info!(model = %model.contract().id(), "the model was unloaded");
        Ok(v1::UnloadModelResponse {
            model: Some(models::version(model.contract())),
        })
    }

    /// Checks that `models.control` is `explicit`.
    ///
    /// # Errors
    /// It is not: the next scan of the folder would undo the call.
    fn require_explicit_control(&self, what: &str) -> Result<(), ServiceError> {
        let control = self.0.control;
        if control == ModelControl::Explicit {
            return Ok(());
        }
        let right = match control {
            ModelControl::None => {
                "set models.control = \"explicit\", or restart the server with other models"
            }
            _ => "change the folder that models.dir names, or set models.control = \"explicit\"",
        };
        Err(ServiceError::Wire {
            code: Code::FailedPrecondition,
            reason: "MODEL_CONTROL_NOT_EXPLICIT",
            message: format!(
                "a model cannot be {what} by a call while models.control is \"{}\": {right}",
                control.name()
            ),
        })
    }

    async fn reload(
        &self,
        model: Option<&v1::ModelReference>,
    ) -> Result<v1::ReloadModelResponse, ServiceError> {
        self.0.check_accepting()?;
        self.require_explicit_control("reloaded")?;
        let (name, version) = require_name(model)?;
        let before = self.0.engine.find(name, version)?;
        let loaded = self.load_from_folder(before.contract().id().to_string()).await?;
        Ok(v1::ReloadModelResponse {
            before: Some(models::version(before.contract())),
            model: Some(models::version(loaded.contract())),
        })
    }

    async fn statuses(&self, name: String) -> Result<v1::GetModelStatusResponse, ServiceError> {
        let repository = self.0.repository.clone();
        let located = blocking(move || versions(&repository))
            .await?
            .map_err(EngineError::from)?;
        let loads = self.0.engine.loads();
        let mut statuses: BTreeMap<ModelId, v1::ModelVersionStatus> = BTreeMap::new();
        for it in located {
            let id = ModelId::from(&it);
            let version_status = self.version_status(&id, None, loads.get(&id));
            statuses.insert(id, version_status);
        }
        for model in self.0.engine.models() {
            let id = model.contract().id();
            let in_repository = statuses.contains_key(id);
            let version_status = v1::ModelVersionStatus {
                in_repository,
                ..self.version_status(id, Some(&model), loads.get(id))
            };
            statuses.insert(id.clone(), version_status);
        }
        statuses.retain(|id, _| name.is_empty() || id.name == name);
        Ok(v1::GetModelStatusResponse {
            models: statuses.into_values().collect(),
        })
    }

    fn version_status(
        &self,
        id: &ModelId,
        model: Option<&ModelHandle>,
        load: Option<&Load>,
    ) -> v1::ModelVersionStatus {
        let engine = &self.0.engine;
        let traffic = &engine.config().serving.policy_for(&id.name).traffic;
        let canary = traffic.canary.filter(|canary| canary.version == id.version);
        let default_version = engine.find(&id.name, None);
        let role = if traffic.shadow == Some(id.version) {
            v1::ModelRole::Shadow
        } else if canary.is_some() {
            v1::ModelRole::Canary
        } else if default_version.is_ok_and(|it| it.contract().id() == id) {
            v1::ModelRole::Primary
        } else {
            v1::ModelRole::Unspecified
        };
        let failed = |reason: &str| (v1::ModelState::Failed, reason.to_owned());
        let (state, reason) = match (model.map(ModelHandle::state), load) {
            // The loaded version serves, while its new content is being loaded or failed to load.
            (Some(ModelState::Ready), Some(Load::Failed(reason))) => {
                (v1::ModelState::Ready, reason.to_string())
            }
            (Some(ModelState::Ready), _) => (v1::ModelState::Ready, String::new()),
            (Some(ModelState::Failed(reason)), _) => failed(&reason),
            (Some(ModelState::Loading), _) | (_, Some(Load::UnderWay)) => {
                (v1::ModelState::Loading, String::new())
            }
            (None | Some(ModelState::Stopped), Some(Load::Failed(reason))) => failed(reason),
            (None | Some(ModelState::Stopped), None) => (v1::ModelState::NotLoaded, String::new()),
        };
        let instances = model.map(ModelHandle::instances);
        v1::ModelVersionStatus {
            model: Some(v1::ModelVersion {
                name: id.name.clone(),
                version: id.version,
                content_hash: model.map_or_else(String::new, |it| it.contract().hash().into()),
            }),
            state: state.into(),
            reason,
            role: role.into(),
            canary_share: canary.map_or(0.0, |canary| canary.share),
            in_repository: true,
            instances: instances.map_or(0, |it| it.wanted as u32),
            instances_ready: instances.map_or(0, |it| it.ready as u32),
        }
    }
}

fn versions(repository: &Repository) -> Result<Vec<Located>, ModelError> {
    Ok(repository.list()?.0)
}

fn require_name(model: Option<&v1::ModelReference>) -> Result<(&str, Option<u32>), ServiceError> {
    let (name, version) = model_name(model);
    if name.is_empty() {
        return Err(ServiceError::field("model.name", "empty", "the name of a model"));
    }
    Ok((name, version))
}

/// Maps an unknown model to NOT_FOUND: it is the caller's error, not a failed load.
fn resolve_error(error: ModelError) -> ServiceError {
    match error {
        ModelError::Unknown {
            reference, available, ..
        } => EngineError::UnknownModel {
            wanted: reference,
            available,
        }
        .into(),
        ModelError::Reference { reference, message } => ServiceError::Field {
            field: "model.name".into(),
            message: format!("`{reference}` names no model: {message}"),
        },
        other => EngineError::from(other).into(),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::Internal)
}
