//! Requests of the Open Inference Protocol, and what is in their answers.

#![allow(dead_code, reason = "every test file uses a part")]

use std::collections::BTreeMap;

use bytes::Bytes;
use sagate::proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use sagate::proto::inference::infer_parameter::ParameterChoice;
use sagate::proto::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use sagate::proto::inference::{InferParameter, ModelInferRequest, ModelInferResponse};
use tonic::transport::Channel;

use super::server::Server;

/// A client with a connection of its own.
pub fn client(server: &Server) -> GrpcInferenceServiceClient<Channel> {
    GrpcInferenceServiceClient::new(server.channel())
        .max_decoding_message_size(1 << 30)
        .max_encoding_message_size(1 << 30)
}

/// A request for the tiny model with one input as bytes.
pub fn asks(input: &str, datatype: &str, shape: &[i64], data: Vec<u8>) -> ModelInferRequest {
    ModelInferRequest {
        model_name: super::tiny_model::NAME.into(),
        inputs: vec![InferInputTensor {
            name: input.into(),
            datatype: datatype.into(),
            shape: shape.to_vec(),
            ..Default::default()
        }],
        raw_input_contents: vec![data.into()],
        ..Default::default()
    }
}

/// The same, asking for these outputs.
pub fn with_outputs(mut request: ModelInferRequest, names: &[&str]) -> ModelInferRequest {
    let output = |name: &&str| InferRequestedOutputTensor {
        name: (*name).into(),
        ..Default::default()
    };
    request.outputs = names.iter().map(output).collect();
    request
}

/// The same with a parameter.
pub fn with(mut request: ModelInferRequest, name: &str, choice: ParameterChoice) -> ModelInferRequest {
    let parameter_choice = Some(choice);
    request
        .parameters
        .insert(name.into(), InferParameter { parameter_choice });
    request
}

/// Elements of BYTES: each after its length.
pub fn elements(elements: &[&[u8]]) -> Vec<u8> {
    let one = |it: &&[u8]| [&(it.len() as u32).to_le_bytes(), *it].concat();
    elements.iter().flat_map(one).collect()
}

/// The outputs of an answer by name: datatype, shape, bytes.
pub fn outputs(answer: &ModelInferResponse) -> BTreeMap<String, (String, Vec<i64>, Bytes)> {
    assert_eq!(answer.outputs.len(), answer.raw_output_contents.len());
    let each = answer.outputs.iter().zip(&answer.raw_output_contents);
    each.map(|(it, data)| {
        (
            it.name.clone(),
            (it.datatype.clone(), it.shape.clone(), data.clone()),
        )
    })
    .collect()
}

/// Values of FP64.
pub fn doubles(data: &[u8]) -> Vec<f64> {
    let (values, rest) = data.as_chunks();
    assert!(rest.is_empty());
    values.iter().map(|&value| f64::from_le_bytes(value)).collect()
}
