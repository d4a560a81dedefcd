//! Small data sets written in their published layouts.

#![allow(dead_code, reason = "every test file uses a part")]

#[path = "../nifti_file/mod.rs"]
pub mod nifti_file;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use nifti_file::NiftiFile;
use sagate_lab::data::published::{Import, Layout, Options, import};
use sagate_lab::data::{DataError, Example, Split, Task};

/// Voxels along x, y, z of every volume here.
pub const EXTENT: [usize; 3] = [7, 6, 8];

/// The slices of a volume that show the object.
pub const SHOWN: std::ops::Range<usize> = 2..6;

/// Labels 1 and 2 side by side in the slices of [`SHOWN`].
pub fn label([x, y, z]: [usize; 3]) -> i16 {
    match (SHOWN.contains(&z) && (1..4).contains(&y), x) {
        (true, 2) => 1,
        (true, 3) => 2,
        _ => 0,
    }
}

/// Writes a volume of int16, gzipped where the name says so; with more than one channel it has four dimensions.
pub fn volume(path: &Path, channels: usize, value: impl Fn(usize, [usize; 3]) -> i16) {
    write(path, &file(channels, value));
}

/// A volume whose header says that x runs from right to left.
pub fn flipped(path: &Path, value: impl Fn(usize, [usize; 3]) -> i16) {
    let mut file = file(1, value);
    file.sform = [[-1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    write(path, &file);
}

fn file(channels: usize, value: impl Fn(usize, [usize; 3]) -> i16) -> NiftiFile {
    let [nx, ny, nz] = EXTENT;
    let mut data = Vec::new();
    for channel in 0..channels {
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    data.extend(value(channel, [x, y, z]).to_le_bytes());
                }
            }
        }
    }
    let mut extent = EXTENT.map(|side| side as i16).to_vec();
    if channels > 1 {
        extent.push(channels as i16);
    }
    NiftiFile::new(&extent, 4, 16, data).oriented()
}

fn write(path: &Path, file: &NiftiFile) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut packed = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
        packed.write_all(&file.bytes()).unwrap();
        packed.finish().unwrap();
    } else {
        fs::write(path, file.bytes()).unwrap();
    }
}

/// Imports with these options into `place/task`.
pub fn imported(layout: Layout, root: &Path, place: &Path, options: Options) -> Result<Task, DataError> {
    let what = Import {
        layout,
        root: root.to_owned(),
        options,
    };
    import(&what, &place.join("task"), true, &mut |_, _| ())
}

/// What an import that fails says; nothing may be left behind.
pub fn refused(layout: Layout, root: &Path, options: Options) -> String {
    let place = tempfile::tempdir().unwrap();
    let error = imported(layout, root, place.path(), options).unwrap_err();
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        0,
        "nothing is left behind after: {error}"
    );
    error.to_string()
}

/// The subjects of a split: the names of its images without their positions.
pub fn subjects(examples: &[Example]) -> BTreeSet<String> {
    let subject = |example: &Example| example.name.rsplit_once('-').unwrap().0.to_owned();
    examples.iter().map(subject).collect()
}

/// All splits, after checking what every import promises: no subject in two of them, one position each, positions of
/// different subjects further apart than any corruption reaches.
pub fn splits(task: &Task) -> [Vec<Example>; 3] {
    let splits = Split::ALL.map(|split| task.split(split).unwrap());
    let mut seen = BTreeSet::new();
    for split in &splits {
        for subject in subjects(split) {
            assert!(seen.insert(subject.clone()), "{subject} is in two splits");
        }
    }
    let mut slices: Vec<(usize, String)> = splits
        .iter()
        .flatten()
        .map(|example| {
            let subject = example.name.rsplit_once('-').unwrap().0;
            (example.position, subject.to_owned())
        })
        .collect();
    slices.sort();
    for pair in slices.windows(2) {
        let distance = pair[1].0 - pair[0].0;
        assert!(distance > 0, "two slices at one position: {pair:?}");
        if pair[0].1 != pair[1].1 {
            assert!(distance > sagate_lab::data::published::GAP, "{pair:?}");
        }
    }
    splits
}
