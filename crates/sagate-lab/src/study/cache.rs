//! Cache of step results, keyed by the hash of their inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use sagate_core::atomic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tch::Device;

use super::error::StudyError;

/// Part of every key: raised when a step gives another result for the same name and inputs.
const FORMAT: u32 = 1;

/// A folder of results, one folder for each step. A step is complete when its `value.json` exists, which is written last.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// A lock for each requested step: of the jobs that need it, the first computes it and the others wait.
    turns: Arc<Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>>>,
}

/// The cache and the device of the jobs.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The cache.
    pub cache: &'a Cache,
    /// The networks' device.
    pub device: Device,
}

/// Identity of a step: its name and everything that its result depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct StepId {
    /// Its name, part of the folder's name.
    pub name: String,
    /// Its inputs, part of its key.
    pub inputs: serde_json::Value,
}

impl StepId {
    /// A step of this name with these inputs.
    pub fn new(name: impl Into<String>, inputs: serde_json::Value) -> StepId {
        StepId {
            name: name.into(),
            inputs,
        }
    }

    /// The hash of name and inputs.
    pub fn key(&self) -> String {
        let text =
            serde_json::json!({ "format": FORMAT, "step": self.name, "inputs": self.inputs }).to_string();
        let hash = Sha256::digest(text.as_bytes());
        hash[..12].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A cached result.
#[derive(Debug, Clone)]
pub struct Cached<T> {
    /// The result.
    pub value: T,
    /// The hash of its inputs, for the inputs of steps that depend on it.
    pub key: String,
    /// The step's folder, with the files that it wrote.
    pub folder: PathBuf,
    /// Seconds that its computation took.
    pub seconds: f64,
}

impl Cache {
    /// A cache in a folder, which is created with the first step.
    pub fn new(dir: impl Into<PathBuf>) -> Cache {
        Cache {
            dir: dir.into(),
            turns: Arc::default(),
        }
    }

    fn folder(&self, step: &StepId) -> PathBuf {
        self.dir.join(format!("{}-{}", step.name, step.key()))
    }

    fn turn(&self, folder: &Path) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(folder.to_owned()).or_default().clone()
    }

    /// Whether a step's result is cached.
    pub fn holds(&self, step: &StepId) -> bool {
        self.folder(step).join("value.json").is_file()
    }

    /// The result of a step: from the cache, or else computed by `make`, which may write files into the step's folder and finds
    /// there the files of an interrupted run.
    ///
    /// # Errors
    /// What `make` fails with; files that cannot be read or written.
    pub fn step<T: Serialize + DeserializeOwned>(
        &self,
        step: &StepId,
        make: impl FnOnce(&Path) -> Result<T, StudyError>,
    ) -> Result<Cached<T>, StudyError> {
        let (key, folder) = (step.key(), self.folder(step));
        let (value_file, seconds_file) = (folder.join("value.json"), folder.join("seconds.json"));
        let turn = self.turn(&folder);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if value_file.is_file() {
            return Ok(Cached {
                value: read(&value_file)?,
                seconds: read(&seconds_file)?,
                key,
                folder,
            });
        }
        std::fs::create_dir_all(&folder).map_err(StudyError::io("create the folder", &folder))?;
        write(&folder.join("inputs.json"), &step.inputs)?;
        let since = Instant::now();
        let value = make(&folder)?;
        let seconds = since.elapsed().as_secs_f64();
        write(&seconds_file, &seconds)?;
        write(&value_file, &value)?;
        Ok(Cached {
            value,
            key,
            folder,
            seconds,
        })
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let bytes = std::fs::read(path).map_err(StudyError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|error| StudyError::Cached {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), StudyError> {
    let text = serde_json::to_vec(value).map_err(|error| StudyError::Cached {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    Ok(atomic::write(path, &text)?)
}
