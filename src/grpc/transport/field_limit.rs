//! Limit on the number of fields of a message. A field of two bytes on the wire can take a few hundred in memory, so fields are counted
//! before decoding.

use std::any::TypeId;

use tonic::Code;

use crate::grpc::error::ServiceError;
use crate::proto::inference::ModelInferRequest;

/// Most fields of a message, nested ones included: far more than any request has, at most a few MiB of memory.
const MOST: usize = 16384;

/// Fields that are messages with possibly many fields, by number.
struct Nested(&'static [(u32, Nested)]);

const NONE: Nested = Nested(&[]);
/// Of `inference.ModelInferRequest`: parameters; inputs with parameters and contents; outputs with parameters.
const INFERENCE: Nested = Nested(&[
    (4, NONE),
    (5, Nested(&[(4, NONE), (5, NONE)])),
    (6, Nested(&[(2, NONE)])),
]);

/// Counts the fields of a message of this type.
///
/// # Errors
/// Too many fields. Malformed messages are left to the decoder.
pub(crate) fn check<T: 'static>(message: &[u8]) -> Result<(), ServiceError> {
    let is_inference = TypeId::of::<T>() == TypeId::of::<ModelInferRequest>();
    let nested = if is_inference { &INFERENCE } else { &NONE };
    let mut left = MOST;
    match count(message, nested, &mut left) {
        Counted::TooMany => Err(ServiceError::Wire {
            code: Code::InvalidArgument,
            reason: "TOO_MANY_FIELDS",
            message: format!("the message has more than {MOST} fields, the most that it may have"),
        }),
        Counted::All | Counted::Malformed => Ok(()),
    }
}

enum Counted {
    All,
    TooMany,
    Malformed,
}

fn count(mut rest: &[u8], nested: &Nested, left: &mut usize) -> Counted {
    while !rest.is_empty() {
        let Ok(key) = prost::encoding::decode_varint(&mut rest) else {
            return Counted::Malformed;
        };
        let Some(fewer) = left.checked_sub(1) else {
            return Counted::TooMany;
        };
        *left = fewer;
        let length = match key & 7 {
            0 => prost::encoding::decode_varint(&mut rest).map(|_| 0).ok(),
            1 => Some(8),
            2 => prost::encoding::decode_varint(&mut rest).ok(),
            5 => Some(4),
            // A group, which no message here has.
            _ => None,
        };
        let length = length.and_then(|length| usize::try_from(length).ok());
        let Some((field, after)) = length.and_then(|length| rest.split_at_checked(length)) else {
            return Counted::Malformed;
        };
        rest = after;
        let of_field = nested.0.iter().find(|(number, _)| u64::from(*number) == key >> 3);
        if let Some((_, nested)) = of_field
            && key & 7 == 2
            && let Counted::TooMany = count(field, nested, left)
        {
            return Counted::TooMany;
        }
    }
    Counted::All
}
