//! PNG, with every checksum checked: each chunk's, and that of the compressed pixels, which most readers pass over.

use std::io::Cursor;

use flate2::{Decompress, FlushDecompress, Status};
use ndarray::{Array3, Axis};
use png::{BitDepth, ColorType, DecodeOptions, Decoder, Transformations};

use super::{Image, ImagingError, Limits, Orientation};

const FORMAT: &str = "PNG";
/// What every PNG begins with.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What the pixels are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Brightness and colour: palettes become colours, and grey of 1, 2 or 4 bits is brought to 0..=255.
    Picture,
    /// Labels: numbers as they are stored, and the indices of a palette.
    Labels,
}

/// Reads a PNG: grey becomes one channel, colour three, in the file's own units (0..=255 or 0..=65535).
pub(super) fn decode(
    bytes: &[u8],
    meaning: Meaning,
    name: &str,
    limits: &Limits,
) -> Result<Image, ImagingError> {
    let damaged = |reason: &dyn ToString| ImagingError::damaged(name, FORMAT, reason.to_string());
    if !bytes.starts_with(SIGNATURE) {
        return Err(damaged(&"it does not begin with the PNG signature"));
    }
    let compressed = image_data(bytes, name)?;
    let mut options = DecodeOptions::default();
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(png::Limits {
        bytes: usize::try_from(limits.max_bytes).unwrap_or(usize::MAX),
    });
    decoder.set_transformations(match meaning {
        Meaning::Picture => Transformations::EXPAND,
        Meaning::Labels => Transformations::IDENTITY,
    });
    let failure = |error: png::DecodingError| match error {
        png::DecodingError::LimitsExceeded => ImagingError::TooLarge {
            file: name.to_owned(),
            field: "size of the PNG's chunks",
            was: "more".to_owned(),
            limit: format!("{} bytes", limits.max_bytes),
        },
        other => damaged(&other),
    };
    let header = decoder.read_header_info().map_err(failure)?;
    check_size(header, header.color_type, header.bit_depth, name, limits)?;
    verify(&compressed, raw_bytes(header), name)?;
    let mut reader = decoder.read_info().map_err(failure)?;
    let (colours, depth) = reader.output_color_type();
    check_size(reader.info(), colours, depth, name, limits)?;
    let size = reader.output_buffer_size();
    let mut stored = vec![0; size.ok_or_else(|| damaged(&"its size does not fit into memory"))?];
    reader.next_frame(&mut stored).map_err(failure)?;
    reader.finish().map_err(failure)?;

    let info = reader.info();
    let (height, width) = (info.height as usize, info.width as usize);
    let channels = colours.samples();
    let samples = samples(&stored, depth, width * channels);
    let interleaved =
        Array3::from_shape_vec((height, width, channels), samples).map_err(|error| damaged(&error))?;
    let orientation = info.exif_metadata.as_ref();
    let orientation = orientation.map_or(Orientation::UPRIGHT, |block| Orientation::from_exif(block));
    let shown = without_alpha(&interleaved, depth, name)?;
    let pixels = shown.permuted_axes([2, 0, 1]).as_standard_layout().into_owned();
    Ok(Image::new(pixels, [1.0; 2]).with_orientation(orientation))
}

fn check_size(
    info: &png::Info<'_>,
    colours: ColorType,
    depth: BitDepth,
    name: &str,
    limits: &Limits,
) -> Result<usize, ImagingError> {
    limits.check(
        name,
        "PNG width x height x channels",
        &[info.width.into(), info.height.into(), colours.samples() as u64],
        (depth as u64).div_ceil(8),
    )
}

/// The stored numbers: `count` a row, each row from a byte of its own.
fn samples(stored: &[u8], depth: BitDepth, count: usize) -> Vec<f32> {
    let bits = depth as usize;
    match depth {
        BitDepth::Eight => stored.iter().map(|&value| value.into()).collect(),
        BitDepth::Sixteen => {
            let (pairs, _) = stored.as_chunks::<2>();
            pairs
                .iter()
                .map(|&pair| u16::from_be_bytes(pair).into())
                .collect()
        }
        BitDepth::One | BitDepth::Two | BitDepth::Four => {
            let row = |row: &[u8]| -> Vec<f32> {
                let value = |index: usize| {
                    let bit = index * bits;
                    (row[bit / 8] >> (8 - bits - bit % 8)) & ((1 << bits) - 1)
                };
                (0..count).map(|index| value(index).into()).collect()
            };
            stored
                .chunks_exact((count * bits).div_ceil(8))
                .flat_map(row)
                .collect()
        }
    }
}

/// The channels that are shown; an alpha channel must be opaque.
fn without_alpha<'a>(
    interleaved: &'a Array3<f32>,
    depth: BitDepth,
    name: &str,
) -> Result<ndarray::ArrayView3<'a, f32>, ImagingError> {
    let channels = interleaved.len_of(Axis(2));
    if channels % 2 == 1 {
        return Ok(interleaved.view());
    }
    let opaque = if depth == BitDepth::Sixteen {
        65535.0
    } else {
        255.0
    };
    let (shown, alpha) = interleaved.view().split_at(Axis(2), channels - 1);
    if alpha.iter().any(|&alpha| alpha != opaque) {
        let right = "opaque everywhere, or no alpha channel";
        return Err(ImagingError::field(
            name,
            "alpha channel",
            "transparent in places",
            right,
        ));
    }
    Ok(shown)
}

/// The compressed pixels of every IDAT chunk.
///
/// # Errors
/// A file that ends before its IEND chunk does.
fn image_data<'a>(bytes: &'a [u8], name: &str) -> Result<Vec<&'a [u8]>, ImagingError> {
    let mut rest = &bytes[SIGNATURE.len()..];
    let mut parts = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some((body, behind)) = tail.split_at_checked(length) else {
            break;
        };
        let Some((_checksum, behind)) = behind.split_at_checked(4) else {
            break;
        };
        match &head[4..] {
            b"IEND" => return Ok(parts),
            b"IDAT" => parts.push(body),
            _ => {}
        }
        rest = behind;
    }
    Err(ImagingError::Truncated {
        file: name.to_owned(),
        field: "PNG data",
        found: format!("{} bytes are there", bytes.len()),
        right: "it ends with the IEND chunk; copy the whole file again".to_owned(),
    })
}

/// How many bytes the pixels have before compression: each row and the byte of its filter, in each pass of an interlaced picture.
fn raw_bytes(info: &png::Info<'_>) -> u64 {
    let (width, height) = (u64::from(info.width), u64::from(info.height));
    let rows = |columns: u64, rows: u64| match columns {
        0 => 0,
        _ => rows * (1 + (columns * info.bits_per_pixel() as u64).div_ceil(8)),
    };
    if !info.interlaced {
        return rows(width, height);
    }
    // Where each pass of Adam7 begins, and its steps: columns, rows.
    let passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    let count = |side: u64, first: u64, step: u64| side.saturating_sub(first).div_ceil(step);
    passes
        .iter()
        .map(|&(left, top, across, down)| rows(count(width, left, across), count(height, top, down)))
        .sum()
}

/// Unpacks the pixels once to see that the stream is whole, has its checksum right, and holds what the header says and nothing more.
fn verify(parts: &[&[u8]], expected: u64, name: &str) -> Result<(), ImagingError> {
    let damaged = |reason: String| ImagingError::damaged(name, FORMAT, reason);
    let mut stream = Decompress::new(true);
    let mut scratch = vec![0; 1 << 15];
    let mut parts = parts.iter().copied();
    let mut part: &[u8] = &[];
    loop {
        while part.is_empty() {
            let more = parts.next();
            part = more.ok_or_else(|| damaged("its compressed pixels are cut short".to_owned()))?;
        }
        let (before_in, before_out) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(part, &mut scratch, FlushDecompress::None);
        let status = status.map_err(|error| damaged(format!("its compressed pixels: {error}")))?;
        let (taken, made) = (stream.total_in() - before_in, stream.total_out() - before_out);
        part = &part[taken as usize..];
        if stream.total_out() > expected {
            return Err(damaged(format!(
                "it holds more pixels than its header says, which are {expected} bytes unpacked"
            )));
        }
        if status == Status::StreamEnd {
            break;
        }
        if taken == 0 && made == 0 {
            return Err(damaged("its compressed pixels do not end".to_owned()));
        }
    }
    if stream.total_out() < expected {
        return Err(damaged(format!(
            "it holds {} bytes of pixels; its header says {expected}",
            stream.total_out()
        )));
    }
    if !part.is_empty() || parts.any(|part| !part.is_empty()) {
        return Err(damaged("there are bytes behind its compressed pixels".to_owned()));
    }
    Ok(())
}
