//! libtorch, the processor, the device and the memory.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sagate_core::nn::placement::Placement;
use tch::{Kind, Tensor};

use super::super::version::cpu_features;
use super::finding::Finding;
use crate::config::{DeviceKind, Settings};
use crate::device;

/// Memory of the process beside its queues: libtorch, a model, a batch's activations. A low estimate.
const BESIDE_QUEUES: u64 = 512 << 20;

/// Checks the loaded libraries, and that they compute.
pub fn libtorch() -> Vec<Finding> {
    let built = sagate_core::build::LIBTORCH;
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let loaded = |start: &str| -> BTreeSet<PathBuf> {
        let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        let paths = paths.map(PathBuf::from);
        paths
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(start)
            })
            .collect()
    };
    let mut findings = Vec::new();
    let libraries = loaded("libtorch_cpu.so");
    match libraries.first() {
        Some(library) => {
            let stated = library
                .ancestors()
                .nth(2)
                .and_then(|folder| fs::read_to_string(folder.join("build-version")).ok());
            let stated = stated.map(|it| it.trim().to_owned());
            let at = library.display();
            findings.push(match stated {
                Some(stated) if !built.starts_with(&stated) && !stated.starts_with(built) => Finding::wrong(
                    "libtorch",
                    format!("{at} is version {stated}, and this program was built for {built}"),
                    format!("put libtorch {built} there, or build sagate against the one that is there"),
                ),
                _ => Finding::fine("libtorch", format!("{built}, {at}")),
            });
        }
        None => findings.push(Finding::note(
            "libtorch",
            format!("{built}, not seen among the loaded libraries"),
            "it may be linked statically; then there is nothing to do",
        )),
    }
    // Two OpenMP runtimes in one process each start one thread per core.
    let openmp: Vec<PathBuf> = ["libgomp", "libiomp5", "libomp"]
        .iter()
        .flat_map(|name| loaded(name))
        .collect();
    if openmp.len() > 1 {
        let paths: Vec<String> = openmp.iter().map(|path| path.display().to_string()).collect();
        findings.push(Finding::note(
            "libtorch",
            format!("two OpenMP runtimes are loaded: {}", paths.join(" and ")),
            "let LD_LIBRARY_PATH and LD_PRELOAD name one of them: two fight for the cores",
        ));
    }
    if !tch::utils::has_mkldnn() {
        findings.push(Finding::note(
            "libtorch",
            "was built without oneDNN",
            "convolutions are slow without it: use the libtorch of `make libtorch`",
        ));
    }
    findings
}

/// CPU features that select kernels.
pub fn processor() -> Finding {
    let features = cpu_features();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{cores} cores, {}", features.join(" "));
    let slow = cfg!(target_arch = "x86_64") && !(features.contains(&"avx2") && features.contains(&"fma"));
    if slow {
        return Finding::note(
            "processor",
            format!("{cores} cores, without AVX2 and FMA"),
            "it works, slowly; a virtual machine may hide them: let it pass the host's processor through",
        );
    }
    Finding::fine("processor", found)
}

/// Checks the configured device; `None` if it does not compute.
pub fn device(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Placement> {
    let placement = match device::placement(&settings.device) {
        Ok(placement) => placement,
        Err(error) => {
            let fix = "see the settings' section [device]";
            findings.push(Finding::wrong("device", error.to_string(), fix));
            return None;
        }
    };
    let device = placement.device;
    let sum = Tensor::f_ones([16, 16], (Kind::Float, device))
        .and_then(|ones| ones.f_matmul(&ones))
        .and_then(|product| product.f_sum(Kind::Float))
        .and_then(|sum| f64::try_from(&sum));
    let name = match device {
        tch::Device::Cpu => "cpu".to_owned(),
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}"),
    };
    let about = match (settings.device.kind, device) {
        (DeviceKind::Auto, tch::Device::Cpu) => " (auto: no CUDA GPU that works with this libtorch)",
        _ => "",
    };
    match sum {
        Ok(4096.0) => {
            findings.push(Finding::fine("device", format!("{name} computes{about}")));
            Some(placement)
        }
        Ok(wrong) => {
            let found = format!("{name} computes wrongly: 16 x 256 is {wrong}");
            let fix =
                "libtorch or the machine's memory is damaged: unpack libtorch anew, then test the memory";
            findings.push(Finding::wrong("device", found, fix));
            None
        }
        Err(error) => {
            let found = format!("{name} does not compute: {error}");
            let fix = "set device.kind to \"cpu\", or mend the driver";
            findings.push(Finding::wrong("device", found, fix));
            None
        }
    }
}

/// Checks threads against cores.
pub fn threads(settings: &Settings) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match settings.device.threads {
        0 => Finding::fine("threads", format!("{cores} for tensor operations, one a core")),
        threads if threads > cores => Finding::note(
            "threads",
            format!("device.threads is {threads}, and there are {cores} cores"),
            "set it to 0, which is one a core: more wait for each other",
        ),
        threads => Finding::fine(
            "threads",
            format!("{threads} for tensor operations, of {cores} cores"),
        ),
    }
}

/// Checks queue limits against available memory.
pub fn memory(settings: &Settings) -> Finding {
    let Some(there) = limit() else {
        return Finding::note(
            "memory",
            "cannot be read",
            "/proc/meminfo and the cgroup should be readable",
        );
    };
    let gib = |bytes: u64| bytes as f64 / f64::from(1u32 << 30);
    let queues = settings.engine.total_bytes;
    let found = format!(
        "{:.1} GiB; images that wait and run may take {:.1} of it",
        gib(there),
        gib(queues)
    );
    if queues.saturating_add(BESIDE_QUEUES) > there {
        let least = there.saturating_sub(BESIDE_QUEUES) / 2;
        return Finding::wrong(
            "memory",
            found,
            format!(
                "set engine.total_bytes to {least} or less, or give it more memory: full queues would be the kernel's to end"
            ),
        );
    }
    Finding::fine("memory", found)
}

/// Memory of this process: the machine's, or its cgroup's limit.
fn limit() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    let cgroup = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Some(cgroup.unwrap_or(u64::MAX).min(kib * 1024))
}
