//! Validation of shapes and types.

use tch::{Kind, Tensor};

use crate::error::ProtosegError;

pub(super) fn check_probability(probability: &Tensor) -> Result<(), ProtosegError> {
    let found = probability.size();
    if !(3..=5).contains(&found.len()) || found.contains(&0) || found[1] > 254 {
        let expected = "[B, K, *S] with 1 to 254 classes and 1 to 3 spatial dimensions, none empty, would do";
        return Err(ProtosegError::Shape {
            tensor: "probability",
            found,
            expected: expected.into(),
        });
    }
    if !matches!(
        probability.kind(),
        Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
    ) {
        let expected = "floating point numbers in [0, 1] would do";
        return Err(ProtosegError::Kind {
            tensor: "probability",
            found: probability.kind(),
            expected,
        });
    }
    Ok(())
}

pub(super) fn check_valid(valid: &Tensor, batch: i64, size: &[i64]) -> Result<(), ProtosegError> {
    let shape: Vec<i64> = [batch, 1].iter().chain(size).copied().collect();
    if valid.size() != shape {
        let expected = format!("{shape:?} would fit the probability");
        return Err(ProtosegError::Shape {
            tensor: "valid",
            found: valid.size(),
            expected,
        });
    }
    if !matches!(
        valid.kind(),
        Kind::Uint8 | Kind::Bool | Kind::Int64 | Kind::Int | Kind::Float
    ) {
        let expected = "0 and 1 as uint8 would do";
        return Err(ProtosegError::Kind {
            tensor: "valid",
            found: valid.kind(),
            expected,
        });
    }
    Ok(())
}

/// Refuses labels that are not `[B, *S]` uint8, and a number of classes that is not 1 to 254.
pub(super) fn check_labels(labels: &Tensor, classes: usize) -> Result<(), ProtosegError> {
    let found = labels.size();
    if !(2..=4).contains(&found.len()) || found.contains(&0) || !(1..=254).contains(&classes) {
        let expected = "a `labels` of [B, *S] with 1 to 3 spatial dimensions, none empty, would do".into();
        return Err(ProtosegError::Shape {
            tensor: "labels",
            found,
            expected,
        });
    }
    if labels.kind() != Kind::Uint8 {
        let expected = "class numbers as uint8 would do";
        return Err(ProtosegError::Kind {
            tensor: "labels",
            found: labels.kind(),
            expected,
        });
    }
    Ok(())
}

/// Refuses a feature `[B, C, *s]` that does not fit this prediction.
pub(super) fn check_feature(feature: &Tensor, batch: usize, size: &[i64]) -> Result<(), ProtosegError> {
    let found = feature.size();
    let dimensions = size.len() + 2;
    if found.len() != dimensions || found[0] != batch as i64 || found.contains(&0) {
        let expected = format!(
            "[{}, C, *s] with {} spatial dimensions, none empty, would fit the probability",
            batch,
            size.len()
        );
        return Err(ProtosegError::Shape {
            tensor: "feature",
            found,
            expected,
        });
    }
    if !matches!(
        feature.kind(),
        Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
    ) {
        let expected = "floating point numbers would do";
        return Err(ProtosegError::Kind {
            tensor: "feature",
            found: feature.kind(),
            expected,
        });
    }
    check_grid(&found[2..], size)
}

pub(super) fn check_grid(positions: &[i64], size: &[i64]) -> Result<(), ProtosegError> {
    if positions.len() != size.len() || positions.iter().zip(size).any(|(s, size)| s > size || *s < 1) {
        let expected = format!("each side would have to lie between 1 and the image's {:?}", size);
        return Err(ProtosegError::Shape {
            tensor: "feature",
            found: positions.to_vec(),
            expected,
        });
    }
    Ok(())
}
