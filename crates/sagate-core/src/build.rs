//! Build information, for bug reports.

/// The release of sagate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The release of libtorch that it was compiled against.
pub const LIBTORCH: &str = env!("SAGATE_BUILD_LIBTORCH");
/// The compiler's name and release.
pub const RUSTC: &str = env!("SAGATE_BUILD_RUSTC");
/// The target triple.
pub const TARGET: &str = env!("SAGATE_BUILD_TARGET");
/// The cargo profile.
pub const PROFILE: &str = env!("SAGATE_BUILD_PROFILE");
