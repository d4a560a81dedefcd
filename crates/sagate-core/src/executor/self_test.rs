//! A model's own proof that it does what it did when it was made, before it gets requests.

use super::error::ExecutorError;
use super::pass::ModelExecutor;
use super::segmentation::dice;
use crate::model::Golden;

/// How far mu may lie from the golden one: other processors and devices round in other ways.
pub const MU_TOLERANCE: f64 = 0.005;
/// The least Dice between the mask and the golden one.
pub const MIN_DICE: f64 = 0.995;

/// Segments the golden image and compares mask and mu with what they were.
///
/// # Errors
/// [`ExecutorError::SelfTest`] with what differs, or the model failing.
pub fn self_test(pass: &ModelExecutor, golden: &Golden) -> Result<(), ExecutorError> {
    let failed = |finding: String| {
        Err(ExecutorError::SelfTest {
            model: pass.contract().id().to_string(),
            finding,
        })
    };
    let image = pass.prepare(&golden.image)?;
    let seen = pass.segment(&[&image])?.remove(0);
    if seen.labels.dim() != golden.labels.dim() {
        let (found, wanted) = (seen.labels.dim(), golden.labels.dim());
        return failed(format!(
            "its mask has {found:?} pixels, the golden one {wanted:?}"
        ));
    }
    let agreement = dice(&seen.labels, &golden.labels, pass.manifest().classes.len());
    if agreement < MIN_DICE {
        return failed(format!(
            "Dice between its mask and the golden one is {agreement:.4}, at least {MIN_DICE} would be right"
        ));
    }
    let mu = seen.mean_sa.mu;
    // Not a number is no agreement either.
    let is_near = (mu - golden.mu).abs() <= MU_TOLERANCE;
    if !is_near {
        let wanted = golden.mu;
        return failed(format!(
            "mu is {mu:.4}, the golden one {wanted:.4}, give or take {MU_TOLERANCE}"
        ));
    }
    Ok(())
}
