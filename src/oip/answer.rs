//! From what `sagate.v1` says of some images to tensors.

use bytes::Bytes;
use tonic::Code;

use super::output::Output;
use crate::grpc::error::ServiceError;
use crate::proto::inference::ModelInferResponse;
use crate::proto::inference::model_infer_response::InferOutputTensor;
use crate::proto::v1;

/// What is said of one image.
pub(crate) struct Seen {
    pub segmentation: v1::Segmentation,
    /// In ascending order.
    pub layers: Vec<v1::LayerSam>,
}

/// Bytes that the answer takes, at most `most`.
///
/// # Errors
/// More than that.
pub(crate) fn bytes(outputs: &[Output], seen: &[Seen], most: u64) -> Result<usize, ServiceError> {
    let bytes: usize = seen
        .iter()
        .flat_map(|seen| outputs.iter().map(|&output| seen.bytes(output)))
        .sum();
    if bytes as u64 > most {
        return Err(ServiceError::Wire {
            code: Code::ResourceExhausted,
            reason: "ANSWER_TOO_LARGE",
            message: format!(
                "the answer would have {bytes} bytes; it may have at most {most} (setting limits.max_bytes): ask for fewer outputs, \
                 or of fewer images at once"
            ),
        });
    }
    Ok(bytes)
}

/// The answer to a request.
///
/// # Errors
/// Images of several sizes, where an output has room for one.
pub(crate) fn answer(
    id: String,
    outputs: &[Output],
    seen: Vec<Seen>,
) -> Result<ModelInferResponse, ServiceError> {
    let model = seen.first().and_then(|it| it.segmentation.model.clone());
    let model = model.ok_or(ServiceError::Internal)?;
    let mut answer = ModelInferResponse {
        model_name: model.name,
        model_version: model.version.to_string(),
        id,
        ..Default::default()
    };
    for &output in outputs {
        let mut shape = vec![seen.len() as i64];
        shape.extend(one_shape(output, &seen)?);
        answer.outputs.push(InferOutputTensor {
            name: output.name(),
            datatype: output.datatype().name().into(),
            shape,
            ..Default::default()
        });
        answer.raw_output_contents.push(elements(output, &seen));
    }
    Ok(answer)
}

/// The sides of every image's part.
fn one_shape(output: Output, seen: &[Seen]) -> Result<Vec<i64>, ServiceError> {
    let mut shapes = seen.iter().map(|seen| seen.shape(output));
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

/// All images' elements, one after the other.
fn elements(output: Output, seen: &[Seen]) -> Bytes {
    if let [only] = seen
        && let Some(tensor) = only.as_it_is(output)
    {
        return tensor.data.clone();
    }
    let mut data = Vec::with_capacity(seen.iter().map(|it| it.bytes(output)).sum());
    for seen in seen {
        seen.write(output, &mut data);
    }
    data.into()
}

impl Seen {
    fn pixels(&self) -> usize {
        self.segmentation.height as usize * self.segmentation.width as usize
    }

    fn layer(&self, number: usize) -> Option<&v1::LayerSam> {
        self.layers.iter().find(|it| it.layer as usize == number)
    }

    /// The output where it needs no other form.
    fn as_it_is(&self, output: Output) -> Option<&v1::Tensor> {
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
                let sides = self.as_it_is(output).map(|it| it.shape.iter());
                sides.into_iter().flatten().map(|&side| side.into()).collect()
            }
            // No class matters here.
            other => other.sides(0),
        }
    }

    /// Bytes of the output.
    fn bytes(&self, output: Output) -> usize {
        match output {
            Output::Mask => self.pixels(),
            Output::Probability | Output::Sam(_) => self.as_it_is(output).map_or(0, |it| it.data.len()),
            Output::Mu | Output::Threshold | Output::Score => size_of::<f64>(),
            Output::LayerSa => self.layers.len() * size_of::<f64>(),
            Output::Decision => 4 + self.decision().len(),
            Output::Reason => 4 + self.reasons().len(),
        }
    }

    fn write(&self, output: Output, data: &mut Vec<u8>) {
        let said = &self.segmentation;
        match output {
            Output::Mask => self.labels(data),
            Output::Probability | Output::Sam(_) => {
                let tensor = self.as_it_is(output);
                data.extend_from_slice(tensor.map_or(&[], |it| &it.data));
            }
            Output::Mu => data.extend(said.mu.to_le_bytes()),
            Output::Threshold => data.extend(said.threshold.unwrap_or(f64::NAN).to_le_bytes()),
            Output::Score => data.extend(said.score.unwrap_or(f64::NAN).to_le_bytes()),
            Output::LayerSa => data.extend(self.layers.iter().flat_map(|it| it.sa_score.to_le_bytes())),
            Output::Decision => text(self.decision(), data),
            Output::Reason => text(&self.reasons(), data),
        }
    }

    fn decision(&self) -> &'static str {
        match self.segmentation.decision() {
            v1::Decision::Accept => "ACCEPT",
            // Whatever is no ACCEPT is for a human to see.
            v1::Decision::Reject | v1::Decision::Unspecified => "REJECT",
        }
    }

    fn reasons(&self) -> String {
        let name = |reason: v1::Reason| reason.as_str_name().trim_start_matches("REASON_");
        let names: Vec<_> = self.segmentation.reasons().map(name).collect();
        names.join(",")
    }

    /// Labels from the classes' bits; no pixel is of two classes.
    fn labels(&self, data: &mut Vec<u8>) {
        let begin = data.len();
        data.resize(begin + self.pixels(), 0);
        let planes = self.segmentation.mask.iter().flat_map(|mask| &mask.data);
        for (class, bits) in (1u8..=u8::MAX).zip(planes) {
            for (labels, byte) in data[begin..].chunks_mut(8).zip(bits) {
                for (place, label) in labels.iter_mut().enumerate() {
                    *label += class * (byte >> (7 - place) & 1);
                }
            }
        }
    }
}

/// An element of BYTES: after its length in 4 bytes.
fn text(text: &str, data: &mut Vec<u8>) {
    data.extend((text.len() as u32).to_le_bytes());
    data.extend(text.as_bytes());
}
