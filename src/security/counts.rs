//! Counters of security events.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Outcome of a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Completed.
    Done,
    /// The client did not speak TLS, or a certificate was not accepted.
    Failed,
    /// Timed out.
    Late,
    /// Evicted as the oldest of too many pending handshakes.
    PushedOut,
}

impl Handshake {
    /// Every outcome, with its label.
    pub const ALL: [(Handshake, &'static str); 4] = [
        (Handshake::Done, "done"),
        (Handshake::Failed, "failed"),
        (Handshake::Late, "late"),
        (Handshake::PushedOut, "pushed_out"),
    ];
}

/// Calls that were refused before a handler saw them, by the reason's label.
pub(super) const REFUSALS: [&str; 3] = ["UNAUTHENTICATED", "PERMISSION_DENIED", "RATE_LIMITED"];

/// Counters since the start.
#[derive(Debug, Default)]
pub struct SecurityCounts {
    handshakes: [AtomicU64; 4],
    refused: [AtomicU64; 3],
    reloads: [AtomicU64; 2],
    certificate_ends: AtomicU64,
    audited: [AtomicU64; 2],
    accesses: [AtomicU64; 2],
}

impl SecurityCounts {
    /// A TLS handshake ended.
    pub fn handshake(&self, how: Handshake) {
        self.handshakes[how as usize].fetch_add(1, Relaxed);
    }

    /// Handshakes with this outcome.
    pub fn handshakes(&self, how: Handshake) -> u64 {
        self.handshakes[how as usize].load(Relaxed)
    }

    /// A call, or an image of a stream, was refused for this reason.
    pub fn refuse(&self, reason: &str) {
        if let Some(index) = REFUSALS.iter().position(|it| *it == reason) {
            self.refused[index].fetch_add(1, Relaxed);
        }
    }

    /// Refusals by their reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS
            .into_iter()
            .zip(self.refused.iter().map(|it| it.load(Relaxed)))
    }

    /// Files of `[tls]` or `[auth]` changed and were reloaded, or could not be.
    pub(super) fn reloaded(&self, fine: bool) {
        self.reloads[usize::from(!fine)].fetch_add(1, Relaxed);
    }

    /// Successful and failed reloads.
    pub fn reloads(&self) -> [u64; 2] {
        [0, 1].map(|it: usize| self.reloads[it].load(Relaxed))
    }

    /// Sets the end of the server's certificate, in seconds since 1970.
    pub fn certificate_ends(&self, at: u64) {
        self.certificate_ends.store(at, Relaxed);
    }

    /// End of the server's certificate, in seconds since 1970; `None` without TLS.
    pub fn certificate(&self) -> Option<u64> {
        Some(self.certificate_ends.load(Relaxed)).filter(|&at| at > 0)
    }

    /// A line of the audit log was written, or lost.
    pub(super) fn audited(&self, written: bool) {
        self.audited[usize::from(!written)].fetch_add(1, Relaxed);
    }

    /// A line of the access log was written, or lost.
    pub(super) fn access_logged(&self, written: bool) {
        self.accesses[usize::from(!written)].fetch_add(1, Relaxed);
    }

    /// Written and lost lines of the access log.
    pub fn access_lines(&self) -> [u64; 2] {
        [0, 1].map(|it: usize| self.accesses[it].load(Relaxed))
    }

    /// Written and lost lines of the audit log.
    pub fn audit_lines(&self) -> [u64; 2] {
        [0, 1].map(|it: usize| self.audited[it].load(Relaxed))
    }
}
