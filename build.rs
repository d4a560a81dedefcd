//! Tells the binary where libtorch lies (so that no `LD_LIBRARY_PATH` is needed) and how it was built.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys says where it found libtorch; whatever the caller's way to point at it was.
    let libraries = std::env::var("DEP_TCH_LIBTORCH_LIB").unwrap_or_default();
    if !libraries.is_empty() {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{libraries}");
    }
    let stated = Path::new(&libraries).join("../build-version");
    println!("cargo::rerun-if-changed={}", stated.display());
    let libtorch = std::fs::read_to_string(stated).unwrap_or_default();
    let rustc = Command::new(std::env::var("RUSTC").unwrap_or_default())
        .arg("--version")
        .output();
    let rustc = rustc
        .map(|it| String::from_utf8_lossy(&it.stdout).into_owned())
        .unwrap_or_default();
    for (name, value) in [
        ("LIBTORCH", libtorch),
        ("RUSTC", rustc),
        ("TARGET", std::env::var("TARGET").unwrap_or_default()),
        ("PROFILE", std::env::var("PROFILE").unwrap_or_default()),
    ] {
        let value = if value.trim().is_empty() {
            "unknown"
        } else {
            value.trim()
        };
        println!("cargo::rustc-env=SAGATE_BUILD_{name}={value}");
    }
}
