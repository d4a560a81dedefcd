//! The models that are there, and their coming and going.

use tonic::Code;

use super::model;
use crate::grpc::error::ServiceError;
use crate::grpc::inference::repository_index_response::ModelIndex;
use crate::grpc::inference::{RepositoryIndexRequest, RepositoryIndexResponse};
use crate::grpc::service::Context;

/// What is asked of a repository.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Load,
    Unload,
}

/// Every model, or those that answer.
///
/// # Errors
/// A repository that is not there.
pub(super) fn index(
    request: &RepositoryIndexRequest,
    context: &Context,
) -> Result<RepositoryIndexResponse, ServiceError> {
    only_one(&request.repository_name)?;
    let models = model::all(context).into_iter().map(|hosted| {
        let id = hosted.contract().id();
        let (state, reason) = match (context.open().is_ok(), hosted.is_ready()) {
            (true, true) => ("READY", ""),
            (true, false) => ("LOADING", "the model is being loaded"),
            (false, _) => ("UNAVAILABLE", "the server is shutting down"),
        };
        ModelIndex {
            name: id.name.clone(),
            version: id.version.to_string(),
            state: state.into(),
            reason: reason.into(),
        }
    });
    let models = models.filter(|model| !request.ready || model.state == "READY");
    Ok(RepositoryIndexResponse {
        models: models.collect(),
    })
}

/// Loads or unloads a model.
///
/// # Errors
/// Always, today: models are loaded when the server starts.
pub(super) fn repository(change: Change, repository: &str, name: &str) -> Result<(), ServiceError> {
    only_one(repository)?;
    let word = match change {
        Change::Load => "loaded",
        Change::Unload => "unloaded",
    };
    Err(ServiceError::Wire {
        code: Code::Unimplemented,
        reason: "MODELS_ARE_FIXED",
        message: format!(
            "model `{name}` cannot be {word} while the server runs: change the folder that models.dir names and start it again"
        ),
    })
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
