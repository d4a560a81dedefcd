//! The audit log: one JSON line a request, who asked what of which model and how it ended. Nothing of the image but its hash, nothing
//! of the answer but the decision.

mod asked;
mod file;

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::time::Duration;

pub use asked::{Asked, Image};
use file::Log;

use super::counts::Counts;
use super::error::TrustError;
use crate::config;

/// Lines that wait to be written. A disk that is slower than that loses lines, and does not hold up requests.
const WAITING: usize = 4096;
/// How long the last lines are waited for.
const LAST: Duration = Duration::from_secs(2);

/// The log of this process, written by a thread of its own. Clones are the same.
#[derive(Clone)]
pub struct Audit {
    sender: SyncSender<Message>,
    counts: Arc<Counts>,
}

enum Message {
    Line(String),
    /// The file was moved away: begin a new one.
    Reopen,
    /// Say that everything before this was written.
    Flush(SyncSender<()>),
}

impl Audit {
    /// Opens the file to be written to behind what it holds; `None` where the settings name none.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn open(settings: &config::Audit, counts: &Arc<Counts>) -> Result<Option<Audit>, TrustError> {
        if settings.file.as_os_str().is_empty() {
            return Ok(None);
        }
        let mut log = Log::open(settings).map_err(|source| TrustError::File {
            setting: "audit.file",
            path: settings.file.clone(),
            source,
        })?;
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        let counted = counts.clone();
        let write = move || {
            for message in receiver {
                match message {
                    Message::Line(line) => counted.audited(log.write(&line)),
                    Message::Reopen => log.reopen(),
                    Message::Flush(done) => {
                        let _ = done.try_send(());
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(write)
            .map_err(TrustError::Thread)?;
        Ok(Some(Audit {
            sender,
            counts: counts.clone(),
        }))
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

    fn line(&self, line: String) {
        match self.sender.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.counts.audited(false),
        }
    }
}
