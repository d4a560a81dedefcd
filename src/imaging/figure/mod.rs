//! figure.
