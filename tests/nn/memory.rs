//! What a pass is counted to take is what a real process takes: the budget of feature maps rests on it.
//!
//! What would break: a count that is too low lets the kernel's killer find the image, one that is far too high refuses what fits.

use std::process::Command;

use sagate_core::nn::memory::segmentation;
use sagate_core::nn::unet::UNetConfig;

/// Bytes that are counted for scratch space, whether a pass takes them or found them taken.
const SCRATCH: f64 = 8.0 * 1024.0 * 1024.0;

/// The peak of one segmentation above what the process holds before it, as `sagate bench memory` measures it in a process of its own.
fn measured(base: i64, side: usize, convolutions: &str) -> u64 {
    let output = Command::new(env!("CARGO_BIN_EXE_sagate"))
        .args([
            "bench",
            "memory",
            "--base",
            &base.to_string(),
            "--size",
            &side.to_string(),
        ])
        .args(["--taps", "mu", "--device", "cpu", "--threads", "1"])
        .args(["--convolutions", convolutions])
        // Without huge pages, which the kernel fills up with what was given back whenever it likes: the same figure each time.
        .env("MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0,thp:never")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn the_count_is_what_a_process_takes() {
    for (base, side, convolutions) in [
        (8, 512, "libtorch"),
        (16, 512, "libtorch"),
        (16, 512, "winograd"),
        (32, 384, "libtorch"),
    ] {
        let network = UNetConfig {
            in_channels: 1,
            classes: 1,
            base_width: base,
        };
        let mu = [17, 18];
        let (counted, measured) = (
            segmentation(&network, &mu, [side, side]),
            measured(base, side, convolutions),
        );
        // Pages and scratch space, which are more of a small network's, differ from processor to processor and from run to run.
        let (least, most) = (0.9 * measured as f64, 1.25 * measured as f64 + SCRATCH);
        assert!(
            (least..most).contains(&(counted as f64)),
            "base {base}, side {side}, {convolutions}: counted {counted}, measured {measured}"
        );
    }
}

#[test]
fn it_grows_with_the_image_and_never_overflows() {
    let network = UNetConfig {
        in_channels: 3,
        classes: 2,
        base_width: 64,
    };
    let small = segmentation(&network, &[17, 18], [256, 256]);
    let twice = segmentation(&network, &[17, 18], [512, 256]) as f64 / small as f64;
    assert!((1.8..=2.0).contains(&twice), "{twice}");
    assert_eq!(
        segmentation(&network, &[17, 18], [250, 241]),
        small,
        "sides are padded to 16"
    );
    assert!(segmentation(&network, &[17, 18], [usize::MAX, usize::MAX]) > 1 << 60);
}
