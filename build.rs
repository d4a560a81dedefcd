//! Compiles the protocols, and tells the binary where libtorch lies.

use std::env;
use std::fmt::Write;
use std::path::PathBuf;

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

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
    std::fs::write(out.join("rpc.rs"), rpc_enum(&descriptors)).expect("the build folder can be written");
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

/// The protocols' methods as the enum `Rpc`: name, service, path and documentation of each are those of its descriptor.
fn rpc_enum(descriptors: &FileDescriptorSet) -> String {
    let mut variants = String::new();
    let mut all = String::new();
    let mut names = String::new();
    let mut services = String::new();
    let mut paths = String::new();
    let mut by_path = String::new();
    let mut streaming = String::new();
    let count = each_method(descriptors, |service, method, comment| {
        let name = method.name();
        for line in comment.trim_end().lines() {
            write_line(&mut variants, &format!("///{line}"));
        }
        write_line(&mut variants, &format!("{name},"));
        write_line(&mut all, &format!("Rpc::{name},"));
        write_line(&mut names, &format!("Rpc::{name} => \"{name}\","));
        write_line(&mut services, &format!("Rpc::{name} => \"{service}\","));
        write_line(&mut paths, &format!("Rpc::{name} => \"/{service}/{name}\","));
        let is_streaming = method.client_streaming();
        write_line(&mut streaming, &format!("Rpc::{name} => {is_streaming},"));
        write_line(
            &mut by_path,
            &format!("\"/{service}/{name}\" => Some(Rpc::{name}),"),
        );
    });
    format!(
        "/// A method of the protocols in `proto/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rpc {{ {variants} }}
        impl Rpc {{
            /// Every method, in the order of the files.
            pub const ALL: [Rpc; {count}] = [{all}];
            /// The method's name in its service.
            pub const fn name(self) -> &'static str {{ match self {{ {names} }} }}
            /// The service that has it, with its package.
            pub const fn service(self) -> &'static str {{ match self {{ {services} }} }}
            /// Its path over HTTP/2: `/SERVICE/METHOD`.
            pub const fn path(self) -> &'static str {{ match self {{ {paths} }} }}
            /// Whether its client sends a stream of messages.
            pub const fn is_client_streaming(self) -> bool {{ match self {{ {streaming} }} }}
            /// The method of a path `/SERVICE/METHOD`.
            pub fn from_path(path: &str) -> Option<Rpc> {{ match path {{ {by_path} _ => None }} }}
        }}"
    )
}

fn write_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes all");
}

/// Calls `see` with service, method and leading comment of every method, and counts them. Method names are labels of metrics, so two
/// services cannot share one: `Rpc` would not compile.
fn each_method(
    descriptors: &FileDescriptorSet,
    mut see: impl FnMut(&str, &MethodDescriptorProto, &str),
) -> usize {
    // Field numbers of `FileDescriptorProto.service` and `ServiceDescriptorProto.method` (google/protobuf/descriptor.proto).
    const SERVICE: i32 = 6;
    const METHOD: i32 = 2;
    let mut count = 0;
    for file in &descriptors.file {
        let locations = file
            .source_code_info
            .as_ref()
            .map_or(&[][..], |info| &info.location);
        for (of_service, service) in (0..).zip(&file.service) {
            let service_name = format!("{}.{}", file.package(), service.name());
            for (of_method, method) in (0..).zip(&service.method) {
                let path = [SERVICE, of_service, METHOD, of_method];
                let location = locations.iter().find(|location| location.path == path);
                let comment = location.map_or("", |location| location.leading_comments());
                see(&service_name, method, comment);
                count += 1;
            }
        }
    }
    count
}
