//! Images become results.
