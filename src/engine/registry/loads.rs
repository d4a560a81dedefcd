//! Loads in progress and failed loads. Loads of one model run one after the other; a hanging load does not block other models.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sagate_core::executor::ModelId;
use tokio::sync::OwnedMutexGuard;

/// State of the last attempt to load a version, unless it succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Loading, self-test or warm-up is in progress.
    UnderWay,
    /// Loading failed, with the reason. The previous version continues to serve.
    Failed(Arc<str>),
}

/// All load attempts.
#[derive(Default)]
pub struct Loads {
    /// Locks by model name, held while a version is loaded or unloaded.
    names: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    last: Mutex<BTreeMap<ModelId, LastAttempt>>,
}

struct LastAttempt {
    load: Load,
    /// Of an attempt that timed out: alive while its thread still runs.
    late: Weak<()>,
}

/// A load attempt. Dropping it before its end discards it.
pub struct Attempt<'a> {
    loads: &'a Loads,
    id: ModelId,
    pub alive: Arc<()>,
    ended: bool,
}

impl Loads {
    /// Waits for the lock of a model.
    pub async fn one_at_a_time(&self, name: &str) -> OwnedMutexGuard<()> {
        let name_lock = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.entry(name.to_owned()).or_default().clone()
        };
        name_lock.lock_owned().await
    }

    /// Begins an attempt; `None` while the previous one still hangs.
    pub fn begin(&self, id: &ModelId) -> Option<Attempt<'_>> {
        let mut last = self.last();
        if last.get(id).is_some_and(|last| last.late.strong_count() > 0) {
            return None;
        }
        let under_way = LastAttempt {
            load: Load::UnderWay,
            late: Weak::new(),
        };
        last.insert(id.clone(), under_way);
        Some(Attempt {
            loads: self,
            id: id.clone(),
            alive: Arc::default(),
            ended: false,
        })
    }

    /// All attempts that have not succeeded.
    pub fn all(&self) -> BTreeMap<ModelId, Load> {
        let last = self.last();
        last.iter()
            .map(|(id, last)| (id.clone(), last.load.clone()))
            .collect()
    }

    /// Discards the failure of a version.
    pub fn forget(&self, id: &ModelId) {
        let mut last = self.last();
        if (last.get(id)).is_some_and(|last| last.load != Load::UnderWay && last.late.strong_count() == 0) {
            last.remove(id);
        }
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<ModelId, LastAttempt>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    pub fn succeeded(mut self) {
        self.ended = true;
        self.loads.last().remove(&self.id);
    }

    pub fn failed(mut self, reason: &str) {
        self.end(Load::Failed(reason.into()), Weak::new());
    }

    /// Records a timeout. No new attempt begins while its thread still runs, so that hanging threads do not accumulate.
    pub fn timed_out(mut self, reason: &str) {
        let late = Arc::downgrade(&self.alive);
        self.end(Load::Failed(reason.into()), late);
    }

    fn end(&mut self, load: Load, late: Weak<()>) {
        self.ended = true;
        self.loads
            .last()
            .insert(self.id.clone(), LastAttempt { load, late });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.loads.last().remove(&self.id);
        }
    }
}
