//! Parameters of a request.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sagate_core::gate::PolicyError;

use crate::grpc::error::ServiceError;
use crate::proto::inference::InferParameter;
use crate::proto::inference::infer_parameter::ParameterChoice;
use crate::proto::v1;
use crate::proto::v1::segmentation_options::Gate;

/// All parameters, for error messages.
const KNOWN: &str = "coverage, threshold, slice, row_spacing, column_spacing, timeout or priority";

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    /// Gate options.
    pub gate: Option<Gate>,
    /// Which slice of a volume, from 0.
    pub slice: Option<u32>,
    /// Millimetres per row step and per column step; empty if not set.
    pub spacing: Vec<f64>,
    /// Scheduling priority.
    pub priority: v1::Priority,
    /// Deadline.
    pub deadline: Option<Instant>,
}

impl Parameters {
    /// Parses a request's parameters.
    ///
    /// # Errors
    /// One that is unknown, of the wrong type or out of range. None is ignored, since it may be meant for the gate.
    pub fn read(given: BTreeMap<String, InferParameter>) -> Result<Parameters, ServiceError> {
        let mut read = Parameters::default();
        let (mut coverage, mut threshold) = (None, None);
        let mut spacing = [None, None];
        for (name, parameter) in given {
            let parameter = Parameter {
                field: format!("parameters.{name}"),
                choice: parameter.parameter_choice,
            };
            match name.as_str() {
                "coverage" => coverage = Some(parameter.number()?),
                "threshold" => threshold = Some(parameter.number()?),
                "slice" => read.slice = Some(parameter.whole(u32::MAX.into())? as u32),
                "row_spacing" => spacing[0] = Some(parameter.number()?),
                "column_spacing" => spacing[1] = Some(parameter.number()?),
                // As in Triton: microseconds; 0 means not set.
                "timeout" => match parameter.whole(i64::MAX as u64)? {
                    0 => {}
                    micros => read.deadline = Instant::now().checked_add(Duration::from_micros(micros)),
                },
                // As in Triton: 0 is the default, 1 the highest.
                "priority" => {
                    read.priority = match parameter.whole(u64::MAX)? {
                        0 | 2 => v1::Priority::Routine,
                        1 => v1::Priority::Urgent,
                        _ => v1::Priority::Batch,
                    }
                }
                // Triton's client sets this by default; every response of a stream is marked as final anyway.
                "triton_enable_empty_final_response" => drop(parameter.truth()?),
                // KServe's client sets this by default for HTTP; over gRPC every output is binary.
                "binary_data_output" => drop(parameter.truth()?),
                _ => return Err(parameter.wrong("unknown", KNOWN)),
            }
        }
        read.gate = match (coverage, threshold) {
            (None, None) => None,
            (Some(coverage), None) => Some(Gate::Coverage(coverage)),
            (None, Some(threshold)) => Some(Gate::Threshold(threshold)),
            (Some(coverage), Some(threshold)) => {
                return Err(PolicyError::Both { coverage, threshold }.into());
            }
        };
        read.spacing = match spacing {
            [None, None] => Vec::new(),
            [Some(row), Some(column)] => vec![row, column],
            _ => {
                let is = "set without the other";
                let right = "both of row_spacing and column_spacing, or neither";
                return Err(ServiceError::field("parameters.row_spacing", is, right));
            }
        };
        Ok(read)
    }
}

/// Refuses parameters of a tensor, except one that is redundant.
///
/// # Errors
/// Any other parameter.
pub(crate) fn only(
    field: &str,
    given: &BTreeMap<String, InferParameter>,
    allowed: &str,
) -> Result<(), ServiceError> {
    match given.keys().find(|name| *name != allowed) {
        None => Ok(()),
        Some(name) => Err(ServiceError::field(
            format!("{field}.parameters.{name}"),
            "unknown",
            format!("left out, or {allowed}: sagate has no shared memory and no classification"),
        )),
    }
}

struct Parameter {
    field: String,
    choice: Option<ParameterChoice>,
}

impl Parameter {
    /// A number, or text that is one: some clients have no number type.
    fn number(&self) -> Result<f64, ServiceError> {
        let number = match &self.choice {
            Some(ParameterChoice::DoubleParam(number)) => Some(*number),
            Some(ParameterChoice::Int64Param(number)) => Some(*number as f64),
            Some(ParameterChoice::Uint64Param(number)) => Some(*number as f64),
            Some(ParameterChoice::StringParam(text)) => text.trim().parse().ok(),
            Some(ParameterChoice::BoolParam(_)) | None => None,
        };
        number.ok_or_else(|| self.wrong(self.shown(), "a number"))
    }

    /// A whole number from 0 to `most`.
    fn whole(&self, most: u64) -> Result<u64, ServiceError> {
        let number = match &self.choice {
            Some(ParameterChoice::Uint64Param(number)) => Some(*number),
            Some(ParameterChoice::Int64Param(number)) => u64::try_from(*number).ok(),
            Some(ParameterChoice::StringParam(text)) => text.trim().parse().ok(),
            Some(ParameterChoice::DoubleParam(_) | ParameterChoice::BoolParam(_)) | None => None,
        };
        let fits = number.filter(|&number| number <= most);
        fits.ok_or_else(|| self.wrong(self.shown(), format!("a whole number from 0 to {most}")))
    }

    fn truth(&self) -> Result<bool, ServiceError> {
        match &self.choice {
            Some(ParameterChoice::BoolParam(truth)) => Ok(*truth),
            _ => Err(self.wrong(self.shown(), "true or false")),
        }
    }

    fn shown(&self) -> String {
        match &self.choice {
            None => "empty".into(),
            Some(ParameterChoice::BoolParam(it)) => it.to_string(),
            Some(ParameterChoice::Int64Param(it)) => it.to_string(),
            Some(ParameterChoice::Uint64Param(it)) => it.to_string(),
            Some(ParameterChoice::DoubleParam(it)) => it.to_string(),
            Some(ParameterChoice::StringParam(it)) => format!("`{it}`"),
        }
    }

    fn wrong(&self, is: impl std::fmt::Display, right: impl std::fmt::Display) -> ServiceError {
        ServiceError::field(&self.field, is, right)
    }
}
