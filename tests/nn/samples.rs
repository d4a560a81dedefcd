//! The sample images of the bundled models.

use std::path::{Path, PathBuf};

use sagate_core::imaging::{self, Format, Image, Limits, Picture};

/// A path in the repository.
pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The images of a task, in the order of their names.
pub fn samples(task: &str) -> Vec<Image> {
    let folder = std::fs::read_dir(here(&format!("samples/{task}/images"))).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        match imaging::decode(&bytes, Format::Png, "sample", &Limits::default()).unwrap() {
            Picture::Image(image) => image,
            Picture::Volume(_) => panic!("{}: a volume", path.display()),
        }
    };
    files.iter().map(read).collect()
}
