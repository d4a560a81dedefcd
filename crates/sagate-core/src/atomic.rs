//! Files that are either wholly there or not at all: written beside their place, then renamed into it.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file could not be written. What stood in its place before still stands.
#[derive(Debug, thiserror::Error)]
#[error("{path}: cannot be written: {source}; check that the folder exists and that you may write there", path = path.display())]
pub struct WriteError {
    /// The file that was to be written.
    pub path: PathBuf,
    /// What the operating system, or the writer of the contents, said.
    pub source: io::Error,
}

/// Puts `bytes` at `path`, replacing what was there.
///
/// # Errors
/// [`WriteError`]; then nothing has changed at `path` and no partial file is left.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(path, |file| file.write_all(bytes))
}

/// Puts at `path` what `contents` writes, replacing what was there. A process that is killed at any moment leaves the
/// old file or the new one; the disk is not waited for, so a machine that loses power may keep neither.
///
/// # Errors
/// [`WriteError`], also where `contents` fails; then nothing has changed at `path` and no partial file is left.
pub fn write_with(
    path: &Path,
    contents: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<(), WriteError> {
    replace(path, contents).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, contents: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "a folder of that name exists",
        ));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".partial");
    if let Some(permissions) = permissions() {
        builder.permissions(permissions);
    }
    let file = builder.tempfile_in(folder)?;
    let mut writer = BufWriter::new(file.as_file());
    contents(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.persist(path)?;
    Ok(())
}

/// What a new file usually gets (the umask takes its share), not a temporary file's privacy.
#[cfg(unix)]
fn permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn permissions() -> Option<Permissions> {
    None
}
