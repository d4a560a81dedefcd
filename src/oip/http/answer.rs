//! Encoding of a response as an HTTP body.

use axum::body::Body;
use axum::http::{Response, header};
use serde::Serialize;
use serde_json::Value;
use tonic::Code;

use super::elements::Written;
use super::request::AsBinary;
use crate::grpc::error::ServiceError;
use crate::grpc::transport::outgoing;
use crate::grpc::transport::outgoing::Permit;
use crate::oip::datatype::Datatype;
use crate::proto::inference::ModelInferResponse;

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Written<'a>>,
}

#[derive(Serialize)]
struct Size {
    binary_data_size: usize,
}

/// The response as JSON, followed by the binary outputs. At most `most` bytes of outputs become JSON, which is a few times as long. It
/// holds `permit` until it is written.
///
/// # Errors
/// More than `most` bytes, or an internal error.
pub(crate) fn answer(
    answer: &ModelInferResponse,
    permit: Permit,
    as_binary: &AsBinary,
    most: usize,
) -> Result<Response<Body>, ServiceError> {
    let outputs = || answer.outputs.iter().zip(&answer.raw_output_contents);
    let is_binary = |name: &str| as_binary.holds(name);
    let in_json = outputs().filter(|(output, _)| !is_binary(&output.name));
    let in_json: usize = in_json.map(|(_, data)| data.len()).sum();
    if in_json > most {
        return Err(ServiceError::Wire {
            code: Code::OutOfRange,
            reason: "ANSWER_TOO_LARGE",
            message: format!(
                "the outputs that are to be JSON have {in_json} bytes; they may have at most {most} (setting server.max_message_bytes): \
                 ask for them as bytes (parameter binary_data), or for fewer"
            ),
        });
    }
    let mut described = Vec::new();
    for (output, data) in outputs() {
        let datatype = Datatype::named(&output.datatype).ok_or(ServiceError::Internal)?;
        let binary = is_binary(&output.name);
        described.push(Output {
            name: &output.name,
            datatype: &output.datatype,
            shape: &output.shape,
            parameters: binary.then_some(Size {
                binary_data_size: data.len(),
            }),
            data: (!binary).then_some(Written { datatype, data }),
        });
    }
    let mut body = serde_json::to_vec(&Answer {
        model_name: &answer.model_name,
        model_version: &answer.model_version,
        id: &answer.id,
        outputs: described,
    })
    .map_err(|_| ServiceError::Internal)?;
    let json_length = body.len();
    let response = Response::builder();
    let response = if outputs().any(|(output, _)| is_binary(&output.name)) {
        for (_, data) in outputs().filter(|(output, _)| is_binary(&output.name)) {
            body.extend_from_slice(data);
        }
        response
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(super::JSON_LENGTH, json_length)
    } else {
        response.header(header::CONTENT_TYPE, "application/json")
    };
    response
        .body(Body::from(outgoing::whole(body.into(), permit)))
        .map_err(|_| ServiceError::Internal)
}

/// A response of JSON only.
pub(crate) fn json(value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
