//! The images that calibrate and evaluate work on: a split of a task, or a plain folder.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use sagate_core::executor::{ModelExecutor, PreparedImage, Segmentation};
use sagate_lab::data::{Example, Split, Task, folder};

use super::inputs::check_labels;

/// Images of one size that go through the network together.
const BATCH: usize = 8;

/// Which images.
#[derive(Debug, Clone, clap::Args)]
pub struct DataArgs {
    /// A task's folder (with task.toml), or a folder of images, with or without their true masks in DIR/masks
    #[arg(long = "data", value_name = "DIR")]
    pub dir: PathBuf,
    /// The task's split to use
    #[arg(long, value_name = "SPLIT")]
    pub split: Option<SplitName>,
}

/// A split of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    Train,
    Validation,
    Test,
}

/// Images with what they are called.
pub struct Dataset {
    /// What they are, in words.
    pub description: String,
    /// The images.
    pub examples: Vec<Example>,
    /// Images of another species, where the task has them.
    pub other: Vec<Example>,
}

impl DataArgs {
    /// Reads the images.
    ///
    /// # Errors
    /// A folder that is not there, or whatever is wrong with a file in it.
    pub fn read(&self, default: SplitName) -> anyhow::Result<Dataset> {
        if self.dir.join("task.toml").is_file() {
            return self.read_task(self.split.unwrap_or(default));
        }
        let examples = folder(&self.dir)?;
        Ok(Dataset {
            description: format!("the folder {}", name(&self.dir)),
            examples,
            other: Vec::new(),
        })
    }

    fn read_task(&self, split: SplitName) -> anyhow::Result<Dataset> {
        let task = Task::open(&self.dir)?;
        let split = match split {
            SplitName::Train => Split::Train,
            SplitName::Validation => Split::Validation,
            SplitName::Test => Split::Test,
        };
        let description = format!("task {}, split {}", task.name(), split.name());
        Ok(Dataset {
            description,
            examples: task.split(split)?,
            other: task.other()?,
        })
    }
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Segments every example, those of one size together.
///
/// # Errors
/// The first image that the model cannot take, or whose true mask has labels that the model has not, by name.
pub fn segment(executor: &ModelExecutor, examples: &[Example]) -> anyhow::Result<Vec<Segmentation>> {
    let (classes, model) = (executor.manifest().classes.len(), executor.manifest().reference());
    for example in examples {
        if let Some(truth) = &example.truth {
            check_labels(truth, &example.name, classes, &model)?;
        }
    }
    let ready: Vec<PreparedImage> = examples
        .iter()
        .map(|example| {
            executor
                .prepare(&example.image)
                .with_context(|| example.name.clone())
        })
        .collect::<anyhow::Result<_>>()?;
    let mut results = Vec::with_capacity(ready.len());
    for same in ready.chunk_by(|a, b| a.size() == b.size()) {
        for batch in same.chunks(BATCH) {
            results.append(&mut executor.segment(&batch.iter().collect::<Vec<_>>())?);
        }
    }
    Ok(results)
}
