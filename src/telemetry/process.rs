//! Process metrics under the standard names of Prometheus clients, read from `/proc` on demand.

use std::fs;

use opentelemetry::metrics::Meter;

/// Ticks of `/proc/self/stat` a second: `USER_HZ`, which is 100 on every architecture that sagate runs on.
const TICKS: f64 = 100.0;

/// A gauge: name, unit, meaning, and how it is read.
type ProcessGauge = (&'static str, &'static str, &'static str, fn() -> Option<f64>);

/// Registers the metrics of this process.
pub(super) fn observe(meter: &Meter) {
    let gauges: [ProcessGauge; 5] = [
        (
            "process_resident_memory_bytes",
            "By",
            "Resident memory of the process.",
            || Some(status("VmRSS:")? * 1024.0),
        ),
        ("process_threads", "{thread}", "Threads of the process.", || {
            status("Threads:")
        }),
        (
            "process_open_fds",
            "{file}",
            "File descriptors that are open.",
            open_files,
        ),
        (
            "process_max_fds",
            "{file}",
            "File descriptors that may be open.",
            max_files,
        ),
        (
            "process_start_time_seconds",
            "s",
            "When the process began, in seconds since 1970.",
            started,
        ),
    ];
    for (name, unit, help, read) in gauges {
        meter
            .f64_observable_gauge(name)
            .with_unit(unit)
            .with_description(help)
            .with_callback(move |observer| {
                if let Some(value) = read() {
                    observer.observe(value, &[]);
                }
            })
            .build();
    }
    meter
        .f64_observable_counter("process_cpu_seconds_total")
        .with_unit("s")
        .with_description("CPU time of the process, in user and kernel mode.")
        .with_callback(|observer| {
            if let Some(seconds) = cpu_seconds() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
}

/// The number of a field in `/proc/self/status`.
fn status(word: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, counted from 1 as proc(5) does. The second is the program's name, which may hold anything.
fn stat(field: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind_name) = text.rsplit_once(')')?;
    behind_name.split_whitespace().nth(field - 3)?.parse().ok()
}

/// Seconds of CPU time that this process took so far, in user and kernel mode.
pub fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS)
}

fn started() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    Some(boot + stat(22)? / TICKS)
}

fn open_files() -> Option<f64> {
    // The folder itself is open while it is read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

/// Without a limit there is no number.
fn max_files() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
