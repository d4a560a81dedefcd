//! Conversion of input tensors to images.

use bytes::{Buf, Bytes};

use super::datatype::Datatype;
use super::parameters::{Parameters, only};
use crate::grpc::error::ServiceError;
use crate::proto::inference::model_infer_request::InferInputTensor;
use crate::proto::inference::{InferTensorContents, ModelInferRequest};
use crate::proto::v1;

/// The input of pixels.
pub(crate) const IMAGE: &str = "IMAGE";
/// The input of encoded files.
pub(crate) const IMAGE_FILE: &str = "IMAGE_FILE";

/// The images of a request, at most `max_images`. Their bytes are not copied.
///
/// # Errors
/// The first invalid field. The content of the images is validated later.
pub(crate) fn images(
    request: &mut ModelInferRequest,
    parameters: &Parameters,
    max_images: usize,
) -> Result<Vec<v1::Image>, ServiceError> {
    let inputs = std::mem::take(&mut request.inputs);
    let count = inputs.len();
    let [input] = <[InferInputTensor; 1]>::try_from(inputs).map_err(|_| {
        let right = format!("one of them: {IMAGE} or {IMAGE_FILE}");
        ServiceError::field("inputs", format!("{count} tensors"), right)
    })?;
    only("inputs[0]", &input.parameters, "binary_data_size")?;
    let elements = Elements::of(
        &mut request.raw_input_contents,
        input.contents.unwrap_or_default(),
    )?;
    let images = match input.name.as_str() {
        IMAGE => pixels(&input.datatype, &input.shape, elements, parameters, max_images)?,
        IMAGE_FILE => files(&input.datatype, &input.shape, elements, parameters, max_images)?,
        other => {
            let right = format!("{IMAGE} or {IMAGE_FILE}");
            return Err(ServiceError::field("inputs[0].name", format!("`{other}`"), right));
        }
    };
    Ok(images)
}

/// The elements of an input, as received.
enum Elements {
    Raw(Bytes),
    Typed(InferTensorContents),
}

impl Elements {
    fn of(raw: &mut Vec<Bytes>, typed: InferTensorContents) -> Result<Elements, ServiceError> {
        let is_empty = typed == InferTensorContents::default();
        match raw.len() {
            0 => Ok(Elements::Typed(typed)),
            1 if is_empty => Ok(Elements::Raw(raw.swap_remove(0))),
            1 => {
                let right = "empty, as the request has raw_input_contents";
                Err(ServiceError::field("inputs[0].contents", "set", right))
            }
            more => {
                let is = format!("{more} elements");
                Err(ServiceError::field(
                    "raw_input_contents",
                    is,
                    "one for the one input",
                ))
            }
        }
    }
}

/// Images as tensors: `[H, W]`, `[C, H, W]`, or `[N, C, H, W]`.
fn pixels(
    datatype: &str,
    shape: &[i64],
    elements: Elements,
    parameters: &Parameters,
    max_images: usize,
) -> Result<Vec<v1::Image>, ServiceError> {
    if let Some(slice) = parameters.slice {
        let right = format!("left out, as {IMAGE} holds no volume");
        return Err(ServiceError::field("parameters.slice", slice, right));
    }
    let datatype = Datatype::named(datatype).and_then(|it| Some((it, it.of_pixels()?)));
    let Some((datatype, (data_type, size))) = datatype else {
        let right = "UINT8, INT16, UINT16, FP16 or FP32";
        return Err(ServiceError::field("inputs[0].datatype", "another", right));
    };
    let wrong = || {
        let right = "[height, width], [channels, height, width] or [images, channels, height, width], each at least 1";
        ServiceError::field("inputs[0].shape", format!("{shape:?}"), right)
    };
    let sides: Option<Vec<u32>> = shape
        .iter()
        .map(|&side| u32::try_from(side).ok().filter(|&side| side > 0))
        .collect();
    let sides = sides.ok_or_else(wrong)?;
    let (images, sides) = match sides[..] {
        [images, ref image @ ..] if image.len() == 3 => (images as usize, image),
        ref image if matches!(image.len(), 2 | 3) => (1, image),
        _ => return Err(wrong()),
    };
    check_count(images, max_images)?;
    let data = match elements {
        Elements::Raw(data) => data,
        Elements::Typed(contents) => dense(contents, datatype)?,
    };
    let image_bytes = sides
        .iter()
        .try_fold(size, |bytes, &side| bytes.checked_mul(side as usize));
    if image_bytes.and_then(|bytes| bytes.checked_mul(images)) != Some(data.len()) {
        let is = format!("{} elements", data.len() as f64 / size as f64);
        let right = format!("as many as the shape {shape:?} says");
        return Err(ServiceError::field("inputs[0]", is, right));
    }
    let image_bytes = data.len() / images;
    let image = |index: usize| v1::Image {
        source: Some(v1::image::Source::Tensor(v1::Tensor {
            data_type: data_type.into(),
            shape: sides.to_vec(),
            data: data.slice(index * image_bytes..(index + 1) * image_bytes),
            spacing: parameters.spacing.clone(),
        })),
    };
    Ok((0..images).map(image).collect())
}

/// Images as files: `[N]` or `[N, 1]`.
fn files(
    datatype: &str,
    shape: &[i64],
    elements: Elements,
    parameters: &Parameters,
    max_images: usize,
) -> Result<Vec<v1::Image>, ServiceError> {
    if datatype != Datatype::Bytes.name() {
        return Err(ServiceError::field("inputs[0].datatype", "another", "BYTES"));
    }
    if !parameters.spacing.is_empty() {
        let right = "left out, as a file says it itself";
        return Err(ServiceError::field("parameters.row_spacing", "set", right));
    }
    let images = match *shape {
        [images] | [images, 1] if images > 0 => images as usize,
        _ => {
            let right = "[images] or [images, 1], at least 1";
            return Err(ServiceError::field(
                "inputs[0].shape",
                format!("{shape:?}"),
                right,
            ));
        }
    };
    check_count(images, max_images)?;
    let files = match elements {
        Elements::Raw(data) => split(data)?,
        Elements::Typed(InferTensorContents { bytes_contents, .. }) => bytes_contents,
    };
    if files.len() != images {
        let is = format!("{} elements", files.len());
        let right = format!("as many as the shape {shape:?} says");
        return Err(ServiceError::field("inputs[0]", is, right));
    }
    let image = |data| v1::Image {
        source: Some(v1::image::Source::File(v1::EncodedFile {
            format: v1::FileFormat::Unspecified.into(),
            data,
            slice: parameters.slice,
        })),
    };
    Ok(files.into_iter().map(image).collect())
}

fn check_count(images: usize, max_images: usize) -> Result<(), ServiceError> {
    if images > max_images {
        let right = format!("at most {max_images} (setting server.max_images)");
        return Err(ServiceError::field(
            "inputs[0].shape",
            format!("{images} images"),
            right,
        ));
    }
    Ok(())
}

/// The bytes of elements that were sent in typed fields.
fn dense(contents: InferTensorContents, datatype: Datatype) -> Result<Bytes, ServiceError> {
    let out_of_range = |index: usize, value: String| {
        let field = format!("inputs[0].contents[{index}]");
        ServiceError::field(field, value, format!("a value of {}", datatype.name()))
    };
    fn all<V: Copy + std::fmt::Display, const SIZE: usize>(
        values: &[V],
        bytes: impl Fn(V) -> Option<[u8; SIZE]>,
        wrong: impl Fn(usize, String) -> ServiceError,
    ) -> Result<Bytes, ServiceError> {
        let mut data = Vec::with_capacity(values.len() * SIZE);
        for (index, &value) in values.iter().enumerate() {
            data.extend(bytes(value).ok_or_else(|| wrong(index, value.to_string()))?);
        }
        Ok(data.into())
    }
    match datatype {
        Datatype::Uint8 => {
            let bytes = |value| u8::try_from(value).ok().map(u8::to_le_bytes);
            all(&contents.uint_contents, bytes, out_of_range)
        }
        Datatype::Uint16 => {
            let bytes = |value| u16::try_from(value).ok().map(u16::to_le_bytes);
            all(&contents.uint_contents, bytes, out_of_range)
        }
        Datatype::Int16 => {
            let bytes = |value| i16::try_from(value).ok().map(i16::to_le_bytes);
            all(&contents.int_contents, bytes, out_of_range)
        }
        Datatype::Fp32 => all(
            &contents.fp32_contents,
            |value: f32| Some(value.to_le_bytes()),
            out_of_range,
        ),
        Datatype::Fp16 | Datatype::Fp64 | Datatype::Bytes => {
            let right = format!(
                "in raw_input_contents: the protocol has no field for {}",
                datatype.name()
            );
            Err(ServiceError::field("inputs[0].contents", "missing", right))
        }
    }
}

/// Splits elements of BYTES: each has its length in 4 bytes, then its bytes.
fn split(mut data: Bytes) -> Result<Vec<Bytes>, ServiceError> {
    let mut elements = Vec::new();
    while data.has_remaining() {
        let element = data.try_get_u32_le().ok().map(|length| length as usize);
        let Some(length) = element.filter(|&length| length <= data.len()) else {
            let is = format!("cut short in element {}", elements.len());
            let right = "elements of BYTES, each after its length in 4 bytes, little-endian";
            return Err(ServiceError::field("raw_input_contents[0]", is, right));
        };
        elements.push(data.split_to(length));
    }
    Ok(elements)
}
