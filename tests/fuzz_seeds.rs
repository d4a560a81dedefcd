//! Makes the seed corpora of the fuzz targets anew, from the samples and the tests' own makers:
//!
//!     cargo test --release --test fuzz_seeds -- --ignored
//!
//! Seeds whose names begin with `found-` are what fuzzers found; they stay.

#[path = "support/authority/mod.rs"]
mod authority;
#[path = "support/bad_files/mod.rs"]
mod bad_files;
#[path = "support/binary/mod.rs"]
mod binary;
#[path = "support/exif/mod.rs"]
mod exif;
#[path = "support/jpeg_file/mod.rs"]
mod jpeg_file;
#[path = "support/nifti_file/mod.rs"]
mod nifti_file;
#[path = "support/oip/mod.rs"]
mod oip;
#[path = "support/server/mod.rs"]
mod server;
#[path = "support/tiny_model/mod.rs"]
mod tiny_model;

use std::fs;
use std::path::{Path, PathBuf};

use authority::Authority;
use bad_files::{encoded, grey, half, jpeg_without_lines, nifti_floats, of_no_size, png_of};
use binary::{floats, gzip, npy, safetensors};
use exif::{exif, in_jpeg, in_png};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use jpeg_file::three_scans;
use nifti_file::NiftiFile;
use prost::Message;
use rcgen::SanType;
use sagate::proto::inference::ModelInferRequest;
use sagate::proto::inference::infer_parameter::ParameterChoice;
use sagate::proto::v1;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A settings file without its prose, which is larger than a seed may be.
fn without_comments(path: &str) -> Vec<u8> {
    let text = fs::read_to_string(here(path)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .flat_map(|line| [line, "\n"])
        .collect::<String>()
        .into_bytes()
}

/// Writes the seeds of one target in place of those that were made before.
fn seeds(target: &str, seeds: &[(&str, Vec<u8>)]) {
    let folder = here("fuzz/seeds").join(target);
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with("found-") {
            fs::remove_file(path).unwrap();
        }
    }
    for (name, bytes) in seeds {
        assert!(bytes.len() <= 16 << 10, "{target}/{name} is too large for a seed");
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn small() -> DynamicImage {
    GrayImage::from_fn(12, 9, |x, y| Luma([(x * 20 + y * 3) as u8])).into()
}

fn colours() -> DynamicImage {
    RgbImage::from_fn(7, 5, |x, y| Rgb([(x * 30) as u8, (y * 40) as u8, 128])).into()
}

fn tensor_file(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!(
        r#"{{"image":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{}]}}}}"#,
        bytes.len()
    );
    safetensors(&header, bytes)
}

#[test]
#[ignore = "it writes into the repository"]
fn pictures() {
    let mut moved = NiftiFile::counting(&[3, 4, 2]);
    moved.sform_code = 1;
    moved.sform = [[0.0, 2.0, 0.0, 1.0], [0.0, 0.0, -1.0, 2.0], [0.5, 0.0, 0.0, 3.0]];
    moved.slope = 2.0;
    moved.intercept = -1.0;
    let mut big = NiftiFile::counting(&[4, 3]);
    big.big_endian = true;
    let mut turned = NiftiFile::counting(&[2, 3, 4]);
    turned.qform_code = 1;
    turned.quaternion = [0.5, 0.5, 0.5, 1.0, 2.0, 3.0];
    let mut header = NiftiFile::counting(&[2, 3, 4]);
    header.magic = *b"ni1\0";
    header.data = Vec::new();
    let longs = (0..6u64).flat_map(u64::to_le_bytes).collect();
    let mut big_2 = moved.clone();
    big_2.big_endian = true;
    let mut analyze = header.clone();
    analyze.magic = [0; 4];
    let mut padded = gzip(&moved.bytes());
    padded.extend([0; 40]);
    seeds(
        "nifti",
        &[
            ("nifti-2.nii", moved.bytes_2()),
            ("nifti-2-big-endian.nii.gz", gzip(&big_2.bytes_2())),
            ("nifti-2-qform.nii", turned.bytes_2()),
            ("pair.hdr", header.bytes()),
            ("analyze.hdr", analyze.bytes()),
            ("int64.nii", NiftiFile::new(&[1, 2, 3], 1024, 64, longs).bytes()),
            (
                "channels.nii",
                NiftiFile::counting(&[2, 3, 1, 1, 3]).oriented().bytes(),
            ),
            ("zeros-behind.nii.gz", padded),
            ("counting.nii", NiftiFile::counting(&[2, 3, 4]).bytes()),
            ("counting.nii.gz", gzip(&NiftiFile::counting(&[2, 3, 4]).bytes())),
            ("sform.nii", moved.bytes()),
            ("qform.nii", turned.bytes()),
            ("big-endian.nii", big.bytes()),
            (
                "floats.nii.gz",
                gzip(&nifti_floats((0..512).map(|it| it as f32).collect()).bytes()),
            ),
            (
                "not-finite.nii",
                NiftiFile::new(&[1, 2], 16, 32, floats(vec![f32::NAN, 1.0])).bytes(),
            ),
            ("cut.nii", half(&NiftiFile::counting(&[2, 3, 4]).bytes()).to_vec()),
        ],
    );
    let deep = DynamicImage::from(image::ImageBuffer::from_fn(6, 4, |x, y| {
        Luma([(x * 9000 + y) as u16])
    }));
    let sample = fs::read(here("samples/t1-brain/masks/sagittal-033-clean.png")).unwrap();
    let half_size = GrayImage::from_fn(6, 5, |x, y| Luma([(x * 40 + y * 3) as u8]));
    seeds(
        "png_jpeg",
        &[
            ("grey.png", encoded(&small(), ImageFormat::Png)),
            ("grey16.png", encoded(&deep, ImageFormat::Png)),
            ("colours.png", encoded(&colours(), ImageFormat::Png)),
            ("mask.png", sample),
            ("huge.png", png_of(1 << 30, 1 << 30)),
            ("grey.jpg", encoded(&small(), ImageFormat::Jpeg)),
            ("colours.jpg", encoded(&colours(), ImageFormat::Jpeg)),
            ("no-lines.jpg", jpeg_without_lines()),
            (
                "three-scans.jpg",
                three_scans(&small().to_luma8(), [&half_size, &half_size]),
            ),
            (
                "turned.jpg",
                in_jpeg(&encoded(&small(), ImageFormat::Jpeg), &exif(6, true)),
            ),
            (
                "turned.png",
                in_png(&encoded(&small(), ImageFormat::Png), &exif(8, false), true),
            ),
            ("cut.jpg", half(&encoded(&grey(), ImageFormat::Jpeg)).to_vec()),
        ],
    );
    let of_format = |ending: &str| {
        let mut all = of_no_size().into_iter();
        all.find(|bad| bad.name.ends_with(ending)).unwrap().bytes
    };
    let values: Vec<f32> = (0..12).map(|it| it as f32 / 3.0).collect();
    seeds(
        "npy",
        &[
            ("f4.npy", npy("<f4", "(3, 4)", &floats(values.clone()))),
            ("channels.npy", npy("<f4", "(1, 3, 4)", &floats(values.clone()))),
            ("u1.npy", npy("|u1", "(2, 3)", &[1, 2, 3, 4, 5, 6])),
            ("flags.npy", npy("|b1", "(2, 3)", &[0, 1, 1, 0, 1, 0])),
            ("long.npy", npy("|u1", "(2L, 3L)", &[1, 2, 3, 4, 5, 6])),
            ("i2.npy", npy(">i2", "(1, 3)", &[0, 1, 0, 2, 0xff, 0xff])),
            ("none.npy", of_format(".npy")),
        ],
    );
    seeds(
        "safetensors",
        &[
            ("f32", tensor_file("F32", "[3,4]", &floats(values.clone()))),
            (
                "f16",
                tensor_file("F16", "[1,2,2]", &[0, 0x3c, 0, 0x40, 0, 0x42, 0, 0x44]),
            ),
            ("u8", tensor_file("U8", "[2,2]", &[1, 2, 3, 4])),
            ("none", of_format(".safetensors")),
        ],
    );
    let raw = |kind: u8, shape: &[u16], values: &[u8]| {
        let sides = shape.iter().flat_map(|side| side.to_le_bytes());
        [kind, shape.len() as u8]
            .into_iter()
            .chain(sides)
            .chain(values.iter().copied())
            .collect::<Vec<u8>>()
    };
    seeds(
        "raw",
        &[
            ("u8", raw(0, &[2, 3], &[1, 2, 3, 4, 5, 6])),
            ("f32", raw(4, &[1, 3, 4], &floats(values))),
            ("f16", raw(3, &[1, 2], &[0, 0x3c, 0, 0x7e])),
            ("overflow", raw(1, &[u16::MAX, u16::MAX], &[0; 8])),
        ],
    );
}

#[test]
#[ignore = "it writes into the repository"]
fn models_and_settings() {
    let mut tensors: Vec<(&str, Vec<u8>)> = Vec::new();
    let one = r#"{"head.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let two = r#"{"head.bias":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"x":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]}}"#;
    tensors.push(("one", safetensors(one, &1.0f32.to_le_bytes())));
    tensors.push(("two", safetensors(two, &[0; 6])));
    tensors.push(("not-finite", safetensors(one, &f32::NAN.to_le_bytes())));
    // The beginning of a bundled model's: its header is whole, its values are not.
    let bundled = fs::read(here("models/t1-brain/1/weights.safetensors")).unwrap();
    tensors.push(("header", bundled[..12 << 10].to_vec()));
    seeds("weights", &tensors);

    let manifest = |name: &str| fs::read(here(&format!("models/{name}/1/manifest.toml"))).unwrap();
    seeds(
        "manifest",
        &[
            ("t1-brain", manifest("t1-brain")),
            ("t1-nuclei", manifest("t1-nuclei")),
            ("cut", half(&manifest("t1-brain")).to_vec()),
        ],
    );
    let entry = |mu: f64| format!(r#"{{"name":"a","mu":{mu},"dice":0.5}}"#);
    let calibration = |coverage: f64, entries: &str| {
        format!(
            r#"{{"format":1,"model":"m","model_version":1,"data":"d","created":"2026-01-01","coverage":{coverage},"entries":[{entries}]}}"#
        )
        .into_bytes()
    };
    seeds(
        "calibration",
        &[
            ("one", calibration(0.9, &entry(0.5))),
            (
                "ties",
                calibration(0.5, &[entry(0.5), entry(0.5), entry(0.1)].join(",")),
            ),
            ("all", calibration(1.0, &entry(-1.0))),
            ("none", calibration(0.0, &entry(1e308))),
            ("empty", calibration(0.9, "")),
        ],
    );
    seeds(
        "settings",
        &[
            ("example", without_comments("sagate.example.toml")),
            (
                "tls",
                b"[tls]\ncert = \"a\"\nkey = \"b\"\n[server]\nlisten = \"0.0.0.0:1\"\n".to_vec(),
            ),
            (
                "dotted",
                b"gate.coverage = 0.5\ngate.allowed_coverage = [0, 1]\nlog = { level = \"off\" }".to_vec(),
            ),
            ("wrong", b"[gate]\ncovrage = 1e999\n".to_vec()),
        ],
    );
    let hash = "ab".repeat(32);
    seeds(
        "tokens",
        &[
            (
                "two",
                format!(
                    "# clients\n\nviewer infer {hash}\nlab infer,interpret {}\n",
                    "0".repeat(64)
                )
                .into_bytes(),
            ),
            ("twice", format!("a infer {hash}\nb infer {hash}\n").into_bytes()),
            ("wrong", b"viewer root abc\n".to_vec()),
        ],
    );
    let authority = Authority::new("Fuzz");
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    let client = |common, others| der(&authority.client(common, others).cert);
    seeds(
        "certificate",
        &[
            ("authority", der(&authority.pem())),
            ("common-name", client(Some("Reading Room 3"), Vec::new())),
            (
                "dns",
                client(None, vec![SanType::DnsName("lab.example".try_into().unwrap())]),
            ),
            (
                "uri",
                client(
                    None,
                    vec![SanType::URI(
                        "spiffe://hospital.example/viewer".try_into().unwrap(),
                    )],
                ),
            ),
        ],
    );
}

#[test]
#[ignore = "it writes into the repository"]
fn inferences() {
    let values: Vec<f32> = (0..24).map(|it| it as f32 / 7.0).collect();
    let tensor = oip::asks("IMAGE", "FP32", &[2, 1, 3, 4], floats(values.clone()));
    let png = oip::elements(&[&encoded(&small(), ImageFormat::Png)]);
    let mut parameters = oip::asks("IMAGE", "UINT8", &[3, 4], vec![7; 12]);
    for (name, choice) in [
        ("coverage", ParameterChoice::DoubleParam(0.5)),
        ("row_spacing", ParameterChoice::StringParam("1.5".into())),
        ("column_spacing", ParameterChoice::DoubleParam(2.0)),
        ("timeout", ParameterChoice::Int64Param(1_000_000)),
        ("priority", ParameterChoice::Int64Param(1)),
    ] {
        parameters = oip::with(parameters, name, choice);
    }
    let message = |request: ModelInferRequest| [&[0, 0][..], &request.encode_to_vec()].concat();
    let json = |it: &str| [&[0xff, 0xff][..], it.as_bytes()].concat();
    let binary = |it: &str, data: &[u8]| [&(it.len() as u16).to_le_bytes(), it.as_bytes(), data].concat();
    seeds(
        "oip",
        &[
            ("tensor", message(tensor)),
            (
                "png",
                message(oip::asks("IMAGE_FILE", "BYTES", &[1], png.clone())),
            ),
            ("parameters", message(parameters)),
            (
                "json",
                json(
                    r#"{"id":"a","parameters":{"threshold":0.5,"binary_data_output":true},
                    "inputs":[{"name":"IMAGE","shape":[2,3],"datatype":"INT16","data":[[1,-2,3],[4,5,6]]}],
                    "outputs":[{"name":"MU","parameters":{"binary_data":false}}]}"#,
                ),
            ),
            (
                "json-floats",
                json(
                    r#"{"inputs":[{"name":"IMAGE","shape":[1,1,3],"datatype":"FP32","data":[1.5,-2e3,3]}]}"#,
                ),
            ),
            (
                "binary",
                binary(
                    r#"{"inputs":[{"name":"IMAGE","shape":[2,12],"datatype":"FP32","parameters":{"binary_data_size":96}}]}"#,
                    &floats(values),
                ),
            ),
            (
                "binary-file",
                binary(
                    &format!(
                        r#"{{"inputs":[{{"name":"IMAGE_FILE","shape":[1],"datatype":"BYTES","parameters":{{"binary_data_size":{}}}}}]}}"#,
                        png.len()
                    ),
                    &png,
                ),
            ),
            ("empty", message(ModelInferRequest::default())),
        ],
    );
}

#[test]
#[ignore = "it writes into the repository"]
fn requests() {
    let tensor = v1::image::Source::Tensor(v1::Tensor {
        data_type: v1::DataType::Uint8.into(),
        shape: vec![1, 3, 4],
        data: vec![7; 12].into(),
        spacing: vec![1.0, 2.0],
    });
    let file = |data: Vec<u8>, slice| {
        v1::image::Source::File(v1::EncodedFile {
            format: v1::FileFormat::Unspecified.into(),
            data: data.into(),
            slice,
        })
    };
    let request = |source| v1::InterpretRequest {
        request_id: "one".into(),
        image: Some(v1::Image { source: Some(source) }),
        ..Default::default()
    };
    let full = v1::InterpretRequest {
        options: Some(v1::SegmentationOptions {
            model: Some(v1::ModelReference {
                name: "t1-brain".into(),
                version: 1,
            }),
            mask_format: v1::MaskFormat::Png.into(),
            probabilities: true,
            gate: Some(v1::segmentation_options::Gate::Coverage(0.5)),
            ..Default::default()
        }),
        layers: Some(v1::LayerOptions {
            layers: vec![17, 18],
            probability: v1::ProbabilityFormat::Uint8.into(),
            labels: true,
            resolution: v1::Resolution::Layer.into(),
            ..Default::default()
        }),
        units: vec![v1::UnitOptions {
            layer: 3,
            class: 1,
            count: 4,
            order: v1::UnitOrder::Spread.into(),
            average: true,
        }],
        ..request(tensor.clone())
    };
    seeds(
        "request",
        &[
            ("tensor", request(tensor).encode_to_vec()),
            (
                "png",
                request(file(encoded(&small(), ImageFormat::Png), None)).encode_to_vec(),
            ),
            (
                "volume",
                request(file(NiftiFile::counting(&[2, 3, 4]).bytes(), Some(1))).encode_to_vec(),
            ),
            ("full", full.encode_to_vec()),
            ("empty", Vec::new()),
        ],
    );
}
