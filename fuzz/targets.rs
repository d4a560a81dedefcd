//! What each fuzz target does with its bytes: every parser that meets bytes from outside. `fuzz_targets/` runs them under libFuzzer,
//! `tests/fuzz_replay.rs` runs them over the corpora on a stable compiler.
//!
//! None may panic, hang or take more memory than its limits allow; what is read must be what was promised.

use std::path::Path;
use std::sync::LazyLock;

use ndarray::{Array2, Array3};
use sagate::config::Settings;
use sagate::grpc::{ServiceError, read_request};
use sagate::oip::{InferenceForm, read_inference};
use sagate::security::{name_of, tokens::Tokens};
use sagate_core::gate::{By, Calibration, Policy};
use sagate_core::imaging::{self, Dtype, Format, ImagingError, Limits, Picture, Plane, mask};
use sagate_core::model::Manifest;
use sagate_core::nn::checkpoint::Weights;
use sagate_core::nn::unet::UNetConfig;

/// Small, so that a fuzzer that finds a way around them shows it soon.
const LIMITS: Limits = Limits {
    max_pixels: 1 << 18,
    max_bytes: 1 << 22,
};

/// A manifest for requests, the bundled model's, and a policy: read once, as that takes longer than most requests.
const MANIFEST: &str = include_str!("../models/t1-brain/1/manifest.toml");
static BUNDLED: LazyLock<Manifest> = LazyLock::new(|| {
    Manifest::parse(MANIFEST, Path::new("manifest.toml")).expect("the bundled model's is right")
});
static POLICY: LazyLock<Policy> = LazyLock::new(|| Settings::default().gate.policy());

/// NIfTI, plain or gzipped, and the masks on the grid that its header gives.
pub fn nifti(bytes: &[u8]) {
    decode(bytes, Format::Nifti);
    match imaging::decode(bytes, Format::Nifti, "fuzzed", &LIMITS) {
        Ok(Picture::Image(it)) => slice_mask(&it),
        Ok(Picture::Volume(volume)) => {
            let (_, x, y, z) = volume.voxels.dim();
            let mask =
                mask::encode_nifti(&Array3::zeros((x, y, z)), &volume, false).expect("the volume's shape");
            assert!(matches!(
                imaging::decode(&mask, Format::Nifti, "mask", &LIMITS),
                Ok(Picture::Image(_) | Picture::Volume(_))
            ));
            for plane in Plane::ALL {
                slice_mask(&volume.slice(plane, volume.extent(plane) / 2));
            }
        }
        Err(_) => {}
    }
}

/// A mask on the grid of an image. Where it lies may overflow, but it has its shape.
fn slice_mask(image: &imaging::Image) {
    let (_, height, width) = image.pixels.dim();
    let geometry = image.geometry.as_deref().expect("a NIfTI file has one");
    geometry.affine();
    let labels = Array2::zeros((height, width));
    mask::encode_nifti_image(&labels, image.spacing, Some(geometry), false).expect("the image's shape");
}

/// PNG and JPEG, and how a format is recognised.
pub fn png_jpeg(bytes: &[u8]) {
    match imaging::recognise(bytes, "fuzzed") {
        Ok(format) => decode(bytes, format),
        Err(_) => {
            decode(bytes, Format::Png);
            decode(bytes, Format::Jpeg);
        }
    }
}

/// NumPy's `.npy`.
pub fn npy(bytes: &[u8]) {
    decode(bytes, Format::Npy);
}

/// An image in safetensors.
pub fn safetensors(bytes: &[u8]) {
    decode(bytes, Format::Safetensors);
}

/// A model's weights in safetensors.
pub fn weights(bytes: &[u8]) {
    let config = UNetConfig {
        in_channels: 1,
        classes: 1,
        base_width: 1,
    };
    if let Err(error) = Weights::parse(bytes, Path::new("weights.safetensors"), &config) {
        assert!(!error.to_string().is_empty());
    }
}

/// A tensor's bytes with a type and a shape: one byte for the type, one for the number of axes, two for each axis, then the values.
pub fn raw(bytes: &[u8]) {
    let Some((&[kind, axes], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let dtype = match kind % 5 {
        0 => Dtype::U8,
        1 => Dtype::I16,
        2 => Dtype::U16,
        3 => Dtype::F16,
        _ => Dtype::F32,
    };
    let (sides, values) = rest.split_at(rest.len().min(2 * usize::from(axes % 6)));
    // The largest value stands for sides that overflow when they are multiplied.
    let side = |pair: &[u8]| match u16::from_le_bytes([pair[0], pair[1]]) {
        u16::MAX => usize::MAX,
        side => side.into(),
    };
    let shape = sides.chunks_exact(2).map(side).collect();
    decode(values, Format::Raw { dtype, shape });
}

/// A request of `sagate.v1`, from the wire to pixels.
pub fn request(bytes: &[u8]) {
    match read_request(bytes, &BUNDLED, &POLICY, &LIMITS) {
        Ok(image) => assert!(image.pixels.iter().all(|pixel| pixel.is_finite())),
        Err(error) => callers_fault(&error),
    }
}

/// An inference of the Open Inference Protocol: two bytes for its form, then the message or body. The two are, little-endian: 0 for gRPC,
/// the largest value for HTTP with JSON alone, and else how many bytes of the body are JSON, the rest being raw tensors.
pub fn oip(bytes: &[u8]) {
    let Some((&form, message)) = bytes.split_first_chunk() else {
        return;
    };
    let form = match u16::from_le_bytes(form) {
        0 => InferenceForm::Grpc,
        u16::MAX => InferenceForm::Http { json_length: None },
        length => InferenceForm::Http {
            json_length: Some(length.into()),
        },
    };
    match read_inference(message, form, &BUNDLED, &POLICY, &LIMITS) {
        Ok(images) => {
            assert!(!images.is_empty());
            let mut pixels = images.iter().flat_map(|image| &image.pixels);
            assert!(pixels.all(|pixel| pixel.is_finite()));
        }
        Err(error) => callers_fault(&error),
    }
}

fn callers_fault(error: &ServiceError) {
    assert!(
        !matches!(error, ServiceError::Internal),
        "a caller's fault is not the server's: {error}"
    );
    // What goes out must fit into a header.
    assert!(error.status().message().len() < 3000);
}

/// A model's manifest.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    match Manifest::parse(text, Path::new("manifest.toml")) {
        Ok(manifest) => assert!(manifest.check(Path::new("manifest.toml")).is_empty()),
        Err(findings) => assert!(!findings.is_empty()),
    }
}

/// A model's calibration.
pub fn calibration(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(calibration) = Calibration::parse(text, "calibration.json") else {
        return;
    };
    let threshold = calibration.threshold(calibration.coverage);
    assert!(!threshold.is_nan());
    assert!(calibration.acceptance_rate(threshold) >= calibration.coverage || calibration.coverage == 0.0);
    let _ = calibration.threshold_by(By::Score, 0.5);
    let again = Calibration::parse(
        &calibration.to_json().expect("what was read can be written"),
        "again",
    );
    assert_eq!(again.expect("what was written can be read"), calibration);
}

/// Settings.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = Settings::parse(text, Path::new("sagate.toml")) {
        assert!(!error.to_string().is_empty());
    }
}

/// A file of static tokens.
pub fn tokens(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(tokens) = Tokens::parse(text) {
        assert!(tokens.find("sagate_nobody-has-this").is_none());
    }
}

/// The name in a client's certificate.
pub fn certificate(bytes: &[u8]) {
    if let Some(name) = name_of(bytes) {
        assert!(!name.is_empty() && !name.chars().any(char::is_control));
    }
}

/// As an image, and as a mask.
fn decode(bytes: &[u8], format: Format) {
    for decoded in [
        imaging::decode(bytes, format.clone(), "fuzzed", &LIMITS),
        imaging::decode_mask(bytes, format, "fuzzed", &LIMITS),
    ] {
        check(decoded);
    }
}

fn check(decoded: Result<Picture, ImagingError>) {
    let image = |image: &imaging::Image| {
        assert!(!image.pixels.is_empty() && image.pixels.len() as u64 <= LIMITS.max_pixels);
        assert!(image.pixels.iter().all(|pixel| pixel.is_finite()));
        assert!(image.spacing.iter().all(|side| side.is_finite() && *side > 0.0));
    };
    match decoded {
        Ok(Picture::Image(it)) => image(&it),
        Ok(Picture::Volume(volume)) => {
            assert!(volume.voxels.len() as u64 <= LIMITS.max_pixels);
            for plane in [Plane::Axial, Plane::Coronal, Plane::Sagittal] {
                assert!(volume.extent(plane) >= 1);
                image(&volume.slice(plane, volume.extent(plane) - 1));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
