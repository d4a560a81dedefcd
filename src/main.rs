//! The `sagate` binary.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::give_back();
    sagate::cli::main()
}
