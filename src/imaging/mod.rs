//! Pictures in and out: readers, preprocessing, masks, figures.
