//! Building blocks of kernels: instruction sets, libtorch's thread pool, uninitialised tensors.

mod isa;
mod parallel;
mod uninit;

pub use isa::{Isa, fetch, fetch_after};
pub use parallel::{for_each, for_each_backwards, for_each_dynamic};
pub use uninit::UninitTensor;
