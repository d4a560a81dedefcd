//! The models that are there, and their coming and going.

use std::sync::Arc;

use tonic::Code;

use super::model;
use crate::engine::ModelState;
use crate::grpc::context::Context;
use crate::grpc::error::ServiceError;
use crate::grpc::v1::admin::ModelAdmin;
use crate::proto::inference::repository_index_response::ModelIndex;
use crate::proto::inference::{RepositoryIndexRequest, RepositoryIndexResponse};
use crate::proto::v1;

/// What is asked of a repository.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Load,
    Unload,
}

/// Every model, or those that answer.
///
/// # Errors
/// A repository that is not there.
pub(crate) fn index(
    request: &RepositoryIndexRequest,
    context: &Context,
) -> Result<RepositoryIndexResponse, ServiceError> {
    only_one(&request.repository_name)?;
    let models = model::all(context).into_iter().map(|hosted| {
        let id = hosted.contract().id();
        let (state, reason) = match hosted.state() {
            _ if context.open().is_err() => ("UNAVAILABLE", "the server is shutting down".into()),
            ModelState::Ready => ("READY", "".into()),
            ModelState::Loading => ("LOADING", "the model is being loaded".into()),
            ModelState::Failed(reason) => ("UNAVAILABLE", reason),
            ModelState::Stopped => ("UNAVAILABLE", "its threads have ended".into()),
        };
        ModelIndex {
            name: id.name.clone(),
            version: id.version.to_string(),
            state: state.into(),
            reason: reason.to_string(),
        }
    });
    let models = models.filter(|model| !request.ready || model.state == "READY");
    Ok(RepositoryIndexResponse {
        models: models.collect(),
    })
}

/// Loads the highest version of a model that the folder holds, or takes every version of it away.
///
/// # Errors
/// The settings do not allow it, there is no such model, or it cannot be loaded.
pub(crate) async fn change(
    context: &Arc<Context>,
    change: Change,
    repository: &str,
    name: &str,
) -> Result<(), ServiceError> {
    only_one(repository)?;
    if !context.settings.model_admin {
        return Err(ServiceError::Wire {
            code: Code::Unimplemented,
            reason: "MODELS_ARE_FIXED",
            message: format!(
                "model `{name}` cannot be loaded or unloaded by calls: set server.model_admin = true, or change the folder that models.dir names"
            ),
        });
    }
    let admin = ModelAdmin(context.clone());
    let of_version = |version| v1::ModelReference {
        name: name.to_owned(),
        version,
    };
    match change {
        Change::Load => admin.load(Some(&of_version(0))).await.map(drop),
        Change::Unload => {
            // A name that nobody knows is told so.
            context.engine.find(name, None)?;
            for hosted in model::all(context) {
                let id = hosted.contract().id();
                if id.name == name {
                    admin.unload(Some(&of_version(id.version))).await?;
                }
            }
            Ok(())
        }
    }
}

fn only_one(repository: &str) -> Result<(), ServiceError> {
    if repository.is_empty() {
        return Ok(());
    }
    let is = format!("`{repository}`");
    Err(ServiceError::field(
        "repository_name",
        is,
        "empty: there is one repository",
    ))
}
