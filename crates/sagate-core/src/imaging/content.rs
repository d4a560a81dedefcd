//! Format detection by a file's first bytes: supported formats, and unsupported ones that error messages can name.

use super::read::Format;
use super::{inflate, nifti, npy, png, tensor};

/// The detected format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// A supported format.
    Readable(Format),
    /// A known but unsupported format, with its name.
    Foreign(&'static str),
    /// No known format.
    Unknown,
}

/// Detects the format from the first bytes; of gzip, from those of the unpacked data.
pub(super) fn identify(bytes: &[u8]) -> Content {
    if let Some(format) = readable(bytes) {
        return Content::Readable(format);
    }
    if inflate::is_gzip(bytes) {
        let start = inflate::start(bytes, PACKED_START);
        return match foreign(&start) {
            _ if nifti::looks_like(&start) => Content::Readable(Format::Nifti),
            Some(what) => Content::Foreign(what),
            None => Content::Unknown,
        };
    }
    foreign(bytes).map_or(Content::Unknown, Content::Foreign)
}

/// Bytes of gzip that are unpacked for detection.
const PACKED_START: u64 = 1024;

fn readable(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(png::SIGNATURE) {
        Some(Format::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some(Format::Jpeg)
    } else if bytes.starts_with(npy::MAGIC) {
        Some(Format::Npy)
    } else if nifti::looks_like(bytes) {
        Some(Format::Nifti)
    } else if tensor::looks_like_safetensors(bytes) {
        Some(Format::Safetensors)
    } else {
        None
    }
}

/// Formats by the bytes that they begin with.
const SIGNATURES: [(&[u8], &str); 22] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file itself; `git lfs pull` fetches it",
    ),
    (
        b"/annex/objects/",
        "a git-annex pointer, not the file itself; `git annex get` fetches it",
    ),
    (b"PK\x03\x04", "a zip archive (.zip, .npz)"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"NRRD", "NRRD"),
    (b"ObjectType", "MetaImage"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF", "PDF"),
    (b"CDF\x01", "NetCDF"),
    (b"CDF\x02", "NetCDF"),
    (b"SIMPLE  =", "FITS"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xfd7zXZ\0", "xz"),
];

fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let begins = SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start));
    let at = |offset: usize, tag: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(tag));
    if at(128, b"DICM") || is_bare_dicom(bytes) {
        Some("DICOM")
    } else if let Some(&(_, what)) = begins {
        Some(what)
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Some("WebP")
    } else if at(4, b"ftyp") {
        Some("HEIC, AVIF or a video")
    } else {
        markup(bytes)
    }
}

/// Whether bytes are DICOM without its preamble: the first element is one of group 2 or 8, little-endian, with a value
/// representation, or with the length of one of the short elements that stand first.
fn is_bare_dicom(bytes: &[u8]) -> bool {
    let &[group, 0, element, 0, a, b, c, d, ..] = bytes else {
        return false;
    };
    let explicit = a.is_ascii_uppercase() && b.is_ascii_uppercase();
    let implicit = u32::from_le_bytes([a, b, c, d]) <= 64 && element <= 0x18;
    matches!(group, 2 | 8) && (explicit || implicit && group == 8 && element != 0)
}

/// HTML, XML and JSON, which servers send instead of a file on errors.
fn markup(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    let begins = |word: &str| {
        let start = text.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") || begins("<head") {
        Some("an HTML page, as a server sends in place of a file")
    } else if begins("<svg") {
        Some("SVG")
    } else if begins("<?xml") || begins("<error") {
        Some("XML")
    } else if begins("{\"") || begins("[{") {
        Some("JSON")
    } else {
        None
    }
}
