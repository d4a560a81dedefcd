//! Log files written by a thread of their own, so that a slow or full disk does not delay requests.

mod file;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Duration;

use file::Log;

use super::error::SecurityError;

/// Maximum number of queued lines. Further lines are lost.
const QUEUE_LINES: usize = 4096;
/// Time limit of a flush.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Destination of lines.
pub(super) struct Destination {
    /// The setting that names the file.
    pub setting: &'static str,
    /// Name of the log in messages.
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Size in bytes at which the file is rotated; 0: never.
    pub max_bytes: u64,
    /// Number of rotated files to keep.
    pub keep: u64,
}

/// Called for each line with whether it was written.
type Counted = Arc<dyn Fn(bool) + Send + Sync>;

/// Writer of one log file. Clones share it.
#[derive(Clone)]
pub(super) struct LineLog {
    sender: SyncSender<Message>,
    counted: Counted,
}

enum Message {
    Line(String),
    /// Reopen the file under its name.
    Reopen,
    /// Confirm that everything before this was written.
    Flush(SyncSender<()>),
}

impl LineLog {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(destination: Destination, counted: Counted) -> Result<LineLog, SecurityError> {
        let (setting, name, path) = (destination.setting, destination.name, destination.path.clone());
        let mut log = Log::open(destination).map_err(|source| SecurityError::File {
            setting,
            path,
            source,
        })?;
        let (sender, receiver) = mpsc::sync_channel(QUEUE_LINES);
        let counts = counted.clone();
        let write = move || {
            for message in receiver {
                match message {
                    Message::Line(line) => counts(log.write(&line)),
                    Message::Reopen => log.reopen(),
                    Message::Flush(done) => {
                        let _ = done.try_send(());
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name(name.into())
            .spawn(write)
            .map_err(|source| SecurityError::Thread { name, source })?;
        Ok(LineLog { sender, counted })
    }

    /// Reopens the file after an external rotation.
    pub fn reopen(&self) {
        // A full queue means that the disk is too slow; the next signal tries again.
        let _ = self.sender.try_send(Message::Reopen);
    }

    /// Waits until all queued lines are written, for a few seconds at most. Blocks the thread.
    pub fn flush(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(FLUSH_TIMEOUT);
        }
    }

    /// Queues a line.
    pub fn line(&self, line: String) {
        match self.sender.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => (self.counted)(false),
        }
    }
}
