//! Dispatch of a file or bytes to the reader of its format.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::content::{self, Content};
use super::{Dtype, ImagingError, Limits, Picture, inflate, jpeg, nifti, npy, png, tensor};

/// A supported format.
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

impl Format {
    /// Its name in messages.
    fn name(&self) -> &'static str {
        match self {
            Format::Nifti => "NIfTI",
            Format::Png => "PNG",
            Format::Jpeg => "JPEG",
            Format::Npy => ".npy",
            Format::Safetensors => "safetensors",
            Format::Raw { .. } => "raw values",
        }
    }
}

/// Reads a picture from a file. Its content says which format it has; the extension counts only where the content is
/// silent. A NIfTI `.hdr`/`.img` pair is read by the name of either file.
///
/// # Errors
/// Every [`ImagingError`] that names a file.
pub fn read(path: &Path, limits: &Limits) -> Result<Picture, ImagingError> {
    read_as(path, limits, decode)
}

/// Reads a mask from a file, as [`decode_mask`] does.
///
/// # Errors
/// As [`read`] and [`decode_mask`].
pub fn read_mask(path: &Path, limits: &Limits) -> Result<Picture, ImagingError> {
    read_as(path, limits, decode_mask)
}

/// Reads a file: a NIfTI pair, or bytes of one format.
fn read_as(
    path: &Path,
    limits: &Limits,
    decode: fn(&[u8], Format, &str, &Limits) -> Result<Picture, ImagingError>,
) -> Result<Picture, ImagingError> {
    let bytes = read_bytes(path, limits)?;
    if let Some(picture) = nifti::read_pair(path, &bytes, limits)? {
        return Ok(picture);
    }
    let format = format_of(path, &bytes)?;
    decode(&bytes, format, &path.display().to_string(), limits)
}

/// Reads a mask from bytes: numbers as they are stored, since they are labels. Grey of few bits is not brought to 0..=255, a
/// palette's indices count and not its colours, booleans are 0 and 1, and JPEG is refused, which alters values.
///
/// # Errors
/// As [`decode`]; a JPEG.
pub fn decode_mask(
    bytes: &[u8],
    format: Format,
    name: &str,
    limits: &Limits,
) -> Result<Picture, ImagingError> {
    match format {
        Format::Png | Format::Npy => {
            limits.check_bytes(name, "size", bytes.len() as u64)?;
            require_format(bytes, &format, name)?;
            let mask = match format {
                Format::Png => png::decode(bytes, png::Meaning::Labels, name, limits),
                _ => npy::decode_mask(bytes, name, limits),
            };
            mask.map(Picture::Image)
        }
        Format::Jpeg => {
            let right =
                "PNG, NIfTI, .npy or safetensors: JPEG alters values, and a mask's values are its labels";
            Err(ImagingError::field(name, "mask format", "JPEG", right))
        }
        other => decode(bytes, other, name, limits),
    }
}

/// The format of a file.
fn format_of(path: &Path, bytes: &[u8]) -> Result<Format, ImagingError> {
    let format = match content::identify(bytes) {
        Content::Readable(format) => Some(format),
        Content::Foreign(_) => None,
        Content::Unknown => from_extension(path),
    };
    let name = path.display().to_string();
    format.ok_or_else(|| match nifti::is_voxel_file(path) {
        true => {
            let was = "missing: a .img file holds the voxels of a .hdr/.img pair alone";
            let right = "a .hdr file of the same name beside it";
            ImagingError::field(&name, "header", was, right)
        }
        false => unknown(bytes, &name),
    })
}

/// The format of bytes of which nothing else is known.
///
/// # Errors
/// [`ImagingError::UnknownFormat`] where it is none that is read here, with what it is.
pub fn recognise(bytes: &[u8], name: &str) -> Result<Format, ImagingError> {
    match content::identify(bytes) {
        Content::Readable(format) => Ok(format),
        Content::Foreign(_) | Content::Unknown => Err(unknown(bytes, name)),
    }
}

fn unknown(bytes: &[u8], name: &str) -> ImagingError {
    ImagingError::UnknownFormat {
        file: name.to_owned(),
        found: match content::identify(bytes) {
            Content::Foreign(what) => format!("it is {what}"),
            _ if inflate::is_gzip(bytes) => "it is gzip, but what it holds is not NIfTI".to_owned(),
            _ => {
                let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                format!("it begins with the bytes {}", start.join(" "))
            }
        },
    }
}

/// Reads a picture from bytes. `name` stands for the file in messages.
///
/// # Errors
/// Every [`ImagingError`] that names a file, but for those of opening it; [`ImagingError::Field`] where the bytes are plainly of
/// another format than `format`.
pub fn decode(bytes: &[u8], format: Format, name: &str, limits: &Limits) -> Result<Picture, ImagingError> {
    limits.check_bytes(name, "size", bytes.len() as u64)?;
    require_format(bytes, &format, name)?;
    match format {
        Format::Nifti => nifti::decode(bytes, name, limits),
        Format::Png => png::decode(bytes, png::Meaning::Picture, name, limits).map(Picture::Image),
        Format::Jpeg => jpeg::decode(bytes, name, limits).map(Picture::Image),
        Format::Npy => npy::decode(bytes, name, limits).map(Picture::Image),
        Format::Safetensors => tensor::decode_safetensors(bytes, name, limits).map(Picture::Image),
        Format::Raw { dtype, shape } => {
            tensor::decode_raw(bytes, dtype, &shape, name, limits).map(Picture::Image)
        }
    }
}

/// Refuses bytes that are detected as another format. Raw values cannot be detected.
fn require_format(bytes: &[u8], format: &Format, name: &str) -> Result<(), ImagingError> {
    if matches!(format, Format::Raw { .. }) {
        return Ok(());
    }
    let found = match content::identify(bytes) {
        Content::Readable(found) if found == *format => return Ok(()),
        Content::Readable(found) => found.name(),
        Content::Foreign(what) => what,
        Content::Unknown => return Ok(()),
    };
    let right = format!("{}, as was said of it", format.name());
    Err(ImagingError::field(name, "format", found, right))
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
