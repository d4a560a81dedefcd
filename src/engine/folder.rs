//! Keeps the engine true to a folder of models that changes: what appears is loaded, what changed is loaded anew, what went is taken
//! away.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::contract::{Contract, ModelId};
use super::error::EngineError;
use super::pool::Engine;
use crate::model::{Located, ModelError, Repository, content_hash, files};

/// A folder of models that the engine follows.
pub struct Folder {
    repository: Repository,
    engine: Arc<Engine>,
    /// What each version's sums were when it was looked at last.
    seen: BTreeMap<ModelId, Vec<u8>>,
    /// The sums of versions that could not be loaded: they are not tried again until they change.
    refused: BTreeMap<ModelId, Vec<u8>>,
}

impl Folder {
    /// A folder, of which the engine has loaded what was there at the start.
    pub fn new(repository: Repository, engine: Arc<Engine>) -> Folder {
        Folder {
            repository,
            engine,
            seen: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Follows the folder for ever: looks every so often (`None`: never by itself), and whenever it is told to.
    pub async fn follow(mut self, every: Option<Duration>, now: Arc<Notify>) {
        loop {
            let told = tokio::select! {
                () = now.notified() => true,
                () = async { match every {
                    Some(every) => tokio::time::sleep(every).await,
                    None => std::future::pending().await,
                } } => false,
            };
            if let Err(error) = self.look(told).await {
                tracing::error!(%error, "the folder of models cannot be followed; what is loaded goes on");
            }
        }
    }

    /// Compares folder and engine once, and does what is to be done. What changed since the last look may still be being written and
    /// is left for the next one, unless `at_once`.
    ///
    /// # Errors
    /// The folder cannot be read; nothing was changed then. That one model cannot be loaded is logged.
    pub async fn look(&mut self, at_once: bool) -> Result<(), EngineError> {
        let repository = self.repository.clone();
        let there = blocking(move || there(&repository)).await??;
        let wanted = self.wanted(&there);
        let loaded: BTreeMap<ModelId, String> = self
            .engine
            .models()
            .iter()
            .map(|hosted| {
                (
                    hosted.contract().id().clone(),
                    hosted.contract().hash().to_owned(),
                )
            })
            .collect();
        for (id, (located, sums)) in &there {
            let settled = at_once || self.seen.get(id) == Some(sums);
            let is_new = loaded.get(id) != Some(&content_hash(sums));
            if settled && is_new && wanted.contains(id) && self.refused.get(id) != Some(sums) {
                self.load(id, located, sums).await;
            }
        }
        self.seen = there
            .iter()
            .map(|(id, (_, sums))| (id.clone(), sums.clone()))
            .collect();
        self.refused.retain(|id, _| there.contains_key(id));
        for id in loaded.keys().filter(|id| !wanted.contains(id)) {
            // What takes over from it must answer before it goes.
            let served = self.engine.find(&id.name, None).ok();
            let replaced = served.is_some_and(|hosted| *hosted.contract().id() != *id);
            if there.contains_key(id) && !replaced {
                continue;
            }
            match self.engine.unload(id).await {
                Ok(()) => tracing::info!(model = %id, "the model was taken away"),
                Err(error) => tracing::warn!(model = %id, %error, "the model was gone already"),
            }
        }
        Ok(())
    }

    /// What shall be loaded of what is there.
    fn wanted(&self, there: &BTreeMap<ModelId, (Located, Vec<u8>)>) -> Vec<ModelId> {
        let mut versions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for id in there.keys() {
            versions.entry(&id.name).or_default().push(id.version);
        }
        let serving = &self.engine.setup().serving;
        let of_model = |(name, versions): (&str, Vec<u32>)| {
            let wanted = serving.of(name).wanted(&versions);
            wanted
                .into_iter()
                .map(move |version| ModelId {
                    name: name.to_owned(),
                    version,
                })
                .collect::<Vec<_>>()
        };
        versions.into_iter().flat_map(of_model).collect()
    }

    async fn load(&mut self, id: &ModelId, located: &Located, sums: &[u8]) {
        let located = located.clone();
        let opened = blocking(move || Contract::open(&located)).await;
        let loaded = match opened {
            Ok(Ok((model, contract))) => self.engine.load(model, contract).await,
            Ok(Err(error)) | Err(error) => Err(error),
        };
        match loaded {
            Ok(_) => tracing::info!(model = %id, "the model was loaded"),
            Err(error) => {
                tracing::error!(model = %id, %error, "the model was not loaded; what answered before goes on");
                self.refused.insert(id.clone(), sums.to_vec());
            }
        }
    }
}

/// Every version, with the bytes of its sums; one without sums is unfinished.
fn there(repository: &Repository) -> Result<BTreeMap<ModelId, (Located, Vec<u8>)>, ModelError> {
    let (located, _) = repository.list()?;
    let sums = |folder: &Path| std::fs::read(folder.join(files::SUMS)).ok();
    let of_version = |it: Located| {
        let sums = sums(&it.folder)?;
        let id = ModelId::from(&it);
        Some((id, (it, sums)))
    };
    Ok(located.into_iter().filter_map(of_version).collect())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| EngineError::Stopping)
}
