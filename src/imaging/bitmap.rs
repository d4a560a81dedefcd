//! PNG and JPEG.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, ImageError};
use ndarray::Array3;

use super::{Image, ImagingError, Limits};

/// Reads a PNG: grey becomes one channel, colour three, in the file's own units (0..=255 or 0..=65535).
pub(super) fn decode_png(bytes: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Err(ImagingError::damaged(
            name,
            "PNG",
            "it does not begin with the PNG signature",
        ));
    }
    if !png_is_whole(bytes) {
        return Err(truncated(bytes, name, "PNG data", "the IEND chunk"));
    }
    let mut bounds = image::Limits::no_limits();
    bounds.max_alloc = Some(limits.max_bytes);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), bounds);
    finish(
        decoder.map_err(|error| failure(name, "PNG", &error))?,
        "PNG",
        name,
        limits,
    )
}

/// Reads a JPEG: grey becomes one channel, colour three, 0..=255.
pub(super) fn decode_jpeg(bytes: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    if !bytes.starts_with(b"\xff\xd8") {
        return Err(ImagingError::damaged(
            name,
            "JPEG",
            "it does not begin with the JPEG start marker",
        ));
    }
    if !jpeg_is_whole(bytes) {
        return Err(truncated(bytes, name, "JPEG data", "the end-of-image marker"));
    }
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| failure(name, "JPEG", &error))?;
    finish(decoder, "JPEG", name, limits)
}

/// Checks what the header claims, then decodes.
fn finish(
    decoder: impl ImageDecoder,
    format: &'static str,
    name: &str,
    limits: &Limits,
) -> Result<Image, ImagingError> {
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let channels = u64::from(colour.channel_count());
    let bytes = u64::from(colour.bytes_per_pixel()) / channels;
    limits.check(
        name,
        "width x height x channels",
        &[width.into(), height.into(), channels],
        bytes,
    )?;
    let decoded = DynamicImage::from_decoder(decoder).map_err(|error| failure(name, format, &error))?;

    let (height, width) = (height as usize, width as usize);
    let (values, stored) = match decoded {
        DynamicImage::ImageLuma8(grey) => (widen(grey.as_raw()), 1),
        DynamicImage::ImageLumaA8(grey) => (widen(grey.as_raw()), 2),
        DynamicImage::ImageRgb8(colour) => (widen(colour.as_raw()), 3),
        DynamicImage::ImageRgba8(colour) => (widen(colour.as_raw()), 4),
        DynamicImage::ImageLuma16(grey) => (widen(grey.as_raw()), 1),
        DynamicImage::ImageLumaA16(grey) => (widen(grey.as_raw()), 2),
        DynamicImage::ImageRgb16(colour) => (widen(colour.as_raw()), 3),
        DynamicImage::ImageRgba16(colour) => (widen(colour.as_raw()), 4),
        other => {
            let was = format!("{:?}", other.color());
            return Err(ImagingError::field(
                name,
                "colour type",
                was,
                "grey or RGB, 8 or 16 bit",
            ));
        }
    };
    let interleaved = Array3::from_shape_vec((height, width, stored), values)
        .map_err(|error| ImagingError::damaged(name, format, error))?;
    let shown = if stored % 2 == 0 {
        let opaque = if bytes == 1 { 255.0 } else { 65535.0 };
        let (shown, alpha) = interleaved.view().split_at(ndarray::Axis(2), stored - 1);
        if alpha.iter().any(|&alpha| alpha != opaque) {
            let right = "opaque everywhere, or no alpha channel";
            return Err(ImagingError::field(
                name,
                "alpha channel",
                "transparent in places",
                right,
            ));
        }
        shown
    } else {
        interleaved.view()
    };
    let pixels = shown.permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    Ok(Image::new(pixels, [1.0; 2]))
}

fn widen<T: Copy + Into<f32>>(values: &[T]) -> Vec<f32> {
    values.iter().map(|&value| value.into()).collect()
}

fn truncated(bytes: &[u8], name: &str, field: &'static str, end: &str) -> ImagingError {
    ImagingError::Truncated {
        file: name.to_owned(),
        field,
        found: format!("{} bytes are there", bytes.len()),
        right: format!("it ends with {end}; copy the whole file again"),
    }
}

fn failure(name: &str, format: &'static str, error: &ImageError) -> ImagingError {
    match error {
        ImageError::Limits(limit) => ImagingError::TooLarge {
            file: name.to_owned(),
            field: "decoded size",
            was: limit.to_string(),
            limit: "the configured maximum".to_owned(),
        },
        other => ImagingError::damaged(name, format, other),
    }
}

/// Whether every chunk is there, up to the one that ends a PNG.
fn png_is_whole(bytes: &[u8]) -> bool {
    let mut rest = &bytes[8..];
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((_, after)) = length
            .checked_add(4)
            .and_then(|length| tail.split_at_checked(length))
        else {
            return false;
        };
        if &head[4..] == b"IEND" {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether every segment is there, up to the marker that ends a JPEG. Decoders fill what is missing with grey, which a
/// network would take for tissue.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut rest = &bytes[2..];
    loop {
        // Entropy-coded data, stuffed zeros, restart markers and fill bytes stand before the next marker.
        let Some(next) = rest
            .windows(2)
            .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff | 0xd0..=0xd7))
        else {
            return false;
        };
        if rest[next + 1] == 0xd9 {
            return true;
        }
        let Some((head, tail)) = rest[next + 2..].split_at_checked(2) else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let Some((_, after)) = length
            .checked_sub(2)
            .and_then(|length| tail.split_at_checked(length))
        else {
            return false;
        };
        rest = after;
    }
}
