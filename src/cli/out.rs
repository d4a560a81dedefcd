//! Output of commands: results to stdout, messages to stderr. Unlike `println!`, a closed pipe is an error and not a panic.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Prints text and a line's end to stdout.
///
/// # Errors
/// A write error; a closed pipe ends the command quietly with [`super::Exit::BrokenPipe`].
pub fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
        .map_err(|error| io::Error::new(error.kind(), format!("cannot print to stdout: {error}")))
}

/// Prints a value as indented JSON to stdout. Numbers that are not finite become `null`.
///
/// # Errors
/// A value that JSON cannot represent, or a write error.
pub fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value).context("the result does not fit into JSON")?;
    Ok(line(&text)?)
}

/// A text table with these headings, to be filled with `add_row` and printed with [`print()`].
pub fn table(headings: &[&str]) -> Table {
    let rule = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(rule));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    table
}

/// Prints a table to stdout.
///
/// # Errors
/// As [`line()`].
pub fn print(table: &Table) -> io::Result<()> {
    line(&table.trim_fmt())
}

/// Creates a folder for results, with its parents.
///
/// # Errors
/// An existing file of that name, or a system error.
pub fn folder(path: &Path) -> anyhow::Result<()> {
    if path.exists() && !path.is_dir() {
        bail!(
            "--out {}: is a file; it should be a folder, or the name of a new one",
            path.display()
        );
    }
    fs::create_dir_all(path).with_context(|| format!("--out {}: cannot make the folder", path.display()))
}

/// Prints a message on stderr that is no result, such as a failed file.
pub fn error(text: &str) {
    // An error of stderr cannot be reported.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A progress bar on stderr for long work of `steps` steps; hidden if stderr is no terminal. Finish it with
/// `finish_and_clear`.
pub fn progress(steps: u64, doing: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps).with_style(style).with_message(doing)
}
