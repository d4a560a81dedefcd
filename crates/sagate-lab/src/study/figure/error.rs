//! Errors of figures.

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// A part of the figure contradicts another.
    #[error("figure '{figure}': {field} is {was}; it must be {want}")]
    Field {
        /// The figure's title.
        figure: String,
        /// The part, as a path such as `panels[0].series[1].y`.
        field: String,
        /// The value found.
        was: String,
        /// The expected value.
        want: String,
    },
    /// The SVG could not be made into a PNG.
    #[error("figure '{figure}': cannot be made a PNG: {message}")]
    Raster {
        /// The figure's title.
        figure: String,
        /// The renderer's message.
        message: String,
    },
}
