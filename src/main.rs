//! The `sagate` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    sagate::cli::main()
}
