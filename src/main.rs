//! The `sagate` binary.

fn main() {}
