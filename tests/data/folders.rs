//! Task folders and plain folders: what is read, and what is refused with the file's name.

use std::fs;
use std::path::Path;

use ndarray::{Array2, Array3};
use sagate_core::imaging::Image;
use sagate_lab::data::{
    Corruption, CorruptionKind, Severity, Split, Task, corruption, file, folder, image_extension, samples,
    write_image, write_mask,
};

use crate::published_tree::nifti_file::NiftiFile;

fn picture(path: &Path, height: usize, width: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixels = Array3::from_shape_fn((1, height, width), |(_, row, column)| {
        (row * 1000 + column * 7) as f32
    });
    write_image(path, &Image::new(pixels, [1.0, 1.0])).unwrap();
}

fn mask(path: &Path, height: usize, width: usize, label: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let labels = Array2::from_shape_fn((height, width), |(row, _)| if row == 0 { label } else { 0 });
    write_mask(path, &labels).unwrap();
}

/// A whole task of ten slices a split.
fn task(dir: &Path) {
    for split in ["train", "validation", "test", "other"] {
        for position in 0..10 {
            let name = format!("sagittal-{position:03}.png");
            picture(&dir.join(split).join("images").join(&name), 12, 9);
            mask(&dir.join(split).join("masks").join(&name), 12, 9, 1);
        }
    }
    let text = r#"
        format = 1
        name = "t1-brain"
        description = "d"
        plane = "sagittal"
        channels = ["T1"]
        values = "v"
        [source]
        description = "d"
        command = "c"
        files = []
        [splits]
        train = "a"
        validation = "b"
        test = "c"
        left_out = "d"
        position = "e"
        [[classes]]
        name = "brain"
        colour = [0, 158, 115]
    "#;
    fs::write(dir.join("task.toml"), text).unwrap();
}

fn refused(dir: &Path) -> String {
    folder(dir).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_back() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a-007.png");
    picture(&path, 5, 3);
    let read = file(&path).unwrap();
    assert_eq!((read.name.as_str(), read.position), ("a-007", 7));
    assert_eq!(read.image.pixels[[0, 4, 2]], 4014.0);
    // Beyond 16 bits is held, between two values is rounded.
    let pixels = Array3::from_shape_vec((1, 1, 3), vec![-5.0, 1.6, 70000.0]).unwrap();
    write_image(&path, &Image::new(pixels, [1.0, 1.0])).unwrap();
    let read = file(&path).unwrap().image.pixels;
    assert_eq!(read.iter().copied().collect::<Vec<_>>(), [0.0, 2.0, 65535.0]);
}

#[test]
fn channels_that_png_cannot_hold_are_kept_in_npy() {
    let place = tempfile::tempdir().unwrap();
    for channels in 1..=5 {
        let pixels = Array3::from_shape_fn((channels, 3, 5), |(channel, row, column)| {
            (9000 * channel + 100 * row + column) as f32
        });
        let image = Image::new(pixels, [1.0, 1.0]);
        let extension = image_extension(&image);
        assert_eq!(extension == "npy", ![1, 3].contains(&channels));
        let path = place.path().join(format!("{channels}.{extension}"));
        write_image(&path, &image).unwrap();
        assert_eq!(file(&path).unwrap().image, image);
        if extension == "npy" {
            // Two bytes a value after a header that ends on a multiple of 64, as NumPy has it.
            assert_eq!(fs::metadata(&path).unwrap().len(), 128 + 30 * channels as u64);
            let message = write_image(&path.with_extension("png"), &image)
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("number of channels") && message.contains(".npy"),
                "{message}"
            );
        }
    }
}

#[test]
fn a_plain_folder_comes_in_the_order_of_positions_or_else_of_names() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for name in ["x-10.png", "x-9.png", ".hidden.png"] {
        picture(&dir.join(name), 4, 4);
    }
    fs::write(dir.join("notes.txt"), "no image").unwrap();
    let names = |dir: &Path| -> Vec<(String, usize)> {
        folder(dir)
            .unwrap()
            .into_iter()
            .map(|example| (example.name, example.position))
            .collect()
    };
    assert_eq!(names(dir), [("x-9".to_owned(), 9), ("x-10".to_owned(), 10)]);
    picture(&dir.join("y.png"), 4, 4);
    assert_eq!(
        names(dir),
        [("x-10".to_owned(), 0), ("x-9".to_owned(), 1), ("y".to_owned(), 2)]
    );
    assert!(folder(dir).unwrap().iter().all(|example| example.truth.is_none()));
}

#[test]
fn wrong_folders_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    assert!(refused(&dir.join("nowhere")).contains("is not a folder"));
    assert!(refused(dir).contains("holds no image"));

    picture(&dir.join("a.png"), 4, 6);
    mask(&dir.join("masks/a.png"), 4, 5, 1);
    let message = refused(dir);
    assert!(
        message.contains("masks/a.png") && message.contains("4 x 5") && message.contains("4 x 6"),
        "{message}"
    );

    mask(&dir.join("masks/a.png"), 4, 6, 1);
    assert_eq!(folder(dir).unwrap()[0].truth.as_ref().unwrap().sum(), 6);

    picture(&dir.join("b.png"), 4, 6);
    let message = refused(dir);
    assert!(
        message.contains("b.png") && message.contains("no mask"),
        "{message}"
    );
    fs::remove_file(dir.join("b.png")).unwrap();

    mask(&dir.join("masks/c.png"), 4, 6, 1);
    let message = refused(dir);
    assert!(
        message.contains("c.png") && message.contains("no image"),
        "{message}"
    );
    fs::remove_file(dir.join("masks/c.png")).unwrap();

    picture(&dir.join("a.npy"), 4, 6);
    assert!(refused(dir).contains("another image has the name 'a'"));
    fs::remove_file(dir.join("a.npy")).unwrap();

    fs::write(dir.join("a.png"), b"\x89PNG\r\n\x1a\nand no more").unwrap();
    assert!(refused(dir).contains("a.png"));
}

#[test]
fn a_task_gives_its_splits() {
    let place = tempfile::tempdir().unwrap();
    task(place.path());
    let task = Task::open(place.path()).unwrap();
    assert_eq!(
        (
            task.name(),
            task.channels().len(),
            task.classes()[0].name.as_str()
        ),
        ("t1-brain", 1, "brain")
    );
    for split in Split::ALL {
        let examples = task.split(split).unwrap();
        assert_eq!(
            examples
                .iter()
                .map(|example| example.position)
                .collect::<Vec<_>>(),
            (0..10).collect::<Vec<_>>()
        );
    }
    assert_eq!(task.other().unwrap().len(), 10);
    fs::remove_dir_all(place.path().join("other")).unwrap();
    assert!(task.other().unwrap().is_empty());
}

#[test]
fn wrong_tasks_are_refused_by_file_and_field() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    task(dir);
    let path = dir.join("task.toml");
    let right = fs::read_to_string(&path).unwrap();
    for (from, to, said) in [
        ("format = 1", "format = 2", "format is 2"),
        ("name = \"t1-brain\"", "name = 3", "name"),
        ("values = \"v\"", "values = \"v\"\nvalue = 1", "value"),
        ("channels = [\"T1\"]", "channels = []", "channels is empty"),
        ("sagittal", "oblique", "plane"),
    ] {
        fs::write(&path, right.replace(from, to)).unwrap();
        let message = Task::open(dir).unwrap_err().to_string();
        assert!(
            message.contains("task.toml") && message.contains(said),
            "{message}"
        );
    }
    fs::write(&path, &right).unwrap();

    let task = Task::open(dir).unwrap();
    mask(&dir.join("test/masks/sagittal-003.png"), 12, 9, 2);
    let message = task.split(Split::Test).unwrap_err().to_string();
    assert!(
        message.contains("sagittal-003") && message.contains("label 2"),
        "{message}"
    );

    fs::remove_dir_all(dir.join("train/masks")).unwrap();
    let message = task.split(Split::Train).unwrap_err().to_string();
    assert!(
        message.contains("sagittal-000") && message.contains("no mask"),
        "{message}"
    );

    fs::rename(
        dir.join("validation/images/sagittal-003.png"),
        dir.join("validation/images/x.png"),
    )
    .unwrap();
    fs::rename(
        dir.join("validation/masks/sagittal-003.png"),
        dir.join("validation/masks/x.png"),
    )
    .unwrap();
    let message = task.split(Split::Validation).unwrap_err().to_string();
    assert!(
        message.contains("'x'") && message.contains("position"),
        "{message}"
    );

    fs::remove_dir_all(dir.join("test")).unwrap();
    assert!(Task::open(dir).unwrap_err().to_string().contains("test"));
}

#[test]
fn corrupted_copies_are_a_folder_again() {
    let place = tempfile::tempdir().unwrap();
    task(place.path());
    let (split, out) = (place.path().join("test"), place.path().join("corrupted"));
    let stack = folder(&split).unwrap();
    let corruption = Corruption {
        kind: CorruptionKind::WrongOrientation,
        severity: Severity::Moderate,
        seed: 1,
    };
    let mut count = 0;
    corruption::write_copies(&corruption, &stack, &[], &out, false, || count += 1).unwrap();
    assert_eq!(count, 10);
    let copies = folder(&out).unwrap();
    assert_eq!(copies.len(), 10);
    assert_eq!(copies[0].image.pixels.dim(), (1, 9, 12));
    assert_eq!(copies[0].truth.as_ref().unwrap().dim(), (9, 12));

    let again = corruption::write_copies(&corruption, &stack, &[], &out, false, || ());
    assert!(again.unwrap_err().to_string().contains("--force"));
    // One that fails leaves what was there.
    let species = Corruption {
        kind: CorruptionKind::OtherSpecies,
        ..corruption
    };
    assert!(corruption::write_copies(&species, &stack, &[], &out, true, || ()).is_err());
    assert_eq!(folder(&out).unwrap().len(), 10);
    corruption::write_copies(&corruption, &stack, &[], &out, true, || ()).unwrap();
}

#[test]
fn samples_are_listed_with_what_was_done_to_them() {
    let place = tempfile::tempdir().unwrap();
    for name in ["t1-brain", "t1-nuclei"] {
        let dir = place.path().join("tasks").join(name);
        task(&dir);
        let path = dir.join("task.toml");
        let text = fs::read_to_string(&path).unwrap().replace("t1-brain", name);
        fs::write(path, text).unwrap();
    }
    let out = place.path().join("samples");
    let written = samples::write(&place.path().join("tasks"), &out, false).unwrap();
    assert_eq!(written.len(), 4 * samples::SLICES);
    assert_eq!(samples::read(&out).unwrap(), written);
    assert_eq!(
        written
            .iter()
            .filter(|sample| sample.corruption.is_some())
            .count(),
        2 * samples::SLICES
    );
    assert_eq!(folder(&out.join("t1-nuclei")).unwrap().len(), 2 * samples::SLICES);

    fs::remove_file(out.join(&written[3].file)).unwrap();
    let message = samples::read(&out).unwrap_err().to_string();
    assert!(
        message.contains("samples.toml") && message.contains(written[3].file.to_str().unwrap()),
        "{message}"
    );
}

#[test]
fn the_committed_samples_are_whole() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let listed = samples::read(&dir).unwrap();
    assert_eq!(listed.len(), 4 * samples::SLICES);
    for task in ["t1-brain", "t1-nuclei"] {
        let examples = folder(&dir.join(task)).unwrap();
        assert_eq!(examples.len(), 2 * samples::SLICES);
        assert!(examples.iter().all(|example| example.truth.is_some()));
    }
}

/// Of two NIfTI files of one size, one may lie elsewhere in the patient: then they are no pair.
#[test]
fn a_mask_that_lies_elsewhere_than_its_image_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (images, masks) = (place.path().join("images"), place.path().join("masks"));
    fs::create_dir_all(&images).unwrap();
    fs::create_dir_all(&masks).unwrap();
    let slice = |offset: f32| {
        let mut file = NiftiFile::new(&[4, 3], 2, 8, vec![1; 12]).oriented();
        file.sform[2] = [0.0, 0.0, 1.0, offset];
        file
    };
    fs::write(images.join("slice-001.nii"), slice(5.0).bytes()).unwrap();
    fs::write(masks.join("slice-001.nii"), slice(5.0).bytes()).unwrap();
    assert_eq!(folder(place.path()).unwrap().len(), 1);
    fs::write(masks.join("slice-001.nii"), slice(6.0).bytes()).unwrap();
    let said = refused(place.path());
    assert!(said.contains("masks/slice-001.nii: by its header"), "{said}");
    assert!(said.contains("1.000 mm from its image"), "{said}");
    fs::write(
        masks.join("slice-001.nii"),
        NiftiFile::new(&[4, 3], 2, 8, vec![1; 12]).bytes(),
    )
    .unwrap();
    let said = refused(place.path());
    assert!(
        said.contains("masks/slice-001.nii: orientation is missing"),
        "{said}"
    );
}

/// A pair of header and voxels is one image, under the name of its header.
#[test]
fn a_nifti_pair_is_one_image_of_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let mut file = NiftiFile::counting(&[4, 3]).oriented();
    (file.magic, file.vox_offset) = (*b"ni1\0", 0.0);
    fs::write(place.path().join("slice-007.hdr"), &file.bytes()[..348]).unwrap();
    fs::write(place.path().join("slice-007.img"), &file.data).unwrap();
    let examples = folder(place.path()).unwrap();
    assert_eq!(examples.len(), 1);
    assert_eq!(
        (examples[0].name.as_str(), examples[0].position),
        ("slice-007", 7)
    );
    assert_eq!(examples[0].image.pixels.dim(), (1, 3, 4));
}
