//! NumPy `.npy`: one array after a short header in Python's own notation.
//!
//! The header parser is our own, with a bound on the length and no recursion, since headers are untrusted.

use ndarray::{Array3, ArrayD, IxDyn, ShapeBuilder};

use super::samples::{ByteOrder, require_finite};
use super::{Dtype, Image, ImagingError, Limits};

/// What every `.npy` file begins with.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longer headers belong to structured types, which are no images.
const MAX_HEADER: usize = 4096;

/// Reads `[height, width]` or `[channels, height, width]`, in C or Fortran order.
pub(super) fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    let (text, data) = split(bytes, name)?;
    values(Header::parse(text, name, parse_dtype)?, data, name, limits)
}

/// As [`decode`], and booleans as 0 and 1.
pub(super) fn decode_mask(bytes: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    let (text, data) = split(bytes, name)?;
    let dtype = |descr: &str| match descr {
        "|b1" | "?" => Some((Dtype::U8, ByteOrder::Little)),
        other => parse_dtype(other),
    };
    values(Header::parse(text, name, dtype)?, data, name, limits)
}

fn values(header: Header, data: &[u8], name: &str, limits: &Limits) -> Result<Image, ImagingError> {
    let axes: Vec<u64> = header.shape.iter().map(|&side| side as u64).collect();
    let count = limits.check(name, "shape", &axes, header.dtype.size() as u64)?;
    let needed = count * header.dtype.size();
    if data.len() < needed {
        return Err(ImagingError::Truncated {
            file: name.to_owned(),
            field: "array data",
            found: format!("{} bytes are there", data.len()),
            right: format!(
                "shape {:?} of {} bytes a value needs {needed}",
                header.shape,
                header.dtype.size()
            ),
        });
    }
    if data.len() > needed {
        let right = format!(
            "{needed}: shape {:?} with {} bytes a value",
            header.shape,
            header.dtype.size()
        );
        return Err(ImagingError::field(name, "byte count", data.len(), right));
    }
    let values = header.dtype.decode(data, header.order, |value| value);
    let shape = IxDyn(&header.shape).set_f(header.fortran);
    let array =
        ArrayD::from_shape_vec(shape, values).map_err(|error| ImagingError::damaged(name, ".npy", error))?;
    require_finite(name, &array)?;
    image(array, name)
}

/// `[channels, height, width]` as a `.npy` of 16-bit numbers without sign, in C order.
pub fn encode(values: &Array3<u16>) -> Vec<u8> {
    let (channels, height, width) = values.dim();
    let shape = format!("({channels}, {height}, {width})");
    let mut header = format!("{{'descr': '<u2', 'fortran_order': False, 'shape': {shape}, }}");
    // The values begin at a multiple of 64 bytes, as NumPy itself has it; magic, version and length take 10.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 11;
    header = format!("{header:padded$}\n");
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    // Three numbers of at most 20 digits: the header is far below 2^16.
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// An array of two or three axes as an image of unknown spacing.
pub(super) fn image(array: ArrayD<f32>, name: &str) -> Result<Image, ImagingError> {
    let shape = array.shape().to_vec();
    let array = if shape.len() == 2 {
        array.insert_axis(ndarray::Axis(0))
    } else {
        array
    };
    let pixels: Array3<f32> = array.into_dimensionality().map_err(|_| {
        ImagingError::field(
            name,
            "shape",
            format!("{shape:?}"),
            "[height, width] or [channels, height, width]",
        )
    })?;
    let pixels = if pixels.is_standard_layout() {
        pixels
    } else {
        pixels.as_standard_layout().into_owned()
    };
    Ok(Image::new(pixels, [1.0; 2]))
}

/// Header text and what follows it.
fn split<'a>(bytes: &'a [u8], name: &str) -> Result<(&'a str, &'a [u8]), ImagingError> {
    let damaged = |reason: String| ImagingError::damaged(name, ".npy", reason);
    if !bytes.starts_with(MAGIC) {
        return Err(damaged("it does not begin with \\x93NUMPY".to_owned()));
    }
    let truncated = || ImagingError::Truncated {
        file: name.to_owned(),
        field: ".npy header",
        found: format!("the file has {} bytes", bytes.len()),
        right: "copy the whole file again".to_owned(),
    };
    let (start, length) = match bytes.get(6).ok_or_else(truncated)? {
        1 => (
            10,
            bytes
                .get(8..10)
                .map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))),
        ),
        2 | 3 => (
            12,
            bytes
                .get(8..12)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize),
        ),
        version => return Err(ImagingError::field(name, ".npy version", version, "1, 2 or 3")),
    };
    let length = length.ok_or_else(truncated)?;
    if length > MAX_HEADER {
        return Err(ImagingError::field(
            name,
            "header length",
            length,
            format!("at most {MAX_HEADER} bytes"),
        ));
    }
    let text = bytes.get(start..start + length).ok_or_else(truncated)?;
    let text =
        std::str::from_utf8(text).map_err(|error| damaged(format!("its header is no text: {error}")))?;
    Ok((text, &bytes[start + length..]))
}

struct Header {
    dtype: Dtype,
    order: ByteOrder,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(
        text: &str,
        name: &str,
        dtype: impl Fn(&str) -> Option<(Dtype, ByteOrder)>,
    ) -> Result<Self, ImagingError> {
        let value = |key: &'static str| {
            let quoted = [format!("'{key}'"), format!("\"{key}\"")];
            let after = quoted.iter().find_map(|key| text.split_once(key.as_str()))?.1;
            after.trim_start().strip_prefix(':').map(str::trim_start)
        };
        let missing = |key| ImagingError::field(name, format!("header key {key}"), "missing", "present");

        let descr = value("descr").ok_or_else(|| missing("descr"))?;
        let descr = descr
            .split([',', '}'])
            .next()
            .unwrap_or_default()
            .trim()
            .trim_matches(['\'', '"']);
        let (dtype, order) = dtype(descr).ok_or_else(|| {
            let right = "an integer or floating type of 1 to 8 bytes, such as <f4, |u1 or >i2";
            ImagingError::field(name, "dtype (descr)", format!("`{descr}`"), right)
        })?;

        let fortran = value("fortran_order").ok_or_else(|| missing("fortran_order"))?;
        let fortran = match fortran {
            yes if yes.starts_with("True") => true,
            no if no.starts_with("False") => false,
            other => {
                let was = other.split([',', '}']).next().unwrap_or_default();
                return Err(ImagingError::field(name, "fortran_order", was, "True or False"));
            }
        };

        let shape = value("shape").ok_or_else(|| missing("shape"))?;
        let shape = shape
            .strip_prefix('(')
            .and_then(|rest| rest.split_once(')'))
            .map(|(inside, _)| inside);
        let wrong = |was: &str| {
            let right = "(height, width) or (channels, height, width)";
            ImagingError::field(name, "shape", format!("({was})"), right)
        };
        let inside = shape.ok_or_else(|| wrong("unclosed"))?;
        let sides = inside.split(',').map(str::trim).filter(|side| !side.is_empty());
        // Python 2 wrote its long integers as `181L`.
        let shape: Vec<usize> = sides
            .map(|side| {
                side.strip_suffix('L')
                    .unwrap_or(side)
                    .parse()
                    .map_err(|_| wrong(inside))
            })
            .collect::<Result<_, _>>()?;
        if !(2..=3).contains(&shape.len()) {
            return Err(wrong(inside));
        }
        Ok(Self {
            dtype,
            order,
            fortran,
            shape,
        })
    }
}

fn parse_dtype(descr: &str) -> Option<(Dtype, ByteOrder)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let order = match order {
        "<" | "|" => ByteOrder::Little,
        ">" => ByteOrder::Big,
        "=" if cfg!(target_endian = "big") => ByteOrder::Big,
        "=" => ByteOrder::Little,
        _ => return None,
    };
    let dtype = match kind {
        "u1" => Dtype::U8,
        "i1" => Dtype::I8,
        "u2" => Dtype::U16,
        "i2" => Dtype::I16,
        "u4" => Dtype::U32,
        "i4" => Dtype::I32,
        "u8" => Dtype::U64,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        _ => return None,
    };
    Some((dtype, order))
}
