//! Conversion of `sagate.v1` results of several images to response tensors.

use bytes::Bytes;
use tonic::Code;

use super::output::Output;
use crate::grpc::error::ServiceError;
use crate::proto::inference::ModelInferResponse;
use crate::proto::inference::model_infer_response::InferOutputTensor;
use crate::proto::v1;

/// The result of one image.
pub(crate) struct ImageResult {
    pub segmentation: v1::Segmentation,
    /// In ascending order.
    pub layers: Vec<v1::LayerSam>,
}

/// Size of the response in bytes.
///
/// # Errors
/// More than `max_bytes`.
pub(crate) fn bytes(
    outputs: &[Output],
    results: &[ImageResult],
    max_bytes: u64,
) -> Result<usize, ServiceError> {
    let bytes: usize = results
        .iter()
        .flat_map(|result| outputs.iter().map(|&output| result.bytes(output)))
        .sum();
    if bytes as u64 > max_bytes {
        return Err(ServiceError::Wire {
            code: Code::ResourceExhausted,
            reason: "ANSWER_TOO_LARGE",
            message: format!(
                "the answer would have {bytes} bytes; it may have at most {max_bytes} (setting limits.max_bytes): ask for fewer outputs, \
                 or of fewer images at once"
            ),
        });
    }
    Ok(bytes)
}

/// The response to a request.
///
/// # Errors
/// Images of different sizes, if an output's shape depends on it.
pub(crate) fn answer(
    id: String,
    outputs: &[Output],
    results: Vec<ImageResult>,
) -> Result<ModelInferResponse, ServiceError> {
    let model = results.first().and_then(|it| it.segmentation.model.clone());
    let model = model.ok_or(ServiceError::Internal)?;
    let mut answer = ModelInferResponse {
        model_name: model.name,
        model_version: model.version.to_string(),
        id,
        ..Default::default()
    };
    for &output in outputs {
        let mut shape = vec![results.len() as i64];
        shape.extend(common_shape(output, &results)?);
        answer.outputs.push(InferOutputTensor {
            name: output.name(),
            datatype: output.datatype().name().into(),
            shape,
            ..Default::default()
        });
        answer.raw_output_contents.push(elements(output, &results));
    }
    Ok(answer)
}

/// The shape of an output for one image, equal for all images.
fn common_shape(output: Output, results: &[ImageResult]) -> Result<Vec<i64>, ServiceError> {
    let mut shapes = results.iter().map(|result| result.shape(output));
    let first = shapes.next().unwrap_or_default();
    match shapes.find(|shape| *shape != first) {
        None => Ok(first),
        Some(other) => {
            let is = format!("images whose {} are {first:?} and {other:?}", output.name());
            let right = "images of one size in one request, or an output that does not depend on it";
            Err(ServiceError::field("inputs[0]", is, right))
        }
    }
}

/// The elements of all images, concatenated.
fn elements(output: Output, results: &[ImageResult]) -> Bytes {
    if let [only] = results
        && let Some(tensor) = only.stored_tensor(output)
    {
        return tensor.data.clone();
    }
    let mut data = Vec::with_capacity(results.iter().map(|it| it.bytes(output)).sum());
    for result in results {
        result.write(output, &mut data);
    }
    data.into()
}

impl ImageResult {
    fn pixels(&self) -> usize {
        self.segmentation.height as usize * self.segmentation.width as usize
    }

    fn layer(&self, number: usize) -> Option<&v1::LayerSam> {
        self.layers.iter().find(|it| it.layer as usize == number)
    }

    /// The tensor of the output, if its bytes can be used unchanged.
    fn stored_tensor(&self, output: Output) -> Option<&v1::Tensor> {
        match output {
            Output::Probability => self.segmentation.probabilities.as_ref(),
            Output::Sam(number) => self.layer(number)?.labels.as_ref(),
            _ => None,
        }
    }

    fn shape(&self, output: Output) -> Vec<i64> {
        match output {
            Output::Mask => vec![self.segmentation.height.into(), self.segmentation.width.into()],
            Output::Probability | Output::Sam(_) => {
                let sides = self.stored_tensor(output).map(|it| it.shape.iter());
                sides.into_iter().flatten().map(|&side| side.into()).collect()
            }
            // Their shapes do not depend on the classes.
            other => other.sides(0),
        }
    }

    /// Bytes of the output.
    fn bytes(&self, output: Output) -> usize {
        match output {
            Output::Mask => self.pixels(),
            Output::Probability | Output::Sam(_) => self.stored_tensor(output).map_or(0, |it| it.data.len()),
            Output::Mu | Output::Threshold | Output::Score => size_of::<f64>(),
            Output::LayerSa => self.layers.len() * size_of::<f64>(),
            Output::Decision => 4 + self.decision().len(),
            Output::Reason => 4 + self.reasons().len(),
        }
    }

    fn write(&self, output: Output, data: &mut Vec<u8>) {
        let segmentation = &self.segmentation;
        match output {
            Output::Mask => self.labels(data),
            Output::Probability | Output::Sam(_) => {
                let tensor = self.stored_tensor(output);
                data.extend_from_slice(tensor.map_or(&[], |it| &it.data));
            }
            Output::Mu => data.extend(segmentation.mu.to_le_bytes()),
            Output::Threshold => data.extend(segmentation.threshold.unwrap_or(f64::NAN).to_le_bytes()),
            Output::Score => data.extend(segmentation.quality_score.unwrap_or(f64::NAN).to_le_bytes()),
            Output::LayerSa => data.extend(self.layers.iter().flat_map(|it| it.sa_score.to_le_bytes())),
            Output::Decision => write_bytes_element(self.decision(), data),
            Output::Reason => write_bytes_element(&self.reasons(), data),
        }
    }

    fn decision(&self) -> &'static str {
        match self.segmentation.decision() {
            v1::Decision::Accept => "ACCEPT",
            // Fail closed: whatever is not ACCEPT is REJECT.
            v1::Decision::Reject | v1::Decision::Unspecified => "REJECT",
        }
    }

    fn reasons(&self) -> String {
        let name = |reason: v1::Reason| reason.as_str_name().trim_start_matches("REASON_");
        let names: Vec<_> = self.segmentation.reasons().map(name).collect();
        names.join(",")
    }

    /// Labels from the bit masks of the classes, which are disjoint.
    fn labels(&self, data: &mut Vec<u8>) {
        let begin = data.len();
        data.resize(begin + self.pixels(), 0);
        let planes = self.segmentation.mask.iter().flat_map(|mask| &mask.data);
        for (class, bits) in (1u8..=u8::MAX).zip(planes) {
            for (labels, byte) in data[begin..].chunks_mut(8).zip(bits) {
                for (bit, label) in labels.iter_mut().enumerate() {
                    *label += class * (byte >> (7 - bit) & 1);
                }
            }
        }
    }
}

/// Writes an element of BYTES: its length in 4 bytes, then its bytes.
fn write_bytes_element(write_bytes_element: &str, data: &mut Vec<u8>) {
    data.extend((write_bytes_element.len() as u32).to_le_bytes());
    data.extend(write_bytes_element.as_bytes());
}
