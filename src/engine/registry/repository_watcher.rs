//! Keeps the engine true to a folder of models that changes: what appears is loaded, what changed is loaded anew, what went is taken
//! away. A folder that cannot be read says nothing: what is loaded goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sagate_core::executor::ModelId;
use sagate_core::model::{Located, ModelError, Repository, content_hash, files};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::backoff;
use super::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::runtime::handle::ModelState;

/// How long until the next look where there is something to be looked at again and no interval.
const SOON: Duration = Duration::from_secs(1);

/// A folder of models that the engine follows.
pub struct RepositoryWatcher {
    repository: Repository,
    engine: Arc<Engine>,
    /// A version is unloaded when so many scans in a row do not find it.
    removal_scans: u32,
    /// What the last look found.
    found: Found,
    /// Versions that changed between the last two looks: they may still be being written.
    unsettled: bool,
    /// Versions that are loaded and not there, and in how many looks in a row.
    absent: BTreeMap<ModelId, u32>,
    failures: BTreeMap<ModelId, Failure>,
    /// Loads that are under way, and of what.
    loads: JoinSet<Loaded>,
    loading: BTreeSet<ModelId>,
    /// What was complained of last: it is not told at every look.
    told: String,
}

/// What a look found.
#[derive(Default)]
struct Found {
    /// Versions whose sums could be read, and their bytes.
    versions: BTreeMap<ModelId, (Located, Vec<u8>)>,
    /// Versions that are there but whose sums could not be read, and models of which that is so for every version.
    unreadable: BTreeSet<ModelId>,
    unreadable_names: BTreeSet<String>,
}

/// A version that could not be loaded.
struct Failure {
    /// Its sums; once they change it is tried at once.
    sums: Vec<u8>,
    /// How often in a row.
    count: u32,
    /// When it is tried again.
    again: Instant,
}

/// How a load ended.
struct Loaded {
    id: ModelId,
    sums: Vec<u8>,
    result: Result<(), EngineError>,
}

impl RepositoryWatcher {
    /// A folder, of which the engine has loaded what was there at the start. A version is unloaded when
    /// `removal_scans` scans in a row do not find it.
    pub fn new(repository: Repository, engine: Arc<Engine>, removal_scans: u32) -> RepositoryWatcher {
        RepositoryWatcher {
            repository,
            engine,
            removal_scans,
            found: Found::default(),
            unsettled: false,
            absent: BTreeMap::new(),
            failures: BTreeMap::new(),
            loads: JoinSet::new(),
            loading: BTreeSet::new(),
            told: String::new(),
        }
    }

    /// Follows the folder for ever: looks every so often (`None`: never by itself), and whenever it is told to. A load holds no look up.
    pub async fn follow(mut self, every: Option<Duration>, now: Arc<Notify>) {
        let regular = || every.map(|every| Instant::now() + every);
        let mut next = regular();
        loop {
            let at_once = tokio::select! {
                () = now.notified() => true,
                () = at(next) => false,
                Some(ended) = self.loads.join_next() => {
                    self.loaded(ended);
                    self.unload_unwanted().await;
                    next = next.or_else(|| self.soonest());
                    continue;
                }
            };
            match self.begin(at_once).await {
                Ok(()) => self.told.clear(),
                Err(error) => {
                    let error = error.to_string();
                    if error != self.told {
                        tracing::error!(
                            error,
                            "the folder of models cannot be followed; what is loaded goes on"
                        );
                        self.told = error;
                    }
                }
            }
            next = regular().or_else(|| self.soonest());
        }
    }

    /// Compares folder and engine once, does what is to be done, and waits until it is done. What changed since the last look may still
    /// be being written and is left for the next one, as is what failed before, unless `at_once`.
    ///
    /// # Errors
    /// The folder cannot be read, or lists no model at all; nothing was changed then. That one model cannot be loaded is logged.
    pub async fn reconcile(&mut self, at_once: bool) -> Result<(), EngineError> {
        self.begin(at_once).await?;
        while let Some(ended) = self.loads.join_next().await {
            self.loaded(ended);
        }
        self.unload_unwanted().await;
        Ok(())
    }

    /// Looks, takes away what is to go, and begins to load what is to come.
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
        self.tell_of_unreadable(&before);
        self.count_absent();
        self.unload_unwanted().await;
        self.forget_failures();
        let settled = |id: &ModelId, sums: &Vec<u8>| {
            at_once || before.versions.get(id).is_some_and(|(_, before)| before == sums)
        };
        let running = self.running();
        let wanted = self.wanted();
        self.unsettled = false;
        for (id, (located, sums)) in &self.found.versions {
            let is_new = running.get(id) != Some(&content_hash(sums));
            if !is_new || !wanted.contains(id) || self.loading.contains(id) {
                continue;
            }
            if !settled(id, sums) {
                self.unsettled = true;
                continue;
            }
            let failed = self.failures.get(id).filter(|it| it.sums == *sums);
            if !at_once && failed.is_some_and(|it| it.again > Instant::now()) {
                continue;
            }
            self.loading.insert(id.clone());
            self.loads
                .spawn(load(self.engine.clone(), located.clone(), sums.clone()));
        }
        Ok(())
    }

    /// A load has ended.
    fn loaded(&mut self, ended: Result<Loaded, tokio::task::JoinError>) {
        // It panics nowhere, and nobody aborts it but who drops all.
        let Ok(Loaded { id, sums, result }) = ended else {
            return;
        };
        self.loading.remove(&id);
        match result {
            Ok(()) => {
                self.failures.remove(&id);
                tracing::info!(model = %id, "the model was loaded");
            }
            Err(error) => {
                let before = self.failures.get(&id).filter(|it| it.sums == sums);
                let count = before.map_or(0, |it| it.count) + 1;
                let pause = backoff::after(count);
                tracing::error!(
                    model = %id, %error, failures = count, again_in_seconds = pause.as_secs_f64(),
                    "the model was not loaded; what answered before goes on"
                );
                let again = Instant::now() + pause;
                self.failures.insert(id, Failure { sums, count, again });
            }
        }
    }

    /// Says which models are loaded and cannot be read just now, where that is new.
    fn tell_of_unreadable(&self, before: &Found) {
        for hosted in self.engine.models() {
            let id = hosted.contract().id();
            if self.found.is_unreadable(id) && !before.is_unreadable(id) {
                tracing::warn!(
                    model = %id,
                    "the model's folder or its {} cannot be read; what is loaded goes on", files::CHECKSUMS
                );
            }
        }
    }

    /// Counts the looks in which versions are not there.
    fn count_absent(&mut self) {
        let absent = self
            .engine
            .models()
            .into_iter()
            .map(|hosted| hosted.contract().id().clone())
            .filter(|id| !self.found.has(id))
            .map(|id| {
                let looks = self.absent.get(&id).map_or(1, |looks| looks + 1);
                if looks == 1 {
                    tracing::warn!(
                        model = %id, scans = self.removal_scans,
                        "the model is not in the folder any more: it is unloaded when so many scans in a row do not find it"
                    );
                }
                (id, looks)
            })
            .collect();
        self.absent = absent;
    }

    /// Takes away what has been gone for long enough, and what others have taken over from.
    async fn unload_unwanted(&mut self) {
        let wanted = self.wanted();
        for hosted in self.engine.models() {
            let id = hosted.contract().id();
            let is_gone = self
                .absent
                .get(id)
                .is_some_and(|&looks| looks >= self.removal_scans);
            // What takes over from it must answer before it goes.
            let served = self.engine.find(&id.name, None).ok();
            let is_replaced = served.is_some_and(|served| served.contract().id() != id && served.is_ready());
            let is_surplus = self.found.has(id) && !wanted.contains(id) && is_replaced;
            if !is_gone && !is_surplus {
                continue;
            }
            self.absent.remove(id);
            match self.engine.unload(id).await {
                Ok(()) => tracing::warn!(model = %id, "the model was taken away"),
                Err(error) => tracing::warn!(model = %id, %error, "the model was gone already"),
            }
        }
    }

    /// Forgets failures of versions that went, or are again what answers.
    fn forget_failures(&mut self) {
        let running = self.running();
        let versions = &self.found.versions;
        let is_over = |id: &ModelId| match versions.get(id) {
            Some((_, sums)) => running.get(id) == Some(&content_hash(sums)),
            None => !self.found.has(id),
        };
        let over: Vec<ModelId> = self.failures.keys().filter(|id| is_over(id)).cloned().collect();
        for id in over {
            self.failures.remove(&id);
            self.engine.forget_failure(&id);
        }
    }

    /// The content of every version that is loaded and has threads.
    fn running(&self) -> BTreeMap<ModelId, String> {
        let models = self.engine.models().into_iter();
        models
            .filter(|hosted| hosted.state() != ModelState::Stopped)
            .map(|hosted| {
                let contract = hosted.contract();
                (contract.id().clone(), contract.hash().to_owned())
            })
            .collect()
    }

    /// What shall be loaded of what is there.
    fn wanted(&self) -> BTreeSet<ModelId> {
        let mut versions: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let loaded = self.engine.models();
        let loaded = loaded.iter().map(|hosted| hosted.contract().id());
        // What cannot be read just now counts where it is loaded.
        let there: BTreeSet<&ModelId> = loaded
            .filter(|id| self.found.is_unreadable(id))
            .chain(self.found.versions.keys())
            .collect();
        for id in there {
            versions.entry(&id.name).or_default().push(id.version);
        }
        let serving = &self.engine.config().serving;
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

    /// When to look again where there is no interval: something is not settled, or is to be tried again.
    fn soonest(&self) -> Option<Instant> {
        let soon = Instant::now() + SOON;
        let again = self.failures.values().map(|it| it.again.max(soon));
        let open = self.unsettled || !self.absent.is_empty();
        again.chain(open.then_some(soon)).min()
    }
}

impl Found {
    /// Whether a version is there, readable or not.
    fn has(&self, id: &ModelId) -> bool {
        self.versions.contains_key(id) || self.is_unreadable(id)
    }

    fn is_unreadable(&self, id: &ModelId) -> bool {
        self.unreadable.contains(id) || self.unreadable_names.contains(&id.name)
    }

    fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.unreadable.is_empty() && self.unreadable_names.is_empty()
    }
}

async fn load(engine: Arc<Engine>, located: Located, sums: Vec<u8>) -> Loaded {
    let result = engine.open_and_load(&located).await.map(drop);
    Loaded {
        id: ModelId::from(&located),
        sums,
        result,
    }
}

/// Every version. One without sums is unfinished, or cannot be read just now: it is there all the same.
fn scan(repository: &Repository) -> Result<Found, ModelError> {
    let scan = repository.scan()?;
    let mut found = Found::default();
    for it in scan.unreadable {
        tracing::debug!(model = it.name, error = %it.error, "a model's folder cannot be read");
        match it.version {
            None => {
                found.unreadable_names.insert(it.name);
            }
            Some(version) => {
                found.unreadable.insert(ModelId {
                    name: it.name,
                    version,
                });
            }
        }
    }
    for located in scan.models {
        let id = ModelId::from(&located);
        match sums(&located.folder) {
            Some(sums) => {
                found.versions.insert(id, (located, sums));
            }
            None => {
                found.unreadable.insert(id);
            }
        }
    }
    Ok(found)
}

fn sums(folder: &Path) -> Option<Vec<u8>> {
    std::fs::read(folder.join(files::CHECKSUMS)).ok()
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
