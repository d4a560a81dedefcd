//! `sagate version`: version, build and platform.

use serde::Serialize;

use super::{Exit, out};
use crate::config::Settings;
use crate::device;

/// Arguments of `sagate version`.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Version {
    version: &'static str,
    rustc: &'static str,
    target: &'static str,
    profile: &'static str,
    libtorch: &'static str,
    onednn: bool,
    cpu_features: Vec<&'static str>,
    device: String,
    threads: i32,
}

/// Runs `sagate version`.
///
/// # Errors
/// CUDA is required and missing, or stdout cannot be written.
pub fn run(_args: Args, settings: &Settings) -> anyhow::Result<Exit> {
    let device = match device::open(&settings.device)? {
        tch::Device::Cpu => "cpu".to_string(),
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}"),
    };
    let version = Version {
        version: sagate_core::build::VERSION,
        rustc: sagate_core::build::RUSTC,
        target: sagate_core::build::TARGET,
        profile: sagate_core::build::PROFILE,
        libtorch: sagate_core::build::LIBTORCH,
        onednn: tch::utils::has_mkldnn(),
        cpu_features: cpu_features(),
        device,
        threads: tch::get_num_threads(),
    };
    if settings.json() {
        out::json(&version)?;
    } else {
        let features = version.cpu_features.join(" ");
        out::line(&format!(
            "sagate {}\nbuilt     {} for {}, {} profile\nlibtorch  {} ({} oneDNN)\ncpu       {}\ndevice    {}, {} threads",
            version.version,
            version.rustc,
            version.target,
            version.profile,
            version.libtorch,
            if version.onednn { "with" } else { "without" },
            if features.is_empty() {
                "baseline"
            } else {
                &features
            },
            version.device,
            version.threads,
        ))?;
    }
    Ok(Exit::Ok)
}

/// CPU features that select kernels.
pub(super) fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(target_arch = "aarch64")]
    let found = [("neon", std::arch::is_aarch64_feature_detected!("neon"))];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found: [(&str, bool); 0] = [];
    found
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
}
