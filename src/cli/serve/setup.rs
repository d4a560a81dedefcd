//! The engine's configuration from the settings.

use std::time::Duration;

use sagate_core::nn::placement::Placement;

use crate::config::{ServingSettings, Settings, VersionsSetting};
use crate::engine::{
    AdmissionLimits, BatchingPolicy, Canary, EngineConfig, QueueLimits, ServingPolicies, ServingPolicy,
    Slots, Traffic, Versions,
};

/// Concurrent batches of a GPU: while one is computed, the next is copied.
const GPU_SLOTS: usize = 2;

/// The engine's configuration on a device.
pub(super) fn setup(settings: &Settings, placement: Placement) -> EngineConfig {
    let device = placement.device;
    let engine = &settings.engine;
    let model = QueueLimits {
        entries: engine.queue_entries,
        bytes: engine.queue_bytes,
    };
    let all = QueueLimits {
        entries: engine.total_entries,
        bytes: engine.total_bytes,
    };
    let or = |own: u64, common: u64| if own == 0 { common } else { own };
    let client = QueueLimits {
        entries: or(engine.client_entries as u64, all.entries as u64) as usize,
        bytes: or(engine.client_bytes, all.bytes),
    };
    EngineConfig {
        placement,
        slots: slots(settings, device),
        memory: memory(settings, device),
        admission: AdmissionLimits { model, client, all },
        aging: Duration::from_secs(engine.priority_aging_seconds),
        nice: engine.nice as i32,
        warm_up_sides: engine.warm_up_sides.clone(),
        serving: serving_plan(settings, device),
        load_timeout: Duration::from_secs(settings.models.load_seconds),
        strict_readiness: settings.readiness.strict,
    }
}

/// The device's slots for batches.
fn slots(settings: &Settings, device: tch::Device) -> Slots {
    match device {
        tch::Device::Cpu => Slots {
            count: match settings.device.threads {
                0 => std::thread::available_parallelism().map_or(1, usize::from),
                threads => threads,
            },
            divisible: true,
        },
        _ => Slots {
            count: GPU_SLOTS,
            divisible: false,
        },
    }
}

/// Memory limit of the feature maps of all running batches. On a GPU there is none: a batch that does not fit is split.
fn memory(settings: &Settings, device: tch::Device) -> u64 {
    match (settings.engine.activation_bytes, device) {
        (0, tch::Device::Cpu) => available().map_or(u64::MAX, |bytes| bytes / 2),
        (0, _) => u64::MAX,
        (bytes, _) => bytes,
    }
}

/// Available memory, within the limits of the process's control group.
fn available() -> Option<u64> {
    let of_group = || -> Option<u64> {
        let read = |file: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok();
        let most: u64 = read("memory.max")?.trim().parse().ok()?;
        let used: u64 = read("memory.current")?.trim().parse().ok()?;
        Some(most.saturating_sub(used))
    };
    let of_system = || -> Option<u64> {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kibibytes * 1024)
    };
    of_system().into_iter().chain(of_group()).min()
}

/// Maximum batch size on a device; 0 leaves it to the device. A core of a CPU is busy with one image and takes no less time for each of
/// several; only below some 64 x 64 pixels do a few together save something (`sagate --threads 1 bench network --size 32 --batch 4`). A GPU
/// is filled only by many.
fn largest_batch(max_batch: usize, device: tch::Device) -> usize {
    match (max_batch, device) {
        (0, tch::Device::Cpu) => 1,
        (0, _) => 16,
        (most, _) => most,
    }
}

fn serving_plan(settings: &Settings, device: tch::Device) -> ServingPolicies {
    let common = ServingSettings::default();
    ServingPolicies {
        common: serving(settings, &common, device),
        models: settings
            .serving
            .iter()
            .map(|(name, section)| (name.clone(), serving(settings, section, device)))
            .collect(),
    }
}

fn serving(settings: &Settings, section: &ServingSettings, device: tch::Device) -> ServingPolicy {
    let engine = &settings.engine;
    let wait = section.batch_wait_ms.unwrap_or(engine.batch_wait_ms);
    let preferred = section.preferred_batches.as_ref();
    let preferred = preferred.unwrap_or(&engine.preferred_batches).clone();
    let version = |version: Option<usize>| version.filter(|&it| it > 0).map(|it| it as u32);
    let canary = version(section.canary).map(|version| Canary {
        version,
        share: section.canary_share.unwrap_or(0.0),
    });
    ServingPolicy {
        weight: section.weight.unwrap_or(1.0),
        instances: section.instances.unwrap_or(engine.instances),
        batching: BatchingPolicy {
            max_batch: match section.max_batch {
                None | Some(0) => {
                    let largest = preferred.last().copied().unwrap_or(1);
                    largest_batch(engine.max_batch, device).max(largest)
                }
                Some(most) => most,
            },
            bucket: section.bucket.unwrap_or(engine.bucket),
            max_wait: Duration::from_secs_f64(wait / 1000.0),
            preferred,
        },
        versions: match &section.versions {
            None | Some(VersionsSetting::All) => Versions::All,
            Some(VersionsSetting::Latest) => Versions::Latest,
            Some(VersionsSetting::Named(named)) => {
                Versions::Named(named.iter().map(|&version| version as u32).collect())
            }
        },
        traffic: Traffic {
            pinned: version(section.pinned),
            shadow: version(section.shadow),
            canary,
        },
    }
}
