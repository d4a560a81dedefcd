//! Parsing of a body to a request.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::elements;
use super::members::{AtMost, Parameters, Value, optional};
use crate::grpc::error::ServiceError;
use crate::oip::datatype::Datatype;
use crate::proto::inference::infer_parameter::ParameterChoice;
use crate::proto::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use crate::proto::inference::{InferParameter, ModelInferRequest};

/// Which outputs are returned as binary data after the JSON.
#[derive(Debug, Clone, Default)]
pub(in crate::oip) struct AsBinary {
    /// Default of outputs without a setting of their own.
    all: bool,
    /// Per output.
    named: BTreeMap<String, bool>,
}

impl AsBinary {
    pub fn holds(&self, output: &str) -> bool {
        self.named.get(output).copied().unwrap_or(self.all)
    }
}

/// Most inputs and outputs of a request, and most dimensions of one: more than any model has.
const TENSORS: usize = 256;
const SIDES: usize = 16;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default, deserialize_with = "optional")]
    id: String,
    #[serde(default, deserialize_with = "optional")]
    parameters: Parameters,
    #[serde(borrow)]
    inputs: AtMost<Input<'a>, TENSORS>,
    #[serde(default, deserialize_with = "optional")]
    outputs: AtMost<Output, TENSORS>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: String,
    shape: AtMost<i64, SIDES>,
    datatype: String,
    #[serde(default, deserialize_with = "optional")]
    parameters: Parameters,
    /// Unparsed: its datatype and shape may follow in the JSON.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default, deserialize_with = "optional")]
    parameters: Parameters,
}

/// Parses a request for a model. `json_length` is the length of the JSON in the body; without it all is JSON.
///
/// # Errors
/// Invalid JSON, or binary tensors of another length than announced.
pub(in crate::oip) fn read(
    model: String,
    version: String,
    body: Bytes,
    json_length: Option<usize>,
) -> Result<(ModelInferRequest, AsBinary), ServiceError> {
    let json_length = json_length.unwrap_or(body.len());
    if json_length > body.len() {
        let right = format!("at most the body's {} bytes", body.len());
        return Err(ServiceError::field(super::JSON_LENGTH, json_length, right));
    }
    let mut binary = body.slice(json_length..);
    let json = body.slice(..json_length);
    drop(body);
    let mut body: Body = serde_json::from_slice(&json).map_err(|error| {
        let is = format!("no request of the Open Inference Protocol: {error}");
        ServiceError::field("body", is, "a JSON object with inputs")
    })?;
    let as_binary = as_binary(&mut body)?;
    let mut request = ModelInferRequest {
        model_name: model,
        model_version: version,
        id: body.id,
        parameters: parameters("parameters", body.parameters)?,
        ..Default::default()
    };
    for (index, input) in body.inputs.0.into_iter().enumerate() {
        let field = format!("inputs[{index}]");
        let (data, tensor) = input.read(&field, &mut binary)?;
        request.raw_input_contents.push(data);
        request.inputs.push(tensor);
    }
    if !binary.is_empty() {
        let is = format!("{} bytes longer than its tensors", binary.len());
        let right = "the JSON and then as many bytes as its binary_data_size say";
        return Err(ServiceError::field("body", is, right));
    }
    for (index, output) in body.outputs.0.into_iter().enumerate() {
        request.outputs.push(InferRequestedOutputTensor {
            name: output.name,
            parameters: parameters(&format!("outputs[{index}].parameters"), output.parameters)?,
        });
    }
    Ok((request, as_binary))
}

/// Removes the parameters about the format of the response.
fn as_binary(body: &mut Body<'_>) -> Result<AsBinary, ServiceError> {
    let mut form = AsBinary::default();
    let truth = |field: &str, value: &Value| {
        let wrong = || ServiceError::field(field, value, "true or false");
        match value {
            Value::Bool(truth) => Ok(*truth),
            _ => Err(wrong()),
        }
    };
    if let Some(value) = body.parameters.0.remove("binary_data_output") {
        form.all = truth("parameters.binary_data_output", &value)?;
    }
    for (index, output) in body.outputs.0.iter_mut().enumerate() {
        if let Some(value) = output.parameters.0.remove("binary_data") {
            let binary = truth(&format!("outputs[{index}].parameters.binary_data"), &value)?;
            form.named.insert(output.name.clone(), binary);
        }
    }
    Ok(form)
}

impl Input<'_> {
    /// Its elements as bytes, from the JSON or from the binary data, and its parameters.
    fn read(mut self, field: &str, binary: &mut Bytes) -> Result<(Bytes, InferInputTensor), ServiceError> {
        let data = match (self.parameters.0.remove("binary_data_size"), self.data) {
            (Some(size), None) => {
                let fits = match size {
                    Value::Int(size) => usize::try_from(size).ok(),
                    _ => None,
                };
                let fits = fits.filter(|&size| size <= binary.len()).ok_or_else(|| {
                    let right = format!("at most the {} bytes that follow", binary.len());
                    ServiceError::field(format!("{field}.parameters.binary_data_size"), size, right)
                })?;
                binary.split_to(fits)
            }
            (None, Some(elements)) => {
                let parse_enum = Datatype::named(&self.datatype).filter(|it| *it != Datatype::Fp64);
                let datatype = parse_enum.ok_or_else(|| {
                    let is = format!("`{}`", self.datatype);
                    let right = "UINT8, INT16, UINT16, FP16, FP32 or BYTES";
                    ServiceError::field(format!("{field}.datatype"), is, right)
                })?;
                let sides = self
                    .shape
                    .0
                    .iter()
                    .map(|&side| usize::try_from(side).unwrap_or(0));
                let most = sides.fold(1usize, usize::saturating_mul);
                elements::read(elements, datatype, most).map_err(|message| ServiceError::Field {
                    field: format!("{field}.data"),
                    message,
                })?
            }
            (Some(_), Some(_)) => {
                let right = "left out, as binary_data_size says that the data follows";
                return Err(ServiceError::field(format!("{field}.data"), "set", right));
            }
            (None, None) => {
                let right = "set, or binary_data_size must give the number of bytes after the JSON";
                return Err(ServiceError::field(format!("{field}.data"), "missing", right));
            }
        };
        let tensor = InferInputTensor {
            name: self.name,
            datatype: self.datatype,
            shape: self.shape.0,
            parameters: parameters(&format!("{field}.parameters"), self.parameters)?,
            contents: None,
        };
        Ok((data, tensor))
    }
}

fn parameters(field: &str, given: Parameters) -> Result<BTreeMap<String, InferParameter>, ServiceError> {
    let read = |(name, value): (String, Value)| -> Result<(String, InferParameter), ServiceError> {
        let choice = match &value {
            Value::Bool(it) => Some(ParameterChoice::BoolParam(*it)),
            Value::Text(it) => Some(ParameterChoice::StringParam(it.clone())),
            Value::Int(it) => Some(ParameterChoice::Int64Param(*it)),
            Value::Uint(it) => Some(ParameterChoice::Uint64Param(*it)),
            Value::Double(it) => Some(ParameterChoice::DoubleParam(*it)),
            Value::Null | Value::List | Value::Object => None,
        };
        let wrong =
            || ServiceError::field(format!("{field}.{name}"), &value, "a number, text, true or false");
        let parameter_choice = Some(choice.ok_or_else(wrong)?);
        Ok((name, InferParameter { parameter_choice }))
    };
    given.0.into_iter().map(read).collect()
}
