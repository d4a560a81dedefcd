//! Compiles the protocols, and tells the binary where libtorch lies.

use std::env;
use std::path::PathBuf;

use prost::Message;
use prost_types::FileDescriptorSet;

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

/// The protocols' methods as the enum `Rpc`: name, service, path and documentation of each are those of its descriptor. Method names are
/// labels of metrics, so two services cannot share one: `Rpc` would not compile.
fn rpc_enum(descriptors: &FileDescriptorSet) -> String {
    let methods = methods(descriptors);
    let each =
        |line: &dyn Fn(&Method) -> String| -> String { methods.iter().map(|it| line(it) + "\n").collect() };
    let arms = |value: &dyn Fn(&Method) -> String| each(&|it| format!("Rpc::{} => {},", it.name, value(it)));
    let path = |it: &Method| format!("\"/{}/{}\"", it.service, it.name);
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
        }}",
        variants = each(&|it| format!("{}{},", it.documentation, it.name)),
        count = methods.len(),
        all = each(&|it| format!("Rpc::{},", it.name)),
        names = arms(&|it| format!("\"{}\"", it.name)),
        services = arms(&|it| format!("\"{}\"", it.service)),
        paths = arms(&path),
        streaming = arms(&|it| it.is_client_streaming.to_string()),
        by_path = each(&|it| format!("{} => Some(Rpc::{}),", path(it), it.name)),
    )
}

/// A method of a protocol.
struct Method {
    /// With its package.
    service: String,
    name: String,
    is_client_streaming: bool,
    /// The comment above it, as lines of Rust documentation.
    documentation: String,
}

/// Every method, in the order of the files.
fn methods(descriptors: &FileDescriptorSet) -> Vec<Method> {
    // Field numbers of `FileDescriptorProto.service` and `ServiceDescriptorProto.method` (google/protobuf/descriptor.proto).
    const SERVICE: i32 = 6;
    const METHOD: i32 = 2;
    let mut methods = Vec::new();
    for file in &descriptors.file {
        let locations = file
            .source_code_info
            .as_ref()
            .map_or(&[][..], |info| &info.location);
        for (service_index, service) in (0..).zip(&file.service) {
            for (method_index, method) in (0..).zip(&service.method) {
                let path = [SERVICE, service_index, METHOD, method_index];
                let location = locations.iter().find(|location| location.path == path);
                let comment = location.map_or("", |location| location.leading_comments());
                methods.push(Method {
                    service: format!("{}.{}", file.package(), service.name()),
                    name: method.name().to_owned(),
                    is_client_streaming: method.client_streaming(),
                    documentation: comment
                        .trim_end()
                        .lines()
                        .map(|line| format!("///{line}\n"))
                        .collect(),
                });
            }
        }
    }
    methods
}
