//! Writing of a plan as a task folder, one case after the other.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use sagate_core::imaging::preprocess::{self, Step};
use sagate_core::imaging::{Image, Plane};

use super::case::Loaded;
use super::plan::{Case, Part, Place, Plan};
use super::{Empty, Import, Options};
use crate::data::files::replace_folder;
use crate::data::task::FORMAT;
use crate::data::{
    Class, DataError, Source, Split, Splits, Task, TaskFile, image_extension, write_image, write_mask,
};

/// Unused positions between two volumes: more than the reach of any corruption.
pub const GAP: usize = 16;

/// The colour of the object in pictures.
const COLOUR: [u8; 3] = [0, 158, 115];

/// Writes a plan as the task folder `out`.
pub(super) fn write(
    plan: &Plan,
    what: &Import,
    out: &Path,
    force: bool,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Task, DataError> {
    let parts = [&plan.train, &plan.validation, &plan.test];
    let total = parts.iter().map(|part| part.cases.len() as u64).sum();
    replace_folder(out, force, |fresh| {
        let mut writer = Writer {
            plan,
            options: &what.options,
            next: 0,
            last: 0,
        };
        let mut done = 0;
        let mut counts = [SplitCounts::default(); 3];
        progress(done, total);
        for ((split, part), counts) in Split::ALL.into_iter().zip(parts).zip(&mut counts) {
            let folders = Folders::create(&fresh.join(split.name()))?;
            for case in &part.cases {
                writer.case(case, &folders, counts)?;
                done += 1;
                progress(done, total);
            }
            if counts.written == 0 {
                return Err(DataError::NoObject {
                    path: what.root.clone(),
                    split: split.name(),
                    object: plan.object.words(),
                });
            }
        }
        let text = toml::to_string(&describe(plan, what, &counts))
            .expect("a task's description is plain strings and numbers");
        let file = fresh.join("task.toml");
        std::fs::write(&file, text).map_err(DataError::io("write", &file))
    })?;
    Task::open(out)
}

/// The two folders of a split.
struct Folders {
    images: PathBuf,
    masks: PathBuf,
}

impl Folders {
    fn create(split: &Path) -> Result<Self, DataError> {
        let folders = Self {
            images: split.join("images"),
            masks: split.join("masks"),
        };
        for folder in [&folders.images, &folders.masks] {
            std::fs::create_dir_all(folder).map_err(DataError::io("create the folder", folder))?;
        }
        Ok(folders)
    }
}

/// Counts of a split's slices.
#[derive(Debug, Clone, Copy, Default)]
struct SplitCounts {
    written: usize,
    empty: usize,
}

struct Writer<'a> {
    plan: &'a Plan,
    options: &'a Options,
    /// The first free position for an unrelated case.
    next: usize,
    /// The position at which the last case began.
    last: usize,
}

impl Writer<'_> {
    fn case(&mut self, case: &Case, folders: &Folders, counts: &mut SplitCounts) -> Result<(), DataError> {
        let loaded = Loaded::read(case, &self.plan.object, self.plan.plane.unwrap_or(Plane::Axial))?;
        let (start, step) = match case.place {
            Place::Stack => (self.next, 1),
            Place::Apart => (self.next, 1 + GAP),
            Place::Follows(steps) => (self.last + steps, 1),
        };
        let drop = self.options.empty == Empty::Drop;
        for index in 0..loaded.slices() {
            // A slice without object gains none by resampling, and most slices of most volumes have none.
            if drop && !holds_object(&loaded.truth(index)) {
                counts.empty += 1;
                continue;
            }
            let (image, truth) = sized(&loaded, index, self.options.side)?;
            if !holds_object(&truth) {
                counts.empty += 1;
                if drop {
                    continue;
                }
            }
            let name = format!("{}-{:06}", case.name, start + index * step);
            let file = format!("{name}.{}", image_extension(&image));
            write_image(&folders.images.join(file), &image)?;
            write_mask(&folders.masks.join(format!("{name}.png")), &truth)?;
            counts.written += 1;
        }
        self.last = start;
        self.next = start + loaded.slices() * step + GAP;
        Ok(())
    }
}

/// A slice with its truth, resampled where a side is asked for.
fn sized(loaded: &Loaded, index: usize, side: Option<usize>) -> Result<(Image, Array2<u8>), DataError> {
    let (image, truth) = (loaded.image(index), loaded.truth(index));
    let Some(side) = side else {
        return Ok((image, truth));
    };
    let prepared = preprocess::prepare(image, &[Step::ResampleTo { size: [side, side] }])?;
    let truth = prepared.prepare_labels(&truth)?;
    let image = Image::new(prepared.pixels, prepared.spacing);
    Ok((image, truth))
}

fn holds_object(truth: &Array2<u8>) -> bool {
    truth.iter().any(|&label| label != 0)
}

fn describe(plan: &Plan, what: &Import, counts: &[SplitCounts; 3]) -> TaskFile {
    let words = |part: &Part, counts: &SplitCounts| {
        let (cases, written) = (part.cases.len(), counts.written);
        format!(
            "{}; {written} slices out of {cases} volume(s) or picture(s)",
            part.words
        )
    };
    let [train, validation, test] = counts;
    let empty: usize = counts.iter().map(|counts| counts.empty).sum();
    let size = match what.options.side {
        None => "sizes as in the source".to_owned(),
        Some(side) => {
            format!("resampled to {side} x {side} pixels (images linearly, masks to the nearest label)")
        }
    };
    TaskFile {
        format: FORMAT,
        name: plan.name.clone(),
        description: plan.description.clone(),
        plane: plan.plane,
        channels: plan.channels.clone(),
        values: format!("16 bits, rounded and held to 0..65535; {}; {size}", plan.values),
        source: Source {
            description: plan.source.clone(),
            command: command(what),
            files: plan.files.clone(),
        },
        splits: Splits {
            train: words(&plan.train, train),
            validation: words(&plan.validation, validation),
            test: words(&plan.test, test),
            left_out: match what.options.empty {
                Empty::Drop => format!("{empty} slices that show nothing of the object"),
                Empty::Keep => format!("nothing; {empty} slices show nothing of the object"),
            },
            position: format!(
                "slices, running on within a volume; at least {GAP} positions lie free between volumes"
            ),
        },
        classes: vec![Class {
            name: plan.class.clone(),
            colour: COLOUR,
        }],
    }
}

/// The command that makes the task, but for the folders.
fn command(what: &Import) -> String {
    let Options {
        side,
        seed,
        validation,
        test,
        empty,
        object,
    } = &what.options;
    let mut command = format!("sagate data import {} --seed {seed}", what.layout.name());
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            command.push_str(&format!(" --{flag} {value}"));
        }
    };
    add("side", side.map(|side| side.to_string()));
    add("validation", validation.map(|share| share.to_string()));
    add("test", test.map(|share| share.to_string()));
    add("empty", (*empty == Empty::Keep).then(|| "keep".to_owned()));
    let labels = |labels: &Vec<u16>| labels.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
    add("object", object.as_ref().map(labels));
    command
}
