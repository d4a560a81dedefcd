//! Compiles the C++ shims for libtorch features that tch does not bind (oneDNN's fused convolution, gradient hooks, GPU streams), and
//! records build information ([`build`](src/build.rs)).

use std::env;
use std::path::Path;
use std::process::Command;

const SOURCES: [&str; 3] = ["src/nn/fused.cc", "src/nn/gradient.cc", "src/nn/stream.cc"];

fn main() {
    let libraries = env::var("DEP_PROTOSEG_LIBRARIES").expect("protoseg names libtorch's folder");
    compile();
    record_build(Path::new(&libraries));
    // For the unit tests.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
}

fn compile() {
    let include = env::var("DEP_PROTOSEG_INCLUDE").expect("protoseg names libtorch's headers");
    let abi = env::var("DEP_PROTOSEG_ABI").expect("protoseg names libtorch's ABI");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(&include)
        .include(Path::new(&include).join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .files(SOURCES)
        .compile("sagate_native");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
}

fn record_build(libraries: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    let version = libraries.join("../build-version");
    println!("cargo::rerun-if-changed={}", version.display());
    let rustc = Command::new(env::var("RUSTC").unwrap_or_default())
        .arg("--version")
        .output();
    for (name, value) in [
        ("LIBTORCH", std::fs::read_to_string(version).unwrap_or_default()),
        (
            "RUSTC",
            rustc
                .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
                .unwrap_or_default(),
        ),
        ("TARGET", env::var("TARGET").unwrap_or_default()),
        ("PROFILE", env::var("PROFILE").unwrap_or_default()),
    ] {
        let value = if value.trim().is_empty() {
            "unknown"
        } else {
            value.trim()
        };
        println!("cargo::rustc-env=SAGATE_BUILD_{name}={value}");
    }
}
