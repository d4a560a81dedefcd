//! Commands that need the lab (data sets, training, the study, its figures), in a program that was built without it.

use super::{Exit, UsageError};
use crate::config::Settings;

/// All arguments of the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    given: Vec<String>,
}

/// The error of a command or flag that needs the lab.
pub fn needs_lab(what: &str) -> UsageError {
    UsageError(format!(
        "{what} needs the lab, and this program was built without it: use one that was built with cargo's feature `lab`, as \
         `cargo build --release` does"
    ))
}

macro_rules! commands {
    ($($name:ident)*) => {$(
        pub mod $name {
            pub use super::Args;
            use super::{Exit, Settings, needs_lab};

            pub fn run(_: Args, _: &Settings) -> anyhow::Result<Exit> {
                Err(needs_lab(concat!("sagate ", stringify!($name))).into())
            }
        }
    )*};
}
commands!(calibrate data evaluate study train);
