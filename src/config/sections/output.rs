//! Section `output`.

use clap::ValueEnum;

use crate::config::rule::one_of;
use crate::config::section::section;
use crate::config::value::named_settings;

section! {
    /// Results of commands, on stdout.
    #[derive(Copy, Eq)]
    pub struct OutputSettings: "output" {
        /// `"table"` for people or `"json"` for programs.
        format: OutputFormat = "table", one_of(), flag "json";
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Tables for people.
    Table,
    /// JSON for programs.
    Json,
}

named_settings!(OutputFormat);
