//! `sagate.v1.ModelAdminControl`: models that come and go while others answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::error::ServiceError;
use super::order::named;
use super::service::{Context, concluded};
use super::v1::model_admin_control_server::ModelAdminControl;
use super::{models, v1};
use crate::engine::{Contract, EngineError, Hosted, ModelId, State};
use crate::model::{Located, ModelError, Repository};
use crate::telemetry::Rpc;

/// The service.
#[derive(Clone)]
pub(super) struct ModelAdmin(pub Arc<Context>);

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
        concluded(call, answer)
    }

    async fn unload_model(
        &self,
        request: Request<v1::UnloadModelRequest>,
    ) -> Result<Response<v1::UnloadModelResponse>, Status> {
        let call = self.0.call(Rpc::UnloadModel, &request);
        let answer = self.unload(request.into_inner().model.as_ref()).await;
        concluded(call, answer)
    }

    async fn reload_model(
        &self,
        request: Request<v1::ReloadModelRequest>,
    ) -> Result<Response<v1::ReloadModelResponse>, Status> {
        let call = self.0.call(Rpc::ReloadModel, &request);
        let answer = self.reload(request.into_inner().model.as_ref()).await;
        concluded(call, answer)
    }

    async fn get_model_status(
        &self,
        request: Request<v1::GetModelStatusRequest>,
    ) -> Result<Response<v1::GetModelStatusResponse>, Status> {
        let call = self.0.call(Rpc::GetModelStatus, &request);
        let answer = self.conditions(request.into_inner().name).await;
        concluded(call, answer)
    }
}

impl ModelAdmin {
    pub(super) async fn load(&self, model: Option<&v1::ModelReference>) -> Result<Arc<Hosted>, ServiceError> {
        self.0.open()?;
        let (name, version) = with_name(model)?;
        let reference = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        self.load_from_folder(reference).await
    }

    async fn load_from_folder(&self, reference: String) -> Result<Arc<Hosted>, ServiceError> {
        let repository = self.0.repository.clone();
        let open = move || Contract::open(&repository.resolve(&reference)?);
        let (model, contract) = blocking(open).await?.map_err(not_there)?;
        let id = contract.id().clone();
        let loaded = self.0.engine.load(model, contract).await?;
        tracing::info!(model = %id, "the model was loaded");
        Ok(loaded)
    }

    pub(super) async fn unload(
        &self,
        model: Option<&v1::ModelReference>,
    ) -> Result<v1::UnloadModelResponse, ServiceError> {
        let (name, version) = with_name(model)?;
        let version = version.ok_or_else(|| ServiceError::field("model.version", 0, "a version, from 1"))?;
        let hosted = self.0.engine.find(name, Some(version))?;
        self.0.engine.unload(hosted.contract().id()).await?;
        tracing::info!(model = %hosted.contract().id(), "the model was taken away");
        Ok(v1::UnloadModelResponse {
            model: Some(models::version(hosted.contract())),
        })
    }

    async fn reload(
        &self,
        model: Option<&v1::ModelReference>,
    ) -> Result<v1::ReloadModelResponse, ServiceError> {
        self.0.open()?;
        let (name, version) = with_name(model)?;
        let before = self.0.engine.find(name, version)?;
        let loaded = self.load_from_folder(before.contract().id().to_string()).await?;
        Ok(v1::ReloadModelResponse {
            before: Some(models::version(before.contract())),
            model: Some(models::version(loaded.contract())),
        })
    }

    async fn conditions(&self, name: String) -> Result<v1::GetModelStatusResponse, ServiceError> {
        let repository = self.0.repository.clone();
        let there = blocking(move || versions(&repository))
            .await?
            .map_err(EngineError::from)?;
        let mut conditions: BTreeMap<ModelId, v1::ModelCondition> = BTreeMap::new();
        for it in there {
            let id = ModelId::from(&it);
            let condition = self.condition(&id, None);
            conditions.insert(id, condition);
        }
        for hosted in self.0.engine.models() {
            let id = hosted.contract().id();
            let in_folder = conditions.contains_key(id);
            let condition = v1::ModelCondition {
                in_folder,
                ..self.condition(id, Some(&hosted))
            };
            conditions.insert(id.clone(), condition);
        }
        conditions.retain(|id, _| name.is_empty() || id.name == name);
        Ok(v1::GetModelStatusResponse {
            models: conditions.into_values().collect(),
        })
    }

    fn condition(&self, id: &ModelId, hosted: Option<&Hosted>) -> v1::ModelCondition {
        let engine = &self.0.engine;
        let traffic = &engine.setup().serving.of(&id.name).traffic;
        let canary = traffic.canary.filter(|canary| canary.version == id.version);
        let in_charge = engine.find(&id.name, None);
        let role = if traffic.shadow == Some(id.version) {
            v1::ModelRole::Shadow
        } else if canary.is_some() {
            v1::ModelRole::Canary
        } else if in_charge.is_ok_and(|it| it.contract().id() == id) {
            v1::ModelRole::Primary
        } else {
            v1::ModelRole::Unspecified
        };
        let (state, reason) = match hosted.map(Hosted::state) {
            None | Some(State::Stopped) => (v1::ModelState::NotLoaded, String::new()),
            Some(State::Loading) => (v1::ModelState::Loading, String::new()),
            Some(State::Ready) => (v1::ModelState::Ready, String::new()),
            Some(State::Failed(reason)) => (v1::ModelState::Failed, reason.to_string()),
        };
        v1::ModelCondition {
            model: Some(v1::ModelVersion {
                name: id.name.clone(),
                version: id.version,
                content_hash: hosted.map_or_else(String::new, |it| it.contract().hash().into()),
            }),
            state: state.into(),
            reason,
            role: role.into(),
            canary_share: canary.map_or(0.0, |canary| canary.share),
            in_folder: true,
        }
    }
}

fn versions(repository: &Repository) -> Result<Vec<Located>, ModelError> {
    Ok(repository.list()?.0)
}

fn with_name(model: Option<&v1::ModelReference>) -> Result<(&str, Option<u32>), ServiceError> {
    let (name, version) = named(model);
    if name.is_empty() {
        return Err(ServiceError::field("model.name", "empty", "the name of a model"));
    }
    Ok((name, version))
}

/// A model that the folder does not hold was asked for by name: that is the caller's to know, not a failure to load.
fn not_there(error: EngineError) -> ServiceError {
    match error {
        EngineError::Model(ModelError::Unknown {
            reference, available, ..
        }) => EngineError::UnknownModel {
            wanted: reference,
            available,
        }
        .into(),
        EngineError::Model(ModelError::Reference { reference, message }) => ServiceError::Field {
            field: "model.name".into(),
            message: format!("`{reference}` names no model: {message}"),
        },
        other => other.into(),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ServiceError::Internal)
}
