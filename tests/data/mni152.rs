//! `sagate data mni152` on a tiny head written here: it must look like the slices of t1-brain, and be a data set by itself.

use sagate_lab::data::folder;
use sagate_lab::data::t1::{MNI152_FILE, MNI152_SCALE, VALUE_SCALE, build_mni152};

use crate::t1_volume::write_u8;

const EXTENT: [usize; 3] = [41, 60, 40];

fn signal([x, y, z]: [usize; 3]) -> u8 {
    let inside = (5..36).contains(&x) && (5..55).contains(&y) && (4..36).contains(&z);
    u8::from(inside) * (20 + y + 2 * z) as u8
}

#[test]
fn a_second_head_lies_and_shines_as_the_first() {
    let place = tempfile::tempdir().unwrap();
    write_u8(&place.path().join(MNI152_FILE), EXTENT, signal);
    let out = place.path().join("tasks");
    let made = build_mni152(place.path(), &out, false).unwrap();
    assert!(made.written);
    let examples = folder(&made.dir).unwrap();
    // Middle at x = 20, five slices beside it left out, the brain reaches 15 to the right.
    let positions: Vec<usize> = examples.iter().map(|example| example.position).collect();
    assert_eq!(positions, (6..=15).collect::<Vec<_>>());
    let [_, ny, nz] = EXTENT;
    for example in &examples {
        let truth = example.truth.as_ref().unwrap();
        assert_eq!(example.image.pixels.dim(), (1, nz, ny));
        for ((_, row, column), &v) in example.image.pixels.indexed_iter() {
            let there = signal([20 + example.position, ny - 1 - column, nz - 1 - row]);
            assert_eq!(v, f32::from(there) * MNI152_SCALE * VALUE_SCALE);
            assert_eq!(truth[[row, column]], u8::from(there > 0));
        }
    }
}

#[test]
fn it_is_made_once_and_a_missing_template_comes_with_advice() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(MNI152_FILE);
    let out = place.path().join("tasks");
    let said = build_mni152(&file, &out, false).unwrap_err().to_string();
    assert!(
        said.contains(MNI152_FILE) && said.contains("make nilearn"),
        "{said}"
    );
    write_u8(&file, EXTENT, signal);
    assert!(build_mni152(&file, &out, false).unwrap().written);
    assert!(!build_mni152(&file, &out, false).unwrap().written);
    write_u8(&file, EXTENT, |at| signal(at) / 2);
    let said = build_mni152(&file, &out, false).unwrap_err().to_string();
    assert!(said.contains("--force"), "{said}");
    assert!(build_mni152(&file, &out, true).unwrap().written);
    write_u8(&file, EXTENT, |_| 0);
    let said = build_mni152(&file, &out, true).unwrap_err().to_string();
    assert!(said.contains("500 pixels"), "{said}");
}
