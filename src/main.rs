//! The `sagate` binary.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::start_decay_thread();
    sagate::cli::main()
}
