//! The outcomes of steps, kept under the hash of what went into them.

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

/// Part of every key: raised when a step of the same name and inputs gives something else than before.
const FORMAT: u32 = 1;

/// A folder of outcomes, one folder a step. A step is complete when its `value.json` is there, which is written last.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// A lock for each step that was asked for: of the jobs that need one, the first makes it and the others wait.
    turns: Arc<Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>>>,
}

/// Where jobs are done and their outcomes kept.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// What keeps the outcomes.
    pub cache: &'a Cache,
    /// Where networks run.
    pub device: Device,
}

/// What a step is: its name, and everything that its outcome depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct StepId {
    /// In the folder's name.
    pub name: String,
    /// What goes into its key.
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

/// An outcome.
#[derive(Debug, Clone)]
pub struct Kept<T> {
    /// What the step gave.
    pub value: T,
    /// The hash of what went into it: put it into the inputs of whatever depends on this step.
    pub key: String,
    /// The step's folder, with the files that it wrote.
    pub folder: PathBuf,
    /// Seconds that it took when it was done.
    pub seconds: f64,
}

impl Cache {
    /// A cache in a folder, which is made when the first step is kept.
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

    /// Whether a step's outcome is kept.
    pub fn holds(&self, step: &StepId) -> bool {
        self.folder(step).join("value.json").is_file()
    }

    /// The outcome of a step: what is kept, or else what `make` gives, which may write files into the step's folder and finds
    /// there what an earlier try left behind.
    ///
    /// # Errors
    /// What `make` fails with; files that cannot be read or written.
    pub fn step<T: Serialize + DeserializeOwned>(
        &self,
        step: &StepId,
        make: impl FnOnce(&Path) -> Result<T, StudyError>,
    ) -> Result<Kept<T>, StudyError> {
        let (key, folder) = (step.key(), self.folder(step));
        let (value_file, seconds_file) = (folder.join("value.json"), folder.join("seconds.json"));
        let turn = self.turn(&folder);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if value_file.is_file() {
            return Ok(Kept {
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
        Ok(Kept {
            value,
            key,
            folder,
            seconds,
        })
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let bytes = std::fs::read(path).map_err(StudyError::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|error| StudyError::Kept {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), StudyError> {
    let text = serde_json::to_vec(value).map_err(|error| StudyError::Kept {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    Ok(atomic::write(path, &text)?)
}
