//! Tables of typed cells, and their forms: CSV and JSON for programs, Markdown and HTML for people.
//!
//! The forms for programs hold every number to the last bit; the forms for people round to the digits that the cell
//! asks for.

mod cell;
mod csv;
mod html;
mod markdown;

use serde::{Deserialize, Serialize};

pub use cell::Cell;

/// A table. It serializes to JSON with the kind of each cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The name of its files and what links point at: lower-case letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// Above the table.
    pub title: String,
    /// Below the table.
    pub note: Option<String>,
    /// Its columns; at least one.
    pub columns: Vec<Column>,
    /// Its rows, each with a cell for every column.
    pub rows: Vec<Row>,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Above the column.
    pub name: String,
    /// In what its numbers are measured; none for shares, scores and words.
    pub unit: Option<String>,
}

impl Column {
    /// A column without a unit.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            unit: None,
        }
    }

    /// With the unit of its numbers.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The name with its unit.
    fn title(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} [{unit}]", self.name),
            None => self.name.clone(),
        }
    }
}

/// The cells of one row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Row(pub Vec<Cell>);

/// A table that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("table '{table}': {field} is {was}; it must be {want}")]
pub struct TableError {
    /// The table's id.
    pub table: String,
    /// The part.
    pub field: String,
    /// The value found.
    pub was: String,
    /// The expected value.
    pub want: String,
}

impl Table {
    /// A table without rows.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        columns: impl IntoIterator<Item = Column>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            note: None,
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row at the end.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row(cells.into_iter().collect()));
    }

    /// Whether every row has a cell for every column.
    ///
    /// # Errors
    /// [`TableError`] names the first row that has not, or says that there is no column.
    pub fn check(&self) -> Result<(), TableError> {
        let fails = |field: String, was: String, want: String| TableError {
            table: self.id.clone(),
            field,
            was,
            want,
        };
        let columns = self.columns.len();
        if columns == 0 {
            return Err(fails(
                "columns".to_owned(),
                "empty".to_owned(),
                "a list of at least one".to_owned(),
            ));
        }
        match self.rows.iter().position(|row| row.0.len() != columns) {
            Some(row) => Err(fails(
                format!("rows[{row}]"),
                format!("a row of {} cells", self.rows[row].0.len()),
                format!("one of {columns}, as there are columns"),
            )),
            None => Ok(()),
        }
    }

    /// The table as JSON, indented, each cell with its kind. Numbers that are not finite become `null`.
    ///
    /// # Errors
    /// [`TableError`] from [`Table::check`].
    pub fn json(&self) -> Result<String, TableError> {
        self.check()?;
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers fit into JSON");
        text.push('\n');
        Ok(text)
    }

    /// The table as CSV (RFC 4180: CRLF after each line, `"` around what needs it), numbers to the last bit.
    ///
    /// A column that holds an [`Cell::Estimate`] becomes four: its name, and the name with ` sd`, ` low` and ` high`; a
    /// cell of another kind in it fills the first. A percentage is written as its share of 1. A missing value is an
    /// empty field; why it is missing says the JSON.
    ///
    /// # Errors
    /// [`TableError`] from [`Table::check`].
    pub fn csv(&self) -> Result<String, TableError> {
        self.check()?;
        Ok(csv::write(self))
    }

    /// The table in Markdown, without its title and note.
    ///
    /// # Errors
    /// [`TableError`] from [`Table::check`].
    pub fn markdown(&self) -> Result<String, TableError> {
        self.check()?;
        Ok(markdown::write(self))
    }

    /// The table as an HTML `table` element with `caption` as its caption (HTML, so escaped by the caller). Each cell
    /// carries what it sorts by; the report's script makes buttons of the headings.
    ///
    /// # Errors
    /// [`TableError`] from [`Table::check`].
    pub fn html(&self, caption: &str) -> Result<String, TableError> {
        self.check()?;
        Ok(html::write(self, caption))
    }
}
