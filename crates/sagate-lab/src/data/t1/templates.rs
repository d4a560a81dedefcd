//! The source volumes: search and installation.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::data::DataError;

/// Where Debian's `mricron-data` puts its volumes.
pub const FOLDER: &str = "/usr/share/mricron/templates";

/// Advice where a volume is missing and cannot be installed.
const ADVICE: &str = "Install Debian's package mricron-data (apt-get install mricron-data), or unpack it elsewhere \
    (dpkg -x mricron-data_*.deb DIR) and give --templates DIR/usr/share/mricron/templates, or point at the four files: \
    --ch2 ch2.nii.gz --ch2bet ch2bet.nii.gz --aal aal.nii.gz --inia19 inia19-t1-brain.nii.gz";

/// The source volumes.
#[derive(Debug, Clone)]
pub struct Templates {
    /// T1 of one human head.
    pub ch2: PathBuf,
    /// The brain of that head, 0 outside.
    pub ch2bet: PathBuf,
    /// The AAL atlas on the same grid.
    pub aal: PathBuf,
    /// T1 of the macaque's brain, 0 outside.
    pub inia19: PathBuf,
    /// The macaque's atlas on its grid. Without it the macaque's slices of `t1-nuclei` have no truth.
    pub neuromaps: Option<PathBuf>,
}

impl Templates {
    /// The volumes under the names they have in `mricron-data`.
    pub fn in_folder(dir: &Path) -> Self {
        let neuromaps = dir.join("inia19-NeuroMaps.nii.gz");
        Self {
            ch2: dir.join("ch2.nii.gz"),
            ch2bet: dir.join("ch2bet.nii.gz"),
            aal: dir.join("aal.nii.gz"),
            inia19: dir.join("inia19-t1-brain.nii.gz"),
            neuromaps: neuromaps.is_file().then_some(neuromaps),
        }
    }

    /// All files, in a fixed order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.ch2, &self.ch2bet, &self.aal, &self.inia19]
            .into_iter()
            .chain(&self.neuromaps)
            .map(PathBuf::as_path)
    }

    /// The first file that is not there.
    pub fn missing(&self) -> Option<&Path> {
        self.files().find(|file| !file.is_file())
    }

    /// Fails with advice when a file is not there.
    ///
    /// # Errors
    /// Names the first missing file.
    pub fn check(&self) -> Result<(), DataError> {
        self.missing()
            .map_or(Ok(()), |path| Err(absent(path, String::new())))
    }
}

/// Installs `mricron-data` with `apt-get`, refreshing the package lists only when that is needed.
///
/// # Errors
/// When there is no `apt-get`, or it does not succeed (most often for want of root's rights or a network); the message
/// says how to give the files by hand.
pub fn install() -> Result<(), DataError> {
    let folder = Path::new(FOLDER);
    let install = ["install", "-y", "--no-install-recommends", "mricron-data"];
    let first = apt_get(&install).map_err(|why| absent(folder, why))?;
    if first.is_none() {
        return Ok(());
    }
    if let Some(why) = apt_get(&["update"]).map_err(|why| absent(folder, why))? {
        return Err(absent(folder, why));
    }
    match apt_get(&install).map_err(|why| absent(folder, why))? {
        None => Ok(()),
        Some(why) => Err(absent(folder, why)),
    }
}

/// Runs `apt-get`: none when it succeeded, else why not; an error when it cannot be run at all.
fn apt_get(arguments: &[&str]) -> Result<Option<String>, String> {
    let shown = format!("apt-get {}", arguments.join(" "));
    tracing::info!(command = shown, "running");
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| format!("'{shown}' could not be run: {error}. "))?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing");
    Ok(Some(format!(
        "'{shown}' did not succeed: {}. ",
        last.trim().trim_end_matches('.')
    )))
}

fn absent(path: &Path, why: String) -> DataError {
    DataError::NoTemplate {
        path: path.to_owned(),
        advice: format!("{why}{ADVICE}"),
    }
}
