//! Compiles the protocols, and tells the binary where libtorch lies.

use std::env;
use std::path::PathBuf;

use prost::Message;

const PROTOCOLS: [&str; 3] = [
    "sagate/v1/quality_control.proto",
    "sagate/v1/model_admin.proto",
    "inference/grpc_service.proto",
];
fn main() {
    compile_protocol();
    // torch-sys says where it found libtorch, whatever the caller's way to point at it was.
    let libraries = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys names its libtorch"));
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    // Where a package puts it, beside the binary's folder.
    println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/sagate");
    // Where `make libtorch-cuda` puts the CUDA half; looked at only when a GPU is asked for.
    let package = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg=-Wl,-rpath,{package}/.libtorch-cuda/lib");
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
        .codec_path("crate::grpc::transport::codec::Codec")
        .compile_fds(descriptors)
        .unwrap_or_else(|error| panic!("proto: {error}"));
    println!("cargo::rerun-if-changed=proto");
}
