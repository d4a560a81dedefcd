//! The model repository: index, load and unload.

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

/// A change of the loaded models.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Load,
    Unload,
}

/// All models, or only the ready ones.
///
/// # Errors
/// An unknown repository.
pub(crate) fn index(
    request: &RepositoryIndexRequest,
    context: &Context,
) -> Result<RepositoryIndexResponse, ServiceError> {
    only_one(&request.repository_name)?;
    let models = model::all(context).into_iter().map(|model| {
        let id = model.contract().id();
        let (state, reason) = match model.state() {
            _ if context.check_accepting().is_err() => ("UNAVAILABLE", "the server is shutting down".into()),
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

/// Loads the highest version of a model in the repository, or unloads all versions of it.
///
/// # Errors
/// The settings do not allow it, the model is unknown, or it cannot be loaded.
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
            reason: "MODEL_ADMIN_DISABLED",
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
            // An unknown name is an error.
            context.engine.find(name, None)?;
            for model in model::all(context) {
                let id = model.contract().id();
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
