//! A file that gets lines as requests end: written by a thread of its own, so that a slow or full disk holds up no request.

mod file;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Duration;

use file::Log;

use super::error::SecurityError;

/// Lines that wait to be written. A disk that is slower than that loses lines.
const WAITING: usize = 4096;
/// How long the last lines are waited for.
const LAST: Duration = Duration::from_secs(2);

/// Where lines go.
pub(super) struct Destination {
    /// The setting that names the file.
    pub setting: &'static str,
    /// What messages call it.
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Bytes after which it is set aside and a new one begun; 0: never.
    pub max_bytes: u64,
    /// How many that were set aside are kept.
    pub keep: u64,
}

/// Told of each line whether it was written.
type Counted = Arc<dyn Fn(bool) + Send + Sync>;

/// The writer of one file. Clones are the same.
#[derive(Clone)]
pub(super) struct LineLog {
    sender: SyncSender<Message>,
    counted: Counted,
}

enum Message {
    Line(String),
    /// The file was moved away: begin a new one.
    Reopen,
    /// Say that everything before this was written.
    Flush(SyncSender<()>),
}

impl LineLog {
    /// Opens the file to be written to behind what it holds.
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
        let (sender, receiver) = mpsc::sync_channel(WAITING);
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

    /// Begins the file anew, where something has moved it away.
    pub fn reopen(&self) {
        // Where the queue is full, the disk is what is wrong; the next try comes with the next signal.
        let _ = self.sender.try_send(Message::Reopen);
    }

    /// Waits until everything so far was written, for a few seconds at most. Not for a thread that others wait for.
    pub fn flush(&self) {
        let (done, is_done) = mpsc::sync_channel(1);
        if self.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(LAST);
        }
    }

    /// Writes a line soon.
    pub fn line(&self, line: String) {
        match self.sender.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => (self.counted)(false),
        }
    }
}
