//! A report as plain data, and its two forms: one self-contained HTML page, and Markdown with its tables and figures in
//! files.
//!
//! Paragraphs, list items, captions and notes know three marks: `` `code` ``, `**bold**` and `[words](#id)`, a link to a
//! section, table or figure of the report; a backslash before a mark makes it an ordinary letter, and [`plain`] puts
//! those where a text from elsewhere needs them. Titles and the cells of tables are taken as they are.

mod check;
mod files;
mod html;
mod inline;
mod markdown;
mod numbers;
mod times;

use std::path::{Path, PathBuf};

use sagate_core::atomic::WriteError;
use serde::{Deserialize, Serialize};

use super::figure::{Figure, FigureError};
use super::table::{Table, TableError};

pub use inline::plain;
pub use times::without_times;

/// A report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// At its head.
    pub title: String,
    /// The summary before the first section.
    pub lead: Vec<Block>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Its id for links: lower-case letters, digits, `-`, `_` and `.`; unique in the report.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Its content.
    pub blocks: Vec<Block>,
    /// What follows below smaller headings.
    pub subsections: Vec<Section>,
}

impl Section {
    /// A section without subsections.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            blocks: blocks.into_iter().collect(),
            subsections: Vec::new(),
        }
    }
}

/// A piece of a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A paragraph, with marks.
    Paragraph(String),
    /// Items of a list, with marks.
    List(Vec<String>),
    /// Lines as they are, such as commands.
    Code(String),
    /// A table; its note may have marks. Its files are `tables/ID.csv` and `tables/ID.json`.
    Table(Table),
    /// A figure. Its files are `figures/ID.svg` and `figures/ID.png`.
    Figure {
        /// Its id for links, and the name of its files: as a section's id.
        id: String,
        /// Below the figure, with marks.
        caption: String,
        /// The figure.
        figure: Box<Figure>,
    },
    /// What depends on the clock or on the machine's load. It is set apart by marks in every form, and the names of its
    /// files begin with `times-`, so that two reports can be compared without it ([`without_times`]).
    Times(Vec<Block>),
}

impl Block {
    /// A paragraph, with marks.
    pub fn paragraph(text: impl Into<String>) -> Self {
        Self::Paragraph(text.into())
    }

    /// A figure with its id and its caption, with marks.
    pub fn figure(id: impl Into<String>, caption: impl Into<String>, figure: impl Into<Figure>) -> Self {
        Self::Figure {
            id: id.into(),
            caption: caption.into(),
            figure: Box::new(figure.into()),
        }
    }
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// An id is no name for a file or a link.
    #[error(
        "{what}: its id is '{id}'; it must be 1 to 100 lower-case letters, digits, '-', '_' or '.', begin with a letter or digit, and not with 'times-'"
    )]
    Id {
        /// The title of what has the id.
        what: String,
        /// The id.
        id: String,
    },
    /// Two things have the same id.
    #[error("the id '{id}' is there twice; sections, tables and figures must each have their own")]
    Twice {
        /// The id.
        id: String,
    },
    /// A link points nowhere.
    #[error(
        "a link points at '#{id}', which the report lacks; it must be the id of a section, table or figure"
    )]
    Link {
        /// What it points at.
        id: String,
    },
    /// A table contradicts itself.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The file system refused something else.
    #[error("{path}: cannot {action}: {source}", path = .path.display())]
    Io {
        /// What was tried, as in "create the folder".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl Report {
    /// Writes `report.html`, `report.md`, `tables/` and `figures/` into the folder, which is made where it is missing.
    /// Each file is written atomically. Files of an earlier report in `tables/` and `figures/` that this one does
    /// not have is removed there: files named `*.csv` and `*.json`, `*.svg` and `*.png`.
    ///
    /// # Errors
    /// Any [`ReportError`]. Where the report is at fault nothing is written.
    pub fn write(&self, dir: &Path) -> Result<(), ReportError> {
        files::write(self, dir)
    }

    /// The report as one HTML page that needs no other file and no network.
    ///
    /// # Errors
    /// As [`Report::write`], but for the file system.
    pub fn html(&self) -> Result<String, ReportError> {
        check::check(self)?;
        html::page(self, &files::Drawings::new(self)?)
    }

    /// The report in Markdown, which refers to `figures/ID.png` and `tables/ID.csv`.
    ///
    /// # Errors
    /// As [`Report::write`], but for figures and the file system.
    pub fn markdown(&self) -> Result<String, ReportError> {
        check::check(self)?;
        markdown::page(self)
    }

    /// The report without what depends on the clock.
    pub fn without_times(&self) -> Report {
        Report {
            title: self.title.clone(),
            lead: times::dropped(&self.lead),
            sections: self.sections.iter().map(times::dropped_from).collect(),
        }
    }

    /// All blocks in the order in which they are read, those within [`Block::Times`] with `true`.
    fn blocks(&self) -> Vec<(&Block, bool)> {
        fn gather<'a>(blocks: &'a [Block], times: bool, into: &mut Vec<(&'a Block, bool)>) {
            for block in blocks {
                match block {
                    Block::Times(inner) => gather(inner, true, into),
                    _ => into.push((block, times)),
                }
            }
        }
        let mut blocks = Vec::new();
        gather(&self.lead, false, &mut blocks);
        for section in self.all_sections() {
            gather(&section.blocks, false, &mut blocks);
        }
        blocks
    }

    /// All sections in the order in which they are read.
    fn all_sections(&self) -> Vec<&Section> {
        fn gather<'a>(sections: &'a [Section], into: &mut Vec<&'a Section>) {
            for section in sections {
                into.push(section);
                gather(&section.subsections, into);
            }
        }
        let mut sections = Vec::new();
        gather(&self.sections, &mut sections);
        sections
    }
}

/// What the name of a file begins with.
fn prefix(times: bool) -> &'static str {
    if times { "times-" } else { "" }
}
