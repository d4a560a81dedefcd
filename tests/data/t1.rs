//! `sagate data t1` on tiny volumes written here: which slice goes where, what it shows, what is refused.

use std::path::{Path, PathBuf};

use sagate_lab::data::t1::{BLOCK, BLOCKS, Templates, VALIDATION_BLOCK, VALUE_SCALE, build};
use sagate_lab::data::{DataError, Split, Task, folder};

use crate::t1_volume::write_u8;

/// The human grid: wide enough for the bands, tall enough for the least number of object pixels.
const HUMAN: [usize; 3] = [61, 60, 40];
/// The macaque's grid: half as large.
const MACAQUE: [usize; 3] = [30, 30, 20];

/// The signal of the head: tells x, y and z apart, and left from right.
fn signal([x, y, z]: [usize; 3]) -> u8 {
    (10 + x + 2 * y + z) as u8
}

fn in_brain([x, y, z]: [usize; 3]) -> bool {
    (4..57).contains(&x) && (5..55).contains(&y) && (4..36).contains(&z)
}

/// A putamen on each side, of 10 x 20 x 15 voxels.
fn nucleus([x, y, z]: [usize; 3]) -> u8 {
    let inside = (20..40).contains(&y) && (10..25).contains(&z);
    match (inside, x) {
        (true, 15..25) => 73,
        (true, 36..46) => 74,
        // Something that is no deep grey nucleus.
        (false, 8..12) => 1,
        _ => 0,
    }
}

fn templates(dir: &Path) -> Templates {
    let file = |name: &str| dir.join(name);
    let templates = Templates {
        ch2: file("ch2.nii.gz"),
        ch2bet: file("ch2bet.nii.gz"),
        aal: file("aal.nii.gz"),
        inia19: file("inia19-t1-brain.nii.gz"),
        neuromaps: Some(file("inia19-NeuroMaps.nii.gz")),
    };
    write_u8(&templates.ch2, HUMAN, signal);
    write_u8(&templates.ch2bet, HUMAN, |at| {
        if in_brain(at) { signal(at) } else { 0 }
    });
    write_u8(&templates.aal, HUMAN, nucleus);
    write_u8(&templates.inia19, MACAQUE, |[x, y, z]| {
        u8::from((1..29).contains(&x) && (2..27).contains(&y) && (2..18).contains(&z)) * 100
    });
    // 82 is the left caudate nucleus; the human one's place, at half the size.
    write_u8(&file("inia19-NeuroMaps.nii.gz"), MACAQUE, |[x, y, z]| {
        u8::from((18..23).contains(&x) && (10..20).contains(&y) && (5..13).contains(&z)) * 82
    });
    templates
}

fn made() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("tasks");
    build(&templates(place.path()), &out, false).unwrap();
    (place, out)
}

#[test]
fn sagittal_slices_are_split_by_hemisphere_and_block() {
    let (_place, out) = made();
    let task = Task::open(&out.join("t1-brain")).unwrap();
    let train = task.split(Split::Train).unwrap();
    let validation = task.split(Split::Validation).unwrap();
    let test = task.split(Split::Test).unwrap();
    // Middle at x = 30; 5 slices on each side of it left out; the brain reaches 26 to the left and to the right.
    let positions: Vec<usize> = test.iter().map(|example| example.position).collect();
    assert_eq!(positions, (6..=26).collect::<Vec<_>>());
    let mut left: Vec<usize> = train
        .iter()
        .chain(&validation)
        .map(|example| example.position)
        .collect();
    left.sort_unstable();
    assert_eq!(left, positions);
    for example in &validation {
        assert_eq!((example.position - 6) / BLOCK % BLOCKS, VALIDATION_BLOCK);
    }
    assert_eq!(validation.len(), BLOCK);
}

#[test]
fn sagittal_slices_run_from_top_to_bottom_and_front_to_back() {
    let (_place, out) = made();
    let task = Task::open(&out.join("t1-brain")).unwrap();
    let [nx, ny, nz] = HUMAN;
    for (split, sign) in [(Split::Train, -1_i64), (Split::Test, 1)] {
        for example in task.split(split).unwrap() {
            let x = ((nx as i64 - 1) / 2 + sign * example.position as i64) as usize;
            let truth = example.truth.unwrap();
            assert_eq!(example.image.pixels.dim(), (1, nz, ny));
            for ((_, row, column), &v) in example.image.pixels.indexed_iter() {
                let at = [x, ny - 1 - column, nz - 1 - row];
                assert_eq!(v, f32::from(signal(at)) * VALUE_SCALE);
                assert_eq!(truth[[row, column]], u8::from(in_brain(at)));
            }
        }
    }
}

#[test]
fn coronal_halves_are_mirrored_and_leave_out_the_middle() {
    let (_place, out) = made();
    let task = Task::open(&out.join("t1-nuclei")).unwrap();
    let [nx, _, nz] = HUMAN;
    for split in [Split::Train, Split::Test] {
        for example in task.split(split).unwrap() {
            assert!((20..40).contains(&example.position));
            // Middle at x = 30, two columns on each side of it left out.
            assert_eq!(example.image.pixels.dim(), (1, nz, 28));
            let truth = example.truth.unwrap();
            for ((_, row, column), &v) in example.image.pixels.indexed_iter() {
                let x = if split == Split::Test {
                    nx - 1 - column
                } else {
                    column
                };
                let at = [x, example.position, nz - 1 - row];
                assert_eq!(v, f32::from(signal(at)) * VALUE_SCALE);
                assert_eq!(truth[[row, column]], u8::from(matches!(nucleus(at), 73 | 74)));
            }
        }
    }
}

#[test]
fn the_macaque_is_as_long_as_the_human_and_lies_in_its_place() {
    let (_place, out) = made();
    for (name, plane_rows) in [("t1-brain", HUMAN[2]), ("t1-nuclei", HUMAN[2])] {
        let task = Task::open(&out.join(name)).unwrap();
        let test: Vec<usize> = task
            .split(Split::Test)
            .unwrap()
            .iter()
            .map(|example| example.position)
            .collect();
        let other = task.other().unwrap();
        assert!(!other.is_empty());
        for example in &other {
            assert!(test.contains(&example.position));
            assert_eq!(example.image.pixels.dim().1, plane_rows);
            assert!(
                example
                    .truth
                    .as_ref()
                    .is_some_and(|truth| truth.iter().any(|&label| label == 1))
            );
        }
    }
    let other = Task::open(&out.join("t1-brain")).unwrap().other().unwrap();
    let truth = other[0].truth.as_ref().unwrap();
    let columns: Vec<usize> = (0..HUMAN[1])
        .filter(|&column| truth.column(column).iter().any(|&v| v != 0))
        .collect();
    // The human brain lies at y = 5..=54, so at columns 5..=54 from the front; interpolation may reach a voxel further.
    assert!((4..=5).contains(columns.first().unwrap()), "{columns:?}");
    assert!((54..=55).contains(columns.last().unwrap()), "{columns:?}");
}

#[test]
fn a_second_making_changes_nothing_and_another_one_needs_force() {
    let (place, out) = made();
    let templates = templates(place.path());
    let marker = out.join("t1-brain/train/marker");
    std::fs::write(&marker, "").unwrap();
    let again = build(&templates, &out, false).unwrap();
    assert!(again.iter().all(|made| !made.written));
    assert!(marker.exists());

    write_u8(&templates.ch2, HUMAN, |_| 7);
    let error = build(&templates, &out, false).unwrap_err();
    assert!(matches!(error, DataError::Exists { .. }), "{error}");
    assert!(error.to_string().contains("--force"), "{error}");
    assert!(marker.exists());

    let forced = build(&templates, &out, true).unwrap();
    assert!(forced.iter().all(|made| made.written));
    assert!(!marker.exists());
    let left: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "nothing but the two tasks: {left:?}");
}

#[test]
fn without_the_macaques_atlas_its_nuclei_have_no_truth() {
    let place = tempfile::tempdir().unwrap();
    let mut templates = templates(place.path());
    templates.neuromaps = None;
    let out = place.path().join("tasks");
    build(&templates, &out, false).unwrap();
    assert!(
        folder(&out.join("t1-nuclei/other"))
            .unwrap()
            .iter()
            .all(|example| example.truth.is_none())
    );
    assert!(
        folder(&out.join("t1-brain/other"))
            .unwrap()
            .iter()
            .all(|example| example.truth.is_some())
    );
}

#[test]
fn wrong_volumes_are_named_and_leave_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let good = templates(place.path());
    let out = place.path().join("tasks");

    let mut missing = good.clone();
    missing.aal = place.path().join("nowhere.nii.gz");
    let message = build(&missing, &out, false).unwrap_err().to_string();
    assert!(
        message.contains("nowhere.nii.gz") && message.contains("--aal"),
        "{message}"
    );

    write_u8(&good.aal, MACAQUE, |_| 0);
    let message = build(&good, &out, false).unwrap_err().to_string();
    assert!(
        message.contains("aal.nii.gz") && message.contains("[30, 30, 20]"),
        "{message}"
    );

    write_u8(&good.aal, HUMAN, |_| 0);
    let message = build(&good, &out, false).unwrap_err().to_string();
    assert!(
        message.contains("t1-nuclei") && message.contains("100 pixels"),
        "{message}"
    );
    assert!(!out.join("t1-nuclei").exists());

    write_u8(&good.ch2bet, HUMAN, |_| 0);
    let message = build(&good, &out, false).unwrap_err().to_string();
    assert!(message.contains("ch2bet.nii.gz"), "{message}");
}
