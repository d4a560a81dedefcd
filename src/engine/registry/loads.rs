//! Loads that are under way and those that failed, each model's one after the other: one that hangs holds no other model up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sagate_core::executor::ModelId;
use tokio::sync::OwnedMutexGuard;

/// How the last attempt to load a version stands, where it has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// It is being loaded, tested and warmed up.
    UnderWay,
    /// It could not be loaded: why. What answered before goes on.
    Failed(Arc<str>),
}

/// All of them.
#[derive(Default)]
pub struct Loads {
    /// Held while a version of the name is loaded or taken away.
    names: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    last: Mutex<BTreeMap<ModelId, Last>>,
}

struct Last {
    load: Load,
    /// Of an attempt whose time was up: lives as long as a thread works on it all the same.
    late: Weak<()>,
}

/// An attempt. Dropped before it has ended, as where its caller went away, it was none.
pub struct Attempt<'a> {
    loads: &'a Loads,
    id: ModelId,
    pub alive: Arc<()>,
    ended: bool,
}

impl Loads {
    /// Waits for a model's turn.
    pub async fn one_at_a_time(&self, name: &str) -> OwnedMutexGuard<()> {
        let of_name = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.entry(name.to_owned()).or_default().clone()
        };
        of_name.lock_owned().await
    }

    /// Begins an attempt; `None` where the one before hangs still.
    pub fn begin(&self, id: &ModelId) -> Option<Attempt<'_>> {
        let mut last = self.last();
        if last.get(id).is_some_and(|last| last.late.strong_count() > 0) {
            return None;
        }
        let under_way = Last {
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

    /// How those stand that have not come to their end.
    pub fn all(&self) -> BTreeMap<ModelId, Load> {
        let last = self.last();
        last.iter()
            .map(|(id, last)| (id.clone(), last.load.clone()))
            .collect()
    }

    /// Forgets that a version could not be loaded.
    pub fn forget(&self, id: &ModelId) {
        let mut last = self.last();
        if (last.get(id)).is_some_and(|last| last.load != Load::UnderWay && last.late.strong_count() == 0) {
            last.remove(id);
        }
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<ModelId, Last>> {
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

    /// Its time was up. As long as its thread does not come back, there is no other attempt: threads that hang must not add up.
    pub fn timed_out(mut self, reason: &str) {
        let late = Arc::downgrade(&self.alive);
        self.end(Load::Failed(reason.into()), late);
    }

    fn end(&mut self, load: Load, late: Weak<()>) {
        self.ended = true;
        self.loads.last().insert(self.id.clone(), Last { load, late });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.loads.last().remove(&self.id);
        }
    }
}
