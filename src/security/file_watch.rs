//! Files that are reloaded when they change.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::error::SecurityError;

/// UTF-8 byte order mark, which some editors write and which is not part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a text file that a setting names.
///
/// # Errors
/// It is missing, cannot be read, or has more than `largest` bytes.
pub(crate) fn read(setting: &'static str, path: &Path, largest: u64) -> Result<Vec<u8>, SecurityError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes));
    read.map_err(|source| SecurityError::File {
        setting,
        path: path.to_path_buf(),
        source,
    })?;
    if bytes.len() as u64 > largest {
        return Err(SecurityError::Content {
            setting,
            path: path.to_path_buf(),
            message: format!("it has more than {largest} bytes, far too many for what it should hold"),
        });
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

/// Digest of file contents, which detects changes independently of modification times.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ContentDigest([u8; 32]);

impl ContentDigest {
    pub fn compute<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> ContentDigest {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        ContentDigest(hasher.finalize().into())
    }
}

/// Calls `reload` periodically and whenever `now` changes, on the blocking thread pool. `reload` returns whether the content changed. A
/// repeated error is logged once.
pub(super) async fn follow(
    every: Duration,
    mut now: watch::Receiver<()>,
    what: &'static str,
    reload: impl Fn() -> Result<bool, SecurityError> + Clone + Send + 'static,
    counted: impl Fn(bool),
) {
    let mut last_error = String::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            Ok(()) = now.changed() => {}
        }
        let reload = reload.clone();
        match tokio::task::spawn_blocking(reload).await {
            Ok(Ok(true)) => {
                counted(true);
                last_error.clear();
                tracing::info!("{what} changed: the new ones are in use");
            }
            Ok(Ok(false)) => last_error.clear(),
            Ok(Err(error)) => {
                let message = error.to_string();
                if message != last_error {
                    counted(false);
                    tracing::error!("{what} changed and cannot be used, the old ones stay in use: {message}");
                    last_error = message;
                }
            }
            // It panicked, or the runtime ends.
            Err(error) => tracing::error!("{what} cannot be checked: {error}"),
        }
    }
}
