//! Checks file descriptors, disks and the clock.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::finding::Finding;

/// Minimum file descriptors: each connection needs one, and so do libtorch and the runtime.
const FILES: u64 = 1024;
/// A comfortable number of file descriptors: Linux services usually get half a million.
const ENOUGH_FILES: u64 = 4096;
/// Free bytes below which a disk counts as full, and below which it is low.
const FULL: u64 = 100 << 20;
const SOON_FULL: u64 = 1 << 30;
/// 2026-01-01, before which this program did not exist.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// 2100-01-01.
const LATEST: Duration = Duration::from_secs(4_102_444_800);
/// Tolerated clock difference to other machines, for file times in the future.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Checks the limit of file descriptors.
pub fn open_files() -> Finding {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit writes into the struct that it is given, which lives on.
    let answered = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    let (most, hard) = (limit.rlim_cur, limit.rlim_max);
    if !answered {
        let error = std::io::Error::last_os_error();
        return Finding::note(
            "open files",
            format!("the limit cannot be read: {error}"),
            "look at `ulimit -n`",
        );
    }
    let fix = format!("raise it: LimitNOFILE=65536 in the systemd unit, or `ulimit -n` up to {hard}");
    match most {
        ..FILES => Finding::wrong(
            "open files",
            format!("at most {most}: each connection takes one, and without one none is accepted"),
            fix,
        ),
        FILES..ENOUGH_FILES => Finding::note(
            "open files",
            format!("at most {most}, enough for some hundred clients"),
            fix,
        ),
        _ => Finding::fine("open files", format!("at most {most}")),
    }
}

/// Checks free space of the models' folder, of temporary files, and of a log file.
pub fn disks(models: Option<&Path>) -> Vec<Finding> {
    let mut places: Vec<(&str, PathBuf)> = vec![("temporary files", std::env::temp_dir())];
    if let Some(models) = models.filter(|models| models.is_dir()) {
        places.push(("models", models.to_owned()));
    }
    // Logs go to stderr, which may be a file.
    if let Ok(target) = fs::read_link("/proc/self/fd/2")
        && target.is_file()
    {
        places.push(("logs", target));
    }
    places.iter().map(|(what, path)| disk(what, path)).collect()
}

fn disk(what: &str, path: &Path) -> Finding {
    let about = format!("disk for {what}");
    let at = path.display();
    let Some(free) = free(path) else {
        let error = std::io::Error::last_os_error();
        return Finding::note(&about, format!("{at}: {error}"), "it should be readable");
    };
    let found = format!("{} MiB free at {at}", free >> 20);
    match free {
        ..FULL => Finding::wrong(&about, found, "make room there"),
        FULL..SOON_FULL => Finding::note(&about, found, "make room there before it is needed"),
        _ => Finding::fine(&about, found),
    }
}

/// Free bytes for this user.
fn free(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: a statvfs of zeros is a valid value, and statvfs writes into it and reads a path that ends in NUL; both live on.
    let (answer, stat) = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &raw mut stat), stat)
    };
    (answer == 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Checks the wall clock, which dates certificates, logs and calibrations. Deadlines do not depend on it.
pub fn clock(models: Option<&Path>) -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs();
    if !(EARLIEST..LATEST).contains(&now) {
        return Finding::wrong(
            "clock",
            format!("it says {seconds} s since 1970, which cannot be"),
            "set it, and let NTP keep it (`timedatectl set-ntp true`)",
        );
    }
    let newest = models.and_then(newest);
    if let Some((path, ahead)) = newest.and_then(|(path, time)| {
        let ahead = time.duration_since(SystemTime::now()).ok()?;
        (ahead > TOLERANCE).then_some((path, ahead))
    }) {
        return Finding::wrong(
            "clock",
            format!("{} was written {} s from now", path.display(), ahead.as_secs()),
            "the clock is behind, or that of the machine that wrote it was ahead: set it, and let NTP keep it",
        );
    }
    if !advances() {
        return Finding::wrong(
            "clock",
            "the monotonic clock does not advance with the other",
            "the virtual machine's clock source is broken: choose another one",
        );
    }
    if synchronised() == Some(false) {
        return Finding::note(
            "clock",
            format!("{seconds} s since 1970; the kernel says that nothing keeps it right"),
            "let NTP keep it (`timedatectl set-ntp true`)",
        );
    }
    Finding::fine("clock", format!("{seconds} s since 1970, and it advances"))
}

/// Checks that wall and monotonic clock advance equally.
fn advances() -> bool {
    let (instant, system) = (Instant::now(), SystemTime::now());
    std::thread::sleep(Duration::from_millis(20));
    let monotonic = instant.elapsed();
    // The clock may be adjusted during the check; that is no fault.
    let set = system.elapsed().is_err();
    monotonic >= Duration::from_millis(20) && (set || system.elapsed().is_ok_and(|it| !it.is_zero()))
}

/// The kernel's clock state; `None` if not permitted.
fn synchronised() -> Option<bool> {
    // SAFETY: a timex of zeros asks and changes nothing; adjtimex writes into the struct, which lives on.
    let state = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

/// The most recently written model file.
fn newest(models: &Path) -> Option<(PathBuf, SystemTime)> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let files = folders(models)
        .into_iter()
        .flat_map(|name| folders(&name))
        .flat_map(|version| folders(&version));
    let dated = files.filter_map(|file| {
        let written = fs::metadata(&file).ok()?.modified().ok()?;
        Some((file, written))
    });
    dated.max_by_key(|(_, written)| *written)
}
