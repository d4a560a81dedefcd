//! Compiles the protocols and the small pieces of C++ that reach what tch does not (libtorch's thread pool, oneDNN's fused convolution,
//! hooks on gradients, streams of a GPU), and tells the binary where libtorch lies and how it was built.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;

const PROTOCOLS: [&str; 3] = [
    "sagate/v1/quality_control.proto",
    "sagate/v1/model_admin.proto",
    "inference/grpc_service.proto",
];
const SOURCES: [&str; 4] = [
    "src/nn/fused.cc",
    "src/nn/gradient.cc",
    "src/nn/stream.cc",
    "src/protoseg/native/parallel.cc",
];

fn main() {
    compile_protocol();
    // torch-sys says where it found libtorch, whatever the caller's way to point at it was.
    let libraries = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its libtorch"));
    compile(&libraries);
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    // Where a package puts it, beside the binary's folder.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/sagate");
    // Where `make libtorch-cuda` puts the CUDA half; looked at only when a GPU is asked for.
    let package = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg=-Wl,-rpath,{package}/.libtorch-cuda/lib");
    state_the_build(&libraries);
}

/// The protocols as Rust, and their descriptors for reflection. protox reads the files, so no protoc is needed.
fn compile_protocol() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says where to build"));
    let descriptors = protox::compile(PROTOCOLS, ["proto"]).unwrap_or_else(|error| panic!("proto: {error}"));
    std::fs::write(out.join("sagate_descriptors.bin"), descriptors.encode_to_vec())
        .expect("the build folder can be written");
    tonic_prost_build::configure()
        // Images stay in the buffer that they arrived in.
        .bytes(".")
        // What is made of a map has one order.
        .btree_map(".inference")
        .codec_path("crate::grpc::codec::Codec")
        .compile_fds(descriptors)
        .unwrap_or_else(|error| panic!("proto: {error}"));
    println!("cargo::rerun-if-changed=proto");
}

fn compile(libraries: &Path) {
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
        .files(SOURCES)
        .compile("sagate_native");
    println!("cargo::rustc-link-lib=gomp");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    for variable in ["LIBTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
}

fn state_the_build(libraries: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    let stated = libraries.join("../build-version");
    println!("cargo::rerun-if-changed={}", stated.display());
    let rustc = Command::new(env::var("RUSTC").unwrap_or_default())
        .arg("--version")
        .output();
    for (name, value) in [
        ("LIBTORCH", std::fs::read_to_string(stated).unwrap_or_default()),
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
