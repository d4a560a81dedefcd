//! A family's images as a task folder.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::scanner::Acquisition;
use super::{Family, Subject};
use crate::data::difficulty::{self, Entry};
use crate::data::files::{image_extension, replace_folder};
use crate::data::task::FORMAT;
use crate::data::{Class, DataError, Source, Split, Splits, Task, TaskFile, write_image, write_mask};

/// Raised whenever the same plan gives other images, so that outdated folders are detected.
const RECIPE: u32 = 1;

/// The sides in pixels that an image may have.
pub const SIDES: RangeInclusive<usize> = 32..=1024;

/// The largest number of images of a split.
pub const MAX_IMAGES: usize = 100_000;

/// How far apart the positions of two images are: they are different subjects, and no corruption that mixes neighbouring
/// slices must find any.
pub const SPACING: usize = 100;

/// The images to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhantomPlan {
    /// Which family.
    pub family: Family,
    /// Height and width of every image in pixels, one of [`SIDES`].
    pub side: usize,
    /// Images to train with, 1 to [`MAX_IMAGES`].
    pub train: usize,
    /// Images to validate with, 1 to [`MAX_IMAGES`].
    pub validation: usize,
    /// Images to test with, 1 to [`MAX_IMAGES`].
    pub test: usize,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl PhantomPlan {
    /// The number of images of a split.
    pub fn count(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    /// Names the first field that is out of its range, and the range.
    pub fn check(&self) -> Result<(), DataError> {
        let within = |field: &'static str, was: usize, range: RangeInclusive<usize>| {
            if range.contains(&was) {
                return Ok(());
            }
            Err(DataError::Plan {
                field,
                was: was.to_string(),
                want: format!("from {} to {}", range.start(), range.end()),
            })
        };
        within("side", self.side, SIDES)?;
        Split::ALL
            .into_iter()
            .try_for_each(|split| within(split.name(), self.count(split), 1..=MAX_IMAGES))
    }
}

/// Draws a family as the task `out/FAMILY`. Each split folder holds `images/`, `masks/` and `difficulty.csv`, which keeps
/// each image's difficulty and acquisition. The folder is written under another name and renamed when whole. One that is
/// there already and was drawn by the same plan is left as it is.
///
/// # Errors
/// When a field of the plan is out of its range, when a folder cannot be written, and, unless `force`, when a different
/// task lies there.
pub fn build(plan: &PhantomPlan, out: &Path, force: bool) -> Result<Task, DataError> {
    plan.check()?;
    let dir = out.join(plan.family.name());
    let text = describe(plan);
    let same = std::fs::read_to_string(dir.join("task.toml")).is_ok_and(|there| there == text);
    if !same || force {
        replace_folder(&dir, force, |fresh| {
            for split in Split::ALL {
                write_split(plan, split, &fresh.join(split.name()))?;
            }
            let file = fresh.join("task.toml");
            std::fs::write(&file, &text).map_err(DataError::io("write", &file))
        })?;
    }
    Task::open(&dir)
}

/// Draws and writes a split, a thread a core; what is written does not depend on how many there are.
fn write_split(plan: &PhantomPlan, split: Split, dir: &Path) -> Result<(), DataError> {
    for folder in [dir.join("images"), dir.join("masks")] {
        std::fs::create_dir_all(&folder).map_err(DataError::io("create the folder", &folder))?;
    }
    let count = plan.count(split);
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(count);
    let (next, done) = (
        AtomicUsize::new(0),
        Mutex::new(Vec::<Entry>::with_capacity(count)),
    );
    let work = || -> Result<(), DataError> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return Ok(());
            }
            let entry = write_one(plan, split, index, dir)?;
            done.lock().expect("no holder panics").push(entry);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("drawing does not panic"))
    })?;
    let mut entries = done.into_inner().expect("no holder panics");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    difficulty::write(dir, &Acquisition::NAMES, &entries)
}

fn write_one(plan: &PhantomPlan, split: Split, index: usize, dir: &Path) -> Result<Entry, DataError> {
    let subject = Subject::draw(plan.family, plan.side, plan.seed, split, index);
    let file = format!("{}.{}", subject.name, image_extension(&subject.image));
    write_image(&dir.join("images").join(file), &subject.image)?;
    let mask = dir.join("masks").join(format!("{}.png", subject.name));
    write_mask(&mask, &subject.truth)?;
    Ok(Entry {
        name: subject.name,
        difficulty: subject.difficulty,
        more: subject.acquisition.values().to_vec(),
    })
}

/// The text of the task's `task.toml`.
fn describe(plan: &PhantomPlan) -> String {
    let profile = plan.family.profile();
    let PhantomPlan {
        family,
        side,
        train,
        validation,
        test,
        seed,
    } = plan;
    let drawn = |count: &usize| format!("{count} subjects of their own");
    let file = TaskFile {
        format: FORMAT,
        name: family.name().to_owned(),
        description: profile.description.to_owned(),
        plane: profile.plane,
        channels: profile.channels.iter().map(|&name| name.to_owned()).collect(),
        values: profile.values.to_owned(),
        source: Source {
            description: format!("drawn by sagate (recipe {RECIPE}): phantoms, no patients"),
            command: format!(
                "sagate data phantom --family {family} --side {side} --train {train} --validation {validation} \
                 --test {test} --seed {seed}"
            ),
            files: Vec::new(),
        },
        splits: Splits {
            train: drawn(train),
            validation: drawn(validation),
            test: drawn(test),
            left_out: "nothing".to_owned(),
            position: format!("the subject's number times {SPACING}: no image is another's neighbour"),
        },
        classes: vec![Class {
            name: profile.class.to_owned(),
            colour: profile.colour,
        }],
    };
    toml::to_string(&file).expect("a task's description is plain strings and numbers")
}
