//! From a body to a request.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::elements::Elements;
use crate::grpc::error::ServiceError;
use crate::grpc::inference::infer_parameter::ParameterChoice;
use crate::grpc::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use crate::grpc::inference::{InferParameter, ModelInferRequest};
use crate::grpc::oip::datatype::Datatype;

/// Which outputs are answered as bytes after the JSON.
#[derive(Debug, Clone, Default)]
pub(in crate::grpc::oip) struct AsBinary {
    /// Those of which nothing is said.
    all: bool,
    /// By output.
    named: BTreeMap<String, bool>,
}

impl AsBinary {
    pub fn holds(&self, output: &str) -> bool {
        self.named.get(output).copied().unwrap_or(self.all)
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    id: String,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    inputs: Vec<Input>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    data: Option<Elements>,
}

#[derive(Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
}

/// Reads a request for a model. `json_length` says how much of the body is JSON; without it all is.
///
/// # Errors
/// What is no JSON of the protocol, or binary tensors that are not as long as it says.
pub(in crate::grpc::oip) fn read(
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
    let mut body: Body = serde_json::from_slice(&body[..json_length]).map_err(|error| {
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
    for (index, input) in body.inputs.into_iter().enumerate() {
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
    for (index, output) in body.outputs.into_iter().enumerate() {
        request.outputs.push(InferRequestedOutputTensor {
            name: output.name,
            parameters: parameters(&format!("outputs[{index}].parameters"), output.parameters)?,
        });
    }
    Ok((request, as_binary))
}

/// Takes out what is said of the answer's form.
fn as_binary(body: &mut Body) -> Result<AsBinary, ServiceError> {
    let mut form = AsBinary::default();
    let truth = |field: &str, value: &Value| {
        let wrong = || ServiceError::field(field, value, "true or false");
        value.as_bool().ok_or_else(wrong)
    };
    if let Some(value) = body.parameters.remove("binary_data_output") {
        form.all = truth("parameters.binary_data_output", &value)?;
    }
    for (index, output) in body.outputs.iter_mut().enumerate() {
        if let Some(value) = output.parameters.remove("binary_data") {
            let binary = truth(&format!("outputs[{index}].parameters.binary_data"), &value)?;
            form.named.insert(output.name.clone(), binary);
        }
    }
    Ok(form)
}

impl Input {
    /// Its elements as bytes, from the JSON or from what follows it, and what is said of it.
    fn read(mut self, field: &str, binary: &mut Bytes) -> Result<(Bytes, InferInputTensor), ServiceError> {
        let data = match (self.parameters.remove("binary_data_size"), self.data) {
            (Some(size), None) => {
                let fits = size.as_u64().and_then(|size| usize::try_from(size).ok());
                let fits = fits.filter(|&size| size <= binary.len()).ok_or_else(|| {
                    let right = format!("at most the {} bytes that follow", binary.len());
                    ServiceError::field(format!("{field}.parameters.binary_data_size"), size, right)
                })?;
                binary.split_to(fits)
            }
            (None, Some(elements)) => {
                let datatype = Datatype::named(&self.datatype).ok_or_else(|| {
                    let is = format!("`{}`", self.datatype);
                    let right = "UINT8, INT16, UINT16, FP16, FP32 or BYTES";
                    ServiceError::field(format!("{field}.datatype"), is, right)
                })?;
                elements.bytes(datatype).map_err(|message| ServiceError::Field {
                    field: format!("{field}.data"),
                    message,
                })?
            }
            (Some(_), Some(_)) => {
                let right = "left out, as binary_data_size says that the data follows";
                return Err(ServiceError::field(format!("{field}.data"), "there", right));
            }
            (None, None) => {
                let right = "there, or binary_data_size must say how many bytes follow the JSON";
                return Err(ServiceError::field(format!("{field}.data"), "missing", right));
            }
        };
        let tensor = InferInputTensor {
            name: self.name,
            datatype: self.datatype,
            shape: self.shape,
            parameters: parameters(&format!("{field}.parameters"), self.parameters)?,
            contents: None,
        };
        Ok((data, tensor))
    }
}

fn parameters(
    field: &str,
    given: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, InferParameter>, ServiceError> {
    let read = |(name, value): (String, Value)| -> Result<(String, InferParameter), ServiceError> {
        let choice = match &value {
            Value::Bool(it) => Some(ParameterChoice::BoolParam(*it)),
            Value::String(it) => Some(ParameterChoice::StringParam(it.clone())),
            Value::Number(it) => it
                .as_i64()
                .map(ParameterChoice::Int64Param)
                .or_else(|| it.as_u64().map(ParameterChoice::Uint64Param))
                .or_else(|| it.as_f64().map(ParameterChoice::DoubleParam)),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let wrong =
            || ServiceError::field(format!("{field}.{name}"), &value, "a number, text, true or false");
        let parameter_choice = Some(choice.ok_or_else(wrong)?);
        Ok((name, InferParameter { parameter_choice }))
    };
    given.into_iter().map(read).collect()
}
