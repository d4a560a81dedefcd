//! The two files of a `.hdr`/`.img` pair, found by the name of either.

use std::path::{Path, PathBuf};

use super::{decode_pair, looks_like_pair};
use crate::imaging::read::read_bytes;
use crate::imaging::{ImagingError, Limits, Picture, inflate};

/// Whether a file's name says that it holds the voxels of a pair.
pub(in crate::imaging) fn is_voxel_file(path: &Path) -> bool {
    split(path).is_some_and(|(_, ending, _)| ending.eq_ignore_ascii_case("img"))
}

/// Reads the pair that a file belongs to, given its bytes; `None` where it belongs to none.
///
/// # Errors
/// The other file is not there, or whatever is wrong with either.
pub(in crate::imaging) fn read_pair(
    path: &Path,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Option<Picture>, ImagingError> {
    let start = if inflate::is_gzip(bytes) {
        inflate::start(bytes, super::START as u64)
    } else {
        bytes[..bytes.len().min(super::START)].to_vec()
    };
    let name = path.display().to_string();
    let other = |path: &Path| -> Result<(Vec<u8>, String), ImagingError> {
        Ok((read_bytes(path, limits)?, path.display().to_string()))
    };
    if looks_like_pair(&start) {
        let Some(voxels) = partner(path, "img") else {
            let was = "that of a .hdr/.img pair, but there is no .img file of this name beside it";
            let right = "n+1 or n+2, or the voxels in a .img file beside it";
            return Err(ImagingError::field(&name, "magic", was, right));
        };
        let (voxels, voxels_name) = other(&voxels)?;
        return decode_pair((bytes, &name), (&voxels, &voxels_name), limits).map(Some);
    }
    if !is_voxel_file(path) {
        return Ok(None);
    }
    let Some(header) = partner(path, "hdr") else {
        return Ok(None);
    };
    let (header, header_name) = other(&header)?;
    decode_pair((&header, &header_name), (bytes, &name), limits).map(Some)
}

/// The file of the other ending beside `path`: packed as that is, or else the other way.
fn partner(path: &Path, wanted: &str) -> Option<PathBuf> {
    let (stem, ending, packing) = split(path)?;
    let wanted = if ending.chars().all(|letter| letter.is_ascii_uppercase()) {
        wanted.to_ascii_uppercase()
    } else {
        wanted.to_owned()
    };
    let candidates =
        [packing, "", ".gz"].map(|packing| path.with_file_name(format!("{stem}.{wanted}{packing}")));
    let mut others = candidates.into_iter().filter(|candidate| candidate != path);
    others.find(|candidate| candidate.is_file())
}

/// A pair's file name in three: before `.hdr` or `.img`, that ending, and `.gz` where it is there.
fn split(path: &Path) -> Option<(&str, &str, &str)> {
    let name = path.file_name()?.to_str()?;
    let (rest, packing) = match name.len().checked_sub(3).and_then(|at| name.split_at_checked(at)) {
        Some((rest, end)) if end.eq_ignore_ascii_case(".gz") => (rest, &name[rest.len()..]),
        _ => (name, ""),
    };
    let (stem, ending) = rest.rsplit_once('.')?;
    let known = ["hdr", "img"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    (known && !stem.is_empty()).then_some((stem, ending, packing))
}
