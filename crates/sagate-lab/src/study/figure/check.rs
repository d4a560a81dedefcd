//! Validation of a figure before it is drawn.

use super::FigureError;

/// The widest and highest that a figure may be, in pixels.
const LARGEST: f64 = 8000.0;

/// Checks parts of one figure and names it in every error.
pub(super) struct Check<'a> {
    pub figure: &'a str,
}

impl Check<'_> {
    pub fn fails<T>(
        &self,
        field: impl Into<String>,
        was: impl Into<String>,
        want: impl Into<String>,
    ) -> Result<T, FigureError> {
        Err(FigureError::Field {
            figure: self.figure.to_owned(),
            field: field.into(),
            was: was.into(),
            want: want.into(),
        })
    }

    /// There is at least one of these.
    pub fn some<T>(&self, field: &str, items: &[T]) -> Result<(), FigureError> {
        if items.is_empty() {
            return self.fails(field, "empty", "a list of at least one");
        }
        Ok(())
    }

    /// A list is as long as the one that it belongs to.
    pub fn length(&self, field: &str, was: usize, other: &str, want: usize) -> Result<(), FigureError> {
        if was != want {
            return self.fails(
                field,
                format!("a list of {was}"),
                format!("a list of {want}, as {other} is"),
            );
        }
        Ok(())
    }

    /// The sheet is of a size that can be shown.
    pub fn size(&self, width: f64, height: f64) -> Result<(), FigureError> {
        if width > LARGEST || height > LARGEST {
            return self.fails(
                "its size",
                format!("{width:.0} x {height:.0} pixels"),
                format!("at most {LARGEST} each way: fewer panels, rows or categories"),
            );
        }
        Ok(())
    }
}
