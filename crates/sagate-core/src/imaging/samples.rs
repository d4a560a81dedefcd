//! The number types that files store, and how they become `f32`.

use half::{bf16, f16};
use ndarray::{ArrayBase, Data, Dimension, IntoDimension};
use serde::{Deserialize, Serialize};

use super::ImagingError;

/// The type of one stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each name is its own description")]
pub enum Dtype {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

/// The order of a value's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl Dtype {
    /// Bytes per value.
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Reads `bytes` as values of this type, each passed through `map` at double precision, then rounded to `f32`.
    /// What is left over after the last whole value is ignored: callers check the byte count.
    pub(super) fn decode(self, bytes: &[u8], order: ByteOrder, map: impl Fn(f64) -> f64) -> Vec<f32> {
        macro_rules! values {
            ($kind:ty, $widen:expr) => {{
                const SIZE: usize = size_of::<$kind>();
                let (values, _) = bytes.as_chunks::<SIZE>();
                let widen = $widen;
                match order {
                    ByteOrder::Little => values
                        .iter()
                        .map(|&value| map(widen(<$kind>::from_le_bytes(value))) as f32)
                        .collect(),
                    ByteOrder::Big => values
                        .iter()
                        .map(|&value| map(widen(<$kind>::from_be_bytes(value))) as f32)
                        .collect(),
                }
            }};
        }
        match self {
            Self::U8 => values!(u8, f64::from),
            Self::I8 => values!(i8, f64::from),
            Self::U16 => values!(u16, f64::from),
            Self::I16 => values!(i16, f64::from),
            Self::U32 => values!(u32, f64::from),
            Self::I32 => values!(i32, f64::from),
            Self::U64 => values!(u64, |value| value as f64),
            Self::I64 => values!(i64, |value| value as f64),
            Self::F16 => values!(f16, f64::from),
            Self::BF16 => values!(bf16, f64::from),
            Self::F32 => values!(f32, f64::from),
            Self::F64 => values!(f64, |value| value),
        }
    }
}

/// Whether any value satisfies the predicate. Branch-free over all values, so that dense arrays vectorise.
pub(crate) fn any_value<S, D>(values: &ArrayBase<S, D>, so: impl Fn(f32) -> bool) -> bool
where
    S: Data<Elem = f32>,
    D: Dimension,
{
    let so = |any, &value: &f32| any | u32::from(so(value));
    let any = match values.as_slice_memory_order() {
        Some(dense) => dense.iter().fold(0, so),
        None => values.iter().fold(0, so),
    };
    any != 0
}

/// Refuses NaN and infinity.
pub(super) fn require_finite<S, D>(file: &str, values: &ArrayBase<S, D>) -> Result<(), ImagingError>
where
    S: Data<Elem = f32>,
    D: Dimension,
{
    if !any_value(values, |value| !value.is_finite()) {
        return Ok(());
    }
    let count = values.iter().filter(|value| !value.is_finite()).count();
    let first = values.indexed_iter().find(|(_, value)| !value.is_finite());
    let first = first.map_or(String::new(), |(index, _)| {
        let index = index.into_dimension();
        index
            .slice()
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    });
    Err(ImagingError::NotFinite {
        file: file.to_owned(),
        count,
        total: values.len(),
        first,
    })
}
