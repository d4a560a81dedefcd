//! The methods of the protocols, made from their descriptors by `build.rs`.

include!(concat!(env!("OUT_DIR"), "/rpc.rs"));
