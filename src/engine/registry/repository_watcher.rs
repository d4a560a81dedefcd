//! Keeps the engine in sync with a model repository: new versions are loaded, changed ones reloaded, removed ones unloaded. While the
//! repository cannot be read, loaded models continue to serve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sagate_core::executor::ModelId;
use sagate_core::model::{Located, ModelError, Repository, content_hash, files};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::backoff;
use super::engine::Engine;
use super::scan::{ScanResult, scan};
use crate::engine::error::EngineError;
use crate::engine::runtime::handle::ModelState;

/// Delay before the next scan when work is left and no interval is set.
const RESCAN_DELAY: Duration = Duration::from_secs(1);

/// Watches a model repository for an engine.
pub struct RepositoryWatcher {
    repository: Repository,
    engine: Arc<Engine>,
    /// A version is unloaded after this number of successive scans without it.
    removal_scans: u32,
    /// Result of the last scan.
    found: ScanResult,
    /// Whether versions changed between the last two scans: they may still be being written.
    unsettled: bool,
    /// Loaded versions that are missing from the repository, and the number of successive scans that missed them.
    absent: BTreeMap<ModelId, u32>,
    failures: BTreeMap<ModelId, Failure>,
    /// Loads in progress, and their versions.
    loads: JoinSet<LoadResult>,
    loading: BTreeSet<ModelId>,
    /// Last logged error: a repeated error is logged once.
    last_error: String,
}

/// A version that could not be loaded.
struct Failure {
    /// Its checksum file; a change triggers an immediate retry.
    checksums: Vec<u8>,
    /// Successive failures.
    count: u32,
    /// Time of the next attempt.
    retry_at: Instant,
}

/// Result of a load.
struct LoadResult {
    id: ModelId,
    checksums: Vec<u8>,
    result: Result<(), EngineError>,
}

impl RepositoryWatcher {
    /// Watches a repository whose versions the engine has loaded at start-up. A version is unloaded after `removal_scans` successive scans
    /// without it.
    pub fn new(repository: Repository, engine: Arc<Engine>, removal_scans: u32) -> RepositoryWatcher {
        RepositoryWatcher {
            repository,
            engine,
            removal_scans,
            found: ScanResult::default(),
            unsettled: false,
            absent: BTreeMap::new(),
            failures: BTreeMap::new(),
            loads: JoinSet::new(),
            loading: BTreeSet::new(),
            last_error: String::new(),
        }
    }

    /// Scans the repository at this interval (`None`: only on demand) and whenever `now` is notified. Loads do not delay scans.
    pub async fn follow(mut self, every: Option<Duration>, now: Arc<Notify>) {
        let regular = || every.map(|every| Instant::now() + every);
        let mut next = regular();
        loop {
            let at_once = tokio::select! {
                () = now.notified() => true,
                () = at(next) => false,
                Some(ended) = self.loads.join_next() => {
                    self.load_ended(ended);
                    self.unload_unwanted().await;
                    next = next.or_else(|| self.next_rescan());
                    continue;
                }
            };
            match self.begin(at_once).await {
                Ok(()) => self.last_error.clear(),
                Err(error) => {
                    let error = error.to_string();
                    if error != self.last_error {
                        tracing::error!(
                            error,
                            "the model repository cannot be read; loaded models continue to serve"
                        );
                        self.last_error = error;
                    }
                }
            }
            next = regular().or_else(|| self.next_rescan());
        }
    }

    /// Compares repository and engine once, applies the differences, and waits until that is done. Unless `at_once`, versions that changed
    /// since the last scan are left for the next one, since they may still be being written, and failed ones wait for their backoff.
    ///
    /// # Errors
    /// The repository cannot be read or is empty; nothing is changed then. A model that cannot be loaded is only logged.
    pub async fn reconcile(&mut self, at_once: bool) -> Result<(), EngineError> {
        self.begin(at_once).await?;
        while let Some(ended) = self.loads.join_next().await {
            self.load_ended(ended);
        }
        self.unload_unwanted().await;
        Ok(())
    }

    /// Scans, unloads what is not wanted, and begins to load what is new.
    async fn begin(&mut self, at_once: bool) -> Result<(), EngineError> {
        let repository = self.repository.clone();
        let found = match blocking(move || scan(&repository)).await? {
            Ok(found) if found.is_empty() && !self.engine.models().is_empty() => Err(ModelError::NoModels {
                dir: self.repository.dir().to_path_buf(),
            }),
            other => other,
        };
        let found = found.inspect_err(|_| self.absent.clear())?;
        let before = std::mem::replace(&mut self.found, found);
        self.log_unreadable(&before);
        self.count_absent();
        self.unload_unwanted().await;
        self.forget_failures();
        let settled = |id: &ModelId, checksums: &Vec<u8>| {
            at_once
                || before
                    .versions
                    .get(id)
                    .is_some_and(|(_, before)| before == checksums)
        };
        let running = self.running();
        let wanted = self.wanted();
        self.unsettled = false;
        for (id, (located, checksums)) in &self.found.versions {
            let is_new = running.get(id) != Some(&content_hash(checksums));
            if !is_new || !wanted.contains(id) || self.loading.contains(id) {
                continue;
            }
            if !settled(id, checksums) {
                self.unsettled = true;
                continue;
            }
            let failed = self.failures.get(id).filter(|it| it.checksums == *checksums);
            if !at_once && failed.is_some_and(|it| it.retry_at > Instant::now()) {
                continue;
            }
            self.loading.insert(id.clone());
            self.loads
                .spawn(load(self.engine.clone(), located.clone(), checksums.clone()));
        }
        Ok(())
    }

    /// Records the result of a load.
    fn load_ended(&mut self, ended: Result<LoadResult, tokio::task::JoinError>) {
        // A load neither panics nor is aborted, except when the watcher is dropped.
        let Ok(LoadResult {
            id,
            checksums,
            result,
        }) = ended
        else {
            return;
        };
        self.loading.remove(&id);
        match result {
            Ok(()) => {
                self.failures.remove(&id);
                tracing::info!(model = %id, "the model was loaded");
            }
            Err(error) => {
                let before = self.failures.get(&id).filter(|it| it.checksums == checksums);
                let count = before.map_or(0, |it| it.count) + 1;
                let pause = backoff::after(count);
                tracing::error!(
                    model = %id, %error, failures = count, again_in_seconds = pause.as_secs_f64(),
                    "the model was not loaded; the previous version continues to serve"
                );
                let retry_at = Instant::now() + pause;
                self.failures.insert(
                    id,
                    Failure {
                        checksums,
                        count,
                        retry_at,
                    },
                );
            }
        }
    }

    /// Logs loaded models that have become unreadable.
    fn log_unreadable(&self, before: &ScanResult) {
        for model in self.engine.models() {
            let id = model.contract().id();
            if self.found.is_unreadable(id) && !before.is_unreadable(id) {
                tracing::warn!(
                    model = %id,
                    "the model's folder or its {} cannot be read; the loaded version continues to serve", files::CHECKSUMS
                );
            }
        }
    }

    /// Counts the scans that miss loaded versions.
    fn count_absent(&mut self) {
        let absent = self
            .engine
            .models()
            .into_iter()
            .map(|model| model.contract().id().clone())
            .filter(|id| !self.found.contains(id))
            .map(|id| {
                let scans = self.absent.get(&id).map_or(1, |scans| scans + 1);
                if scans == 1 {
                    tracing::warn!(
                        model = %id, scans = self.removal_scans,
                        "the model is not in the repository any more: it is unloaded after this number of successive scans without it"
                    );
                }
                (id, scans)
            })
            .collect();
        self.absent = absent;
    }

    /// Unloads versions that were missing for long enough, and versions that another one has replaced.
    async fn unload_unwanted(&mut self) {
        let wanted = self.wanted();
        for model in self.engine.models() {
            let id = model.contract().id();
            let is_gone = self
                .absent
                .get(id)
                .is_some_and(|&scans| scans >= self.removal_scans);
            // Its replacement must be ready before it is unloaded.
            let served = self.engine.find(&id.name, None).ok();
            let is_replaced = served.is_some_and(|served| served.contract().id() != id && served.is_ready());
            let is_surplus = self.found.contains(id) && !wanted.contains(id) && is_replaced;
            if !is_gone && !is_surplus {
                continue;
            }
            self.absent.remove(id);
            match self.engine.unload(id).await {
                Ok(()) => tracing::warn!(model = %id, "the model was unloaded"),
                Err(error) => tracing::warn!(model = %id, %error, "the model had already been unloaded"),
            }
        }
    }

    /// Discards failures of versions that were removed, or whose content is loaded again.
    fn forget_failures(&mut self) {
        let running = self.running();
        let versions = &self.found.versions;
        let is_over = |id: &ModelId| match versions.get(id) {
            Some((_, checksums)) => running.get(id) == Some(&content_hash(checksums)),
            None => !self.found.contains(id),
        };
        let over: Vec<ModelId> = self.failures.keys().filter(|id| is_over(id)).cloned().collect();
        for id in over {
            self.failures.remove(&id);
            self.engine.forget_failure(&id);
        }
    }

    /// The content hash of every loaded version that has threads.
    fn running(&self) -> BTreeMap<ModelId, String> {
        let models = self.engine.models().into_iter();
        models
            .filter(|model| model.state() != ModelState::Stopped)
            .map(|model| {
                let contract = model.contract();
                (contract.id().clone(), contract.hash().to_owned())
            })
            .collect()
    }

    /// The versions to load, of those in the repository.
    fn wanted(&self) -> BTreeSet<ModelId> {
        let mut versions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let loaded = self.engine.models();
        let loaded = loaded.iter().map(|model| model.contract().id());
        // A loaded version that is currently unreadable counts as present.
        let present: BTreeSet<&ModelId> = loaded
            .filter(|id| self.found.is_unreadable(id))
            .chain(self.found.versions.keys())
            .collect();
        for id in present {
            versions.entry(&id.name).or_default().push(id.version);
        }
        let serving = &self.engine.config().serving;
        let of_model = |(name, versions): (&str, Vec<u32>)| {
            let wanted = serving.policy_for(name).wanted(&versions);
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

    /// Time of the next scan when no interval is set: something is unsettled or waits for a retry.
    fn next_rescan(&self) -> Option<Instant> {
        let soon = Instant::now() + RESCAN_DELAY;
        let retry_at = self.failures.values().map(|it| it.retry_at.max(soon));
        let open = self.unsettled || !self.absent.is_empty();
        retry_at.chain(open.then_some(soon)).min()
    }
}

async fn load(engine: Arc<Engine>, located: Located, checksums: Vec<u8>) -> LoadResult {
    let result = engine.open_and_load(&located).await.map(drop);
    LoadResult {
        id: ModelId::from(&located),
        checksums,
        result,
    }
}

async fn at(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| EngineError::Stopping)
}
