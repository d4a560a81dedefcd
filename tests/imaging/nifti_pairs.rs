//! NIfTI-2, and `.hdr`/`.img` pairs by the name of either file: the same picture as NIfTI-1 in one file.
//!
//! What would break: half of a pair is read as something else, or the other half of another scan is taken.

use std::fs;
use std::path::Path;

use sagate_core::imaging::{Format, Limits, Picture, decode, read};

use crate::nifti_file::NiftiFile;

/// A file whose every field matters.
fn scan() -> NiftiFile {
    let mut file = NiftiFile::counting(&[4, 3, 2]);
    (file.slope, file.intercept) = (2.0, -7.0);
    file.sform_code = 2;
    file.sform = [[0.0, -1.5, 0.0, 9.0], [0.0, 0.0, 2.0, -5.0], [3.0, 0.0, 0.0, 1.0]];
    file
}

fn big(mut file: NiftiFile) -> NiftiFile {
    file.big_endian = true;
    file.data = file.data.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect();
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap()
}

fn volume(picture: Picture) -> (ndarray::Array4<f32>, [[f64; 4]; 3]) {
    match picture {
        Picture::Volume(volume) => (volume.voxels.clone(), volume.affine()),
        Picture::Image(_) => panic!("an image, not a volume"),
    }
}

fn decoded(bytes: &[u8]) -> Picture {
    decode(bytes, Format::Nifti, "scan", &Limits::default()).unwrap()
}

#[test]
fn nifti_2_is_read_as_nifti_1() {
    let expected = volume(decoded(&scan().bytes()));
    for file in [scan(), big(scan())] {
        let bytes = file.bytes_2();
        assert_eq!(
            sagate_core::imaging::recognise(&bytes, "file").unwrap(),
            Format::Nifti
        );
        assert_eq!(
            sagate_core::imaging::recognise(&gzip(&bytes), "file").unwrap(),
            Format::Nifti
        );
        assert_eq!(volume(decoded(&bytes)), expected);
        assert_eq!(volume(decoded(&gzip(&bytes))), expected);
    }
}

/// Header and voxels of a pair.
fn split(file: &NiftiFile, version: u8) -> (Vec<u8>, Vec<u8>) {
    let mut file = file.clone();
    file.magic = *b"ni1\0";
    let mut header = if version == 1 {
        file.bytes()
    } else {
        file.bytes_2()
    };
    let size = if version == 1 { 348 } else { 540 };
    header.truncate(size);
    match version {
        1 => header[108..112].fill(0),
        _ => header[168..176].fill(0),
    }
    (header, file.data)
}

#[test]
fn a_pair_is_read_by_the_name_of_either_file() {
    let expected = volume(decoded(&scan().bytes()));
    for (version, file) in [(1, scan()), (2, scan()), (1, big(scan())), (2, big(scan()))] {
        let (header, voxels) = split(&file, version);
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for (names, packed) in [
            (["a.hdr", "a.img"], [false, false]),
            (["b.hdr.gz", "b.img.gz"], [true, true]),
            (["c.hdr", "c.img.gz"], [false, true]),
            (["D.HDR", "D.IMG"], [false, false]),
        ] {
            let write = |name: &str, bytes: &[u8], packed: bool| {
                let bytes = if packed { gzip(bytes) } else { bytes.to_vec() };
                fs::write(place(name), bytes).unwrap();
            };
            write(names[0], &header, packed[0]);
            write(names[1], &voxels, packed[1]);
            for name in names {
                let picture =
                    read(&place(name), &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(volume(picture), expected, "{name}");
            }
        }
    }
}

fn refusal(path: &Path) -> String {
    read(path, &Limits::default())
        .expect_err("half a pair")
        .to_string()
}

#[test]
fn half_a_pair_says_what_is_missing() {
    let (header, voxels) = split(&scan(), 1);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("alone.hdr"), &header).unwrap();
    let message = refusal(&place("alone.hdr"));
    assert!(
        message.contains("no .img file of this name beside it"),
        "{message}"
    );
    fs::write(place("voxels.img"), &voxels).unwrap();
    let message = refusal(&place("voxels.img"));
    assert!(message.contains("header is missing"), "{message}");
    assert!(message.contains("a .hdr file of the same name"), "{message}");
    // Where only bytes are given there is no other file.
    let message = decode(&header, Format::Nifti, "image", &Limits::default()).unwrap_err();
    assert!(
        message.to_string().contains("whose voxels lie in the .img file"),
        "{message}"
    );
    let message = decode(&voxels, Format::Nifti, "image", &Limits::default()).unwrap_err();
    assert!(message.to_string().contains("sizeof_hdr is"), "{message}");
    let message = decode(&[7; 600], Format::Nifti, "image", &Limits::default()).unwrap_err();
    assert!(
        message.to_string().contains("the .img file of a .hdr/.img pair"),
        "{message}"
    );

    fs::write(place("short.hdr"), &header).unwrap();
    fs::write(place("short.img"), &voxels[..10]).unwrap();
    for name in ["short.hdr", "short.img"] {
        let message = refusal(&place(name));
        assert!(
            message.contains("short.img: voxel data is cut short: 10 bytes"),
            "{message}"
        );
    }
}

#[test]
fn analyze_is_refused_by_its_name() {
    let (mut header, voxels) = split(&scan(), 1);
    header[344..348].fill(0);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("old.hdr"), &header).unwrap();
    fs::write(place("old.img"), &voxels).unwrap();
    for name in ["old.hdr", "old.img"] {
        let message = refusal(&place(name));
        assert!(message.contains("Analyze 7.5"), "{message}");
        assert!(message.contains("convert the image to NIfTI"), "{message}");
    }
    assert_eq!(
        sagate_core::imaging::recognise(&header, "file").unwrap(),
        Format::Nifti
    );
}
