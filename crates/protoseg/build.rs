//! Compiles the call to libtorch's thread pool, and exports the path of libtorch's headers to dependants that compile C++.

use std::env;
use std::path::{Path, PathBuf};

const SOURCE: &str = "src/platform/parallel.cc";

fn main() {
    // torch-sys exports where it found libtorch, however that was configured.
    let libraries = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its libtorch"));
    let include = env::var("LIBTORCH_INCLUDE").map_or_else(
        |_| libraries.join("../include"),
        |root| Path::new(&root).join("include"),
    );
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".into());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .flag("-fopenmp")
        .file(SOURCE)
        .compile("protoseg_native");
    println!("cargo::rustc-link-lib=gomp");
    // For the unit tests.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    println!("cargo::metadata=libraries={}", libraries.display());
    println!("cargo::metadata=include={}", include.display());
    println!("cargo::metadata=abi={abi}");
    println!("cargo::rerun-if-changed={SOURCE}");
    for variable in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
}
