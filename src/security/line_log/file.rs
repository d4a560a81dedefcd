//! The log file: rotated by size, reopened on request, and retried while it cannot be written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Destination;

/// Minimum time between reports of lost lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

pub(super) struct Log {
    destination: Destination,
    /// `None`: not open; each line tries to open it.
    file: Option<File>,
    bytes: u64,
    /// Whether it is a regular file, which can be rotated, and not a pipe or terminal like /dev/stdout.
    regular: bool,
    /// Whether the last line was written partially.
    torn: bool,
    lost: u64,
    last_report: Option<Instant>,
}

impl Log {
    pub fn open(destination: Destination) -> io::Result<Log> {
        let (file, bytes, regular) = append(&destination.path)?;
        Ok(Log {
            destination,
            file: Some(file),
            bytes,
            regular,
            torn: false,
            lost: 0,
            last_report: None,
        })
    }

    /// Closes the file; the next line opens it again under its name.
    pub fn reopen(&mut self) {
        self.file = None;
    }

    /// Writes one line; `false` if it is lost.
    pub fn write(&mut self, line: &str) -> bool {
        match self.try_write(line) {
            Ok(()) => true,
            Err(error) => {
                self.lost += 1;
                if self
                    .last_report
                    .is_none_or(|then| then.elapsed() >= REPORT_INTERVAL)
                {
                    let Destination { name, path, .. } = &self.destination;
                    tracing::error!(lost = self.lost, %error, "the {name} cannot be written: {}", path.display());
                    self.last_report = Some(Instant::now());
                }
                false
            }
        }
    }

    fn try_write(&mut self, line: &str) -> io::Result<()> {
        // Terminate a partial line first.
        let text = format!("{}{line}\n", if self.torn { "\n" } else { "" });
        let max_bytes = self.destination.max_bytes;
        let full =
            self.regular && max_bytes > 0 && self.bytes > 0 && self.bytes + text.len() as u64 > max_bytes;
        if full {
            self.file = None;
            self.rotate()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let (file, bytes, regular) = append(&self.destination.path)?;
                (self.bytes, self.regular) = (bytes, regular);
                self.file.insert(file)
            }
        };
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.bytes += written as u64;
                    rest = &rest[written..];
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Renames the file to `.1`, `.1` to `.2`, and so on; the oldest is overwritten.
    fn rotate(&self) -> io::Result<()> {
        let numbered = |number: u64| {
            let mut name = self.destination.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.destination.keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.destination.path, numbered(1))
    }
}

/// Opens a file for appending. Returns it with its size and whether it is a regular file. A new file is not world-readable.
fn append(path: &Path) -> io::Result<(File, u64, bool)> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata.len(), metadata.is_file()))
}
