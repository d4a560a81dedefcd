//! Sets libtorch's library path for the unit tests.

fn main() {
    let libraries = std::env::var("DEP_PROTOSEG_LIBRARIES").expect("protoseg names libtorch's folder");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
    println!("cargo::rerun-if-changed=build.rs");
}
