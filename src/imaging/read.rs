//! Which format a file has, and the way to its reader.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Dtype, ImagingError, Limits, Picture, bitmap, inflate, nifti, npy, tensor};

/// How bytes are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// NIfTI-1 or NIfTI-2 in one file, plain or gzipped.
    Nifti,
    /// PNG, 8 or 16 bit, grey or RGB.
    Png,
    /// JPEG, 8 bit, grey or RGB.
    Jpeg,
    /// NumPy `.npy`: `[height, width]` or `[channels, height, width]`.
    Npy,
    /// safetensors with a tensor `image`: `[height, width]` or `[channels, height, width]`.
    Safetensors,
    /// The values alone, little-endian, the last axis contiguous.
    Raw {
        /// The type of each value.
        dtype: Dtype,
        /// `[height, width]` or `[channels, height, width]`.
        shape: Vec<usize>,
    },
}

/// Reads a picture from a file. Its content says which format it has; the extension counts only where the content is
/// silent. A NIfTI `.hdr`/`.img` pair is read by the name of either file.
///
/// # Errors
/// Every [`ImagingError`] that names a file.
pub fn read(path: &Path, limits: &Limits) -> Result<Picture, ImagingError> {
    let name = path.display().to_string();
    let bytes = read_bytes(path, limits)?;
    if let Some(picture) = nifti::read_pair(path, &bytes, limits)? {
        return Ok(picture);
    }
    let format =
        recognise(&bytes)
            .or_else(|| from_extension(path))
            .ok_or_else(|| match nifti::is_voxel_file(path) {
                true => {
                    let was = "missing: a .img file holds the voxels of a .hdr/.img pair alone";
                    let right = "a .hdr file of the same name beside it";
                    ImagingError::field(&name, "header", was, right)
                }
                false => ImagingError::UnknownFormat {
                    file: name.clone(),
                    found: describe_start(&bytes),
                },
            })?;
    decode(&bytes, format, &name, limits)
}

/// Reads a picture from bytes. `name` stands for the file in messages.
///
/// # Errors
/// Every [`ImagingError`] that names a file, but for those of opening it.
pub fn decode(bytes: &[u8], format: Format, name: &str, limits: &Limits) -> Result<Picture, ImagingError> {
    limits.check_bytes(name, "size", bytes.len() as u64)?;
    match format {
        Format::Nifti => nifti::decode(bytes, name, limits),
        Format::Png => bitmap::decode_png(bytes, name, limits).map(Picture::Image),
        Format::Jpeg => bitmap::decode_jpeg(bytes, name, limits).map(Picture::Image),
        Format::Npy => npy::decode(bytes, name, limits).map(Picture::Image),
        Format::Safetensors => tensor::decode_safetensors(bytes, name, limits).map(Picture::Image),
        Format::Raw { dtype, shape } => {
            tensor::decode_raw(bytes, dtype, &shape, name, limits).map(Picture::Image)
        }
    }
}

/// All bytes of a file, no more than the limit.
pub(super) fn read_bytes(path: &Path, limits: &Limits) -> Result<Vec<u8>, ImagingError> {
    let name = path.display().to_string();
    let unreadable = |source| ImagingError::Unreadable {
        file: path.display().to_string(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(ImagingError::Folder { file: name });
    }
    limits.check_bytes(&name, "size", metadata.len())?;
    let mut bytes = Vec::new();
    file.take(limits.max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    limits.check_bytes(&name, "size", bytes.len() as u64)?;
    if bytes.is_empty() {
        return Err(ImagingError::field(
            &name,
            "size",
            "0 bytes",
            "an image file's bytes",
        ));
    }
    Ok(bytes)
}

/// The format that the first bytes say; `None` where they say nothing.
pub fn recognise(bytes: &[u8]) -> Option<Format> {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    if bytes.starts_with(PNG) {
        Some(Format::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some(Format::Jpeg)
    } else if bytes.starts_with(npy::MAGIC) {
        Some(Format::Npy)
    } else if nifti::looks_like(bytes)
        || (inflate::is_gzip(bytes) && nifti::looks_like(&inflate::start(bytes, 348)))
    {
        Some(Format::Nifti)
    } else if tensor::looks_like_safetensors(bytes) {
        Some(Format::Safetensors)
    } else {
        None
    }
}

/// The format that the file's name says.
fn from_extension(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".nii", ".nii.gz", ".hdr", ".hdr.gz"]) {
        Some(Format::Nifti)
    } else if ends(&[".png"]) {
        Some(Format::Png)
    } else if ends(&[".jpg", ".jpeg"]) {
        Some(Format::Jpeg)
    } else if ends(&[".npy"]) {
        Some(Format::Npy)
    } else if ends(&[".safetensors"]) {
        Some(Format::Safetensors)
    } else {
        None
    }
}

/// What a file of unknown format begins with, in words where sagate knows the format but does not read it.
fn describe_start(bytes: &[u8]) -> String {
    if bytes.get(128..132) == Some(b"DICM") {
        return "it is DICOM".to_owned();
    }
    if inflate::is_gzip(bytes) {
        return "it is gzip, but what it holds is not NIfTI".to_owned();
    }
    let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("it begins with the bytes {}", start.join(" "))
}
