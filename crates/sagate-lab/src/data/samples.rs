//! The samples: a handful of clean and corrupted test slices of each task, small enough to be kept with the code.
//!
//! `samples/TASK/images/NAME.png` and `samples/TASK/masks/NAME.png` are a data set folder of their own, and
//! `samples/samples.toml` says what each image is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::corruption::apply;
use super::files::replace_folder;
use super::{Corruption, CorruptionKind, DataError, Example, Severity, Split, Task, write_image, write_mask};

/// How many slices of each task are taken, evenly over the test split: each once clean and once corrupted.
pub const SLICES: usize = 6;

/// The seed of every corruption among the samples.
const SEED: u64 = 1;

/// The tasks and the corruption of each slice.
const PLAN: [(&str, [(CorruptionKind, Severity); SLICES]); 2] = [
    (
        "t1-brain",
        [
            (CorruptionKind::Motion, Severity::Severe),
            (CorruptionKind::BiasField, Severity::Severe),
            (CorruptionKind::OtherSpecies, Severity::Mild),
            (CorruptionKind::WrongOrientation, Severity::Severe),
            (CorruptionKind::MissingBand, Severity::Severe),
            (CorruptionKind::GaussianNoise, Severity::Severe),
        ],
    ),
    (
        "t1-nuclei",
        [
            (CorruptionKind::Blur, Severity::Severe),
            (CorruptionKind::RicianNoise, Severity::Severe),
            (CorruptionKind::OtherSpecies, Severity::Mild),
            (CorruptionKind::ContrastLoss, Severity::Severe),
            (CorruptionKind::WrongOrientation, Severity::Severe),
            (CorruptionKind::ThickSlices, Severity::Severe),
        ],
    ),
];

/// One sample, as `samples.toml` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The image, below the folder of samples.
    pub file: PathBuf,
    /// The task it belongs to, which is also the name of the model that segments it.
    pub task: String,
    /// The test slice it was made from.
    pub slice: String,
    /// The truth, below the folder of samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<PathBuf>,
    /// Its corruption; none where it is clean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corruption: Option<Corruption>,
}

/// `samples.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    sample: Vec<Sample>,
}

/// Reads the list of a folder of samples; the images are read by [`super::folder`] or `imaging::read`.
///
/// # Errors
/// When `samples.toml` is missing or does not parse, or a file that it lists is not there.
pub fn read(dir: &Path) -> Result<Vec<Sample>, DataError> {
    let path = dir.join("samples.toml");
    let text = std::fs::read_to_string(&path).map_err(DataError::io("read the list of samples", &path))?;
    let listing: Listing = toml::from_str(&text).map_err(|error| DataError::Toml {
        path: path.clone(),
        message: error.to_string(),
    })?;
    for sample in &listing.sample {
        for file in std::iter::once(&sample.file).chain(&sample.truth) {
            if !dir.join(file).is_file() {
                return Err(DataError::Field {
                    path,
                    field: format!("sample {}", sample.file.display()),
                    was: format!("the file {}, which is not there", file.display()),
                    want: "a file below the folder of samples".to_owned(),
                });
            }
        }
    }
    Ok(listing.sample)
}

/// Picks the samples from the tasks in `tasks` (as [`super::t1::build`] made them) and writes them to `out`, which appears
/// when it is whole.
///
/// # Errors
/// When a task is missing or cannot be read, has fewer than [`SLICES`] test slices, cannot be corrupted, when a file
/// cannot be written, and, unless `force`, when `out` holds anything already.
pub fn write(tasks: &Path, out: &Path, force: bool) -> Result<Vec<Sample>, DataError> {
    let mut samples = Vec::new();
    replace_folder(out, force, |fresh| {
        for (name, corruptions) in PLAN {
            let task = Task::open(&tasks.join(name))?;
            write_task(&task, corruptions, fresh, &mut samples)?;
        }
        let listing = Listing {
            sample: samples.clone(),
        };
        let text = toml::to_string(&listing).expect("a list of samples is plain strings and numbers");
        for (file, text) in [("samples.toml", text), ("README.md", readme(&samples))] {
            let path = fresh.join(file);
            std::fs::write(&path, text).map_err(DataError::io("write", &path))?;
        }
        Ok(())
    })?;
    Ok(samples)
}

fn write_task(
    task: &Task,
    corruptions: [(CorruptionKind, Severity); SLICES],
    out: &Path,
    samples: &mut Vec<Sample>,
) -> Result<(), DataError> {
    let (stack, other) = (task.split(Split::Test)?, task.other()?);
    if stack.len() < SLICES {
        return Err(DataError::Field {
            path: task.dir().join(Split::Test.name()),
            field: "the number of images".to_owned(),
            was: stack.len().to_string(),
            want: format!("at least {SLICES}"),
        });
    }
    for folder in ["images", "masks"] {
        let folder = out.join(task.name()).join(folder);
        std::fs::create_dir_all(&folder).map_err(DataError::io("create the folder", &folder))?;
    }
    for (rank, (kind, severity)) in corruptions.into_iter().enumerate() {
        let index = (2 * rank + 1) * stack.len() / (2 * SLICES);
        let corruption = Corruption {
            kind,
            severity,
            seed: SEED,
        };
        let corrupted = apply(&corruption, &stack, index, &other)?;
        samples.push(write_one(task, &stack[index], None, out)?);
        samples.push(write_one(task, &corrupted, Some(corruption), out)?);
    }
    Ok(())
}

fn write_one(
    task: &Task,
    example: &Example,
    corruption: Option<Corruption>,
    out: &Path,
) -> Result<Sample, DataError> {
    let what = match corruption {
        None => "clean".to_owned(),
        Some(corruption) => format!("{}-{}", corruption.kind, corruption.severity),
    };
    let name = format!("{}-{what}.png", example.name);
    let file = Path::new(task.name()).join("images").join(&name);
    write_image(&out.join(&file), &example.image)?;
    let truth = match &example.truth {
        None => None,
        Some(labels) => {
            let file = Path::new(task.name()).join("masks").join(&name);
            write_mask(&out.join(&file), labels)?;
            Some(file)
        }
    };
    Ok(Sample {
        file,
        task: task.name().to_owned(),
        slice: example.name.clone(),
        truth,
        corruption,
    })
}

/// The folder's README.
fn readme(samples: &[Sample]) -> String {
    let mut text = String::from(
        "# Samples\n\n\
         Test slices that were not used in training, each once clean and once corrupted, with the true masks. `sagate data samples`\n\
         made them from the tasks of `sagate data t1`; `docs/research/data-sets.md` gives the images' source and licence,\n\
         and defines each corruption and severity. `samples.toml` is this table for programs.\n\n\
         | image | task | slice | corruption | severity |\n|---|---|---|---|---|\n",
    );
    for sample in samples {
        let (corruption, severity) = match sample.corruption {
            None => ("none".to_owned(), "-".to_owned()),
            Some(corruption) => (corruption.kind.to_string(), corruption.severity.to_string()),
        };
        let file = sample.file.display();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {file} | {} | {} | {corruption} | {severity} |",
            sample.task, sample.slice
        );
    }
    text
}
