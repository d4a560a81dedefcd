//! Compiles the two small pieces of C++ that reach what tch does not: libtorch's thread pool and oneDNN's fused
//! convolution.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    // Set by torch-sys, whichever way it found libtorch.
    let lib = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its libtorch"));
    let include = env::var("LIBTORCH_INCLUDE")
        .map(|root| Path::new(&root).join("include"))
        .unwrap_or_else(|_| lib.parent().expect("libtorch/lib has a parent").join("include"));
    let sources = ["src/protoseg/native/parallel.cc"];
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .flag("-fopenmp")
        .files(sources)
        .compile("sagate_native");
    println!("cargo:rustc-link-lib=gomp");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    for source in sources {
        println!("cargo:rerun-if-changed={source}");
    }
    for variable in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
}
