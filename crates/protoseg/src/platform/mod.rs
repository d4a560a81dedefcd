//! What kernels are built from: instruction sets, libtorch's threads, tensors that are not written yet.

mod isa;
mod parallel;
mod uninit;

pub use isa::{Isa, fetch, fetch_after};
pub use parallel::{for_each, for_each_backwards, in_turn};
pub use uninit::UninitTensor;
