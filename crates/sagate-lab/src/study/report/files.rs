//! A report as a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sagate_core::atomic;

use super::{Block, Report, ReportError, check, html, markdown, prefix};

/// A figure in both forms.
pub(super) struct Drawing {
    pub svg: String,
    pub png: Vec<u8>,
}

/// The figures of a report by their ids.
pub(super) struct Drawings(BTreeMap<String, Drawing>);

impl Drawings {
    /// Draws them all.
    pub fn new(report: &Report) -> Result<Self, ReportError> {
        let mut drawings = BTreeMap::new();
        for (block, _) in report.blocks() {
            if let Block::Figure { id, figure, .. } = block {
                let drawing = Drawing {
                    svg: figure.svg()?,
                    png: figure.png()?,
                };
                drawings.insert(id.clone(), drawing);
            }
        }
        Ok(Self(drawings))
    }

    pub fn get(&self, id: &str) -> Option<&Drawing> {
        self.0.get(id)
    }
}

pub(super) fn write(report: &Report, dir: &Path) -> Result<(), ReportError> {
    check::check(report)?;
    let drawings = Drawings::new(report)?;
    let page = html::page(report, &drawings)?;
    let text = markdown::page(report)?;
    let mut tables = Folder::new(dir.join("tables"), ["csv", "json"])?;
    let mut figures = Folder::new(dir.join("figures"), ["svg", "png"])?;
    for (block, times) in report.blocks() {
        let name = |id: &str, extension: &str| format!("{}{id}.{extension}", prefix(times));
        match block {
            Block::Table(table) => {
                tables.write(name(&table.id, "csv"), table.csv()?.as_bytes())?;
                tables.write(name(&table.id, "json"), table.json()?.as_bytes())?;
            }
            Block::Figure { id, .. } => {
                if let Some(drawing) = drawings.get(id) {
                    figures.write(name(id, "svg"), drawing.svg.as_bytes())?;
                    figures.write(name(id, "png"), &drawing.png)?;
                }
            }
            _ => {}
        }
    }
    atomic::write(&dir.join("report.md"), text.as_bytes())?;
    atomic::write(&dir.join("report.html"), page.as_bytes())?;
    tables.tidy()?;
    figures.tidy()
}

/// A folder that holds the files of one report and no other's.
struct Folder {
    path: PathBuf,
    extensions: [&'static str; 2],
    written: BTreeSet<String>,
}

impl Folder {
    fn new(path: PathBuf, extensions: [&'static str; 2]) -> Result<Self, ReportError> {
        fs::create_dir_all(&path).map_err(io("create the folder", &path))?;
        Ok(Self {
            path,
            extensions,
            written: BTreeSet::new(),
        })
    }

    fn write(&mut self, name: String, bytes: &[u8]) -> Result<(), ReportError> {
        atomic::write(&self.path.join(&name), bytes)?;
        self.written.insert(name);
        Ok(())
    }

    /// Removes files of an earlier report and temporary files of a killed run.
    fn tidy(&self) -> Result<(), ReportError> {
        for entry in fs::read_dir(&self.path).map_err(io("read the folder", &self.path))? {
            let entry = entry.map_err(io("read the folder", &self.path))?;
            let path = entry.path();
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_file && self.is_ours(&name) && !self.written.contains(&name) {
                fs::remove_file(&path).map_err(io("remove the file", &path))?;
            }
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        let partial = name.starts_with('.') && name.ends_with(".partial");
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        partial || ending.is_some_and(|ending| self.extensions.contains(&ending))
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ReportError {
    let path = path.to_owned();
    move |source| ReportError::Io { action, path, source }
}
