//! Files are written whole or not at all.
//!
//! What would break: a run that is killed or fails leaves half a file under a good name, and the next step reads it.

use std::fs;
use std::io::{self, Write};

use sagate_core::atomic;

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_appears_whole_and_replaces_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mask.png");
    atomic::write(&path, b"first").expect("written");
    atomic::write(&path, b"second").expect("written again");
    assert_eq!(fs::read(&path).expect("read"), b"second");
    assert_eq!(names(folder.path()), ["mask.png"]);
}

#[test]
fn a_writer_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights");
    atomic::write(&path, b"old").expect("written");
    let error = atomic::write_with(&path, |file| {
        file.write_all(&vec![1; 100_000])?;
        Err(io::Error::other("the source broke off"))
    });
    let message = error.expect_err("the writer's own error").to_string();
    assert!(
        message.contains("weights") && message.contains("the source broke off"),
        "{message}"
    );
    assert_eq!(fs::read(&path).expect("read"), b"old");
    assert_eq!(names(folder.path()), ["weights"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = folder.path().join("absent").join("mask.png");
    let error = atomic::write(&absent, b"x").expect_err("no such folder");
    assert_eq!(error.path, absent);
    assert!(error.to_string().contains("absent"), "{error}");
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).expect("a folder");
    let error = atomic::write(&taken, b"x").expect_err("a folder is there");
    assert!(
        error.to_string().contains("a folder of that name exists"),
        "{error}"
    );
    assert!(taken.is_dir());
    assert!(atomic::write(std::path::Path::new("/"), b"x").is_err());
    assert_eq!(names(folder.path()), ["taken"]);
}

#[cfg(unix)]
#[test]
fn others_may_read_a_file_as_far_as_the_umask_lets_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, written) = (folder.path().join("plain"), folder.path().join("written"));
    fs::write(&plain, b"x").expect("a file");
    atomic::write(&written, b"x").expect("written");
    let mode = |path| fs::metadata(path).expect("a file").permissions().mode();
    assert_eq!(mode(&written), mode(&plain));
}
