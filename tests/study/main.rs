//! `sagate study`: whole, its figures and its report.

#[path = "../support/study_set/mod.rs"]
mod study_set;

mod figures;
mod report;
mod whole;
