//! Self-test of a loaded model against its golden file, before it gets requests.

use super::error::ExecutorError;
use super::model_executor::ModelExecutor;
use super::segmentation::dice;
use crate::model::Golden;

/// Largest absolute difference of mu from the golden one; processors and devices round differently.
pub const MU_TOLERANCE: f64 = 0.005;
/// Lowest Dice between the mask and the golden one.
pub const MIN_DICE: f64 = 0.995;

/// Segments the golden image and compares mask and mu with the golden ones.
///
/// # Errors
/// [`ExecutorError::SelfTest`] with what differs, or the model failing.
pub fn self_test(executor: &ModelExecutor, golden: &Golden) -> Result<(), ExecutorError> {
    let failed = |finding: String| {
        Err(ExecutorError::SelfTest {
            model: executor.spec().id().to_string(),
            finding,
        })
    };
    let image = executor.prepare(&golden.image)?;
    let result = executor.segment(&[&image])?.remove(0);
    if result.labels.dim() != golden.labels.dim() {
        let (found, wanted) = (result.labels.dim(), golden.labels.dim());
        return failed(format!(
            "its mask has {found:?} pixels, the golden one {wanted:?}"
        ));
    }
    let agreement = dice(&result.labels, &golden.labels, executor.manifest().classes.len());
    if agreement < MIN_DICE {
        return failed(format!(
            "Dice between its mask and the golden one is {agreement:.4}, at least {MIN_DICE} would be right"
        ));
    }
    let mu = result.mean_sa.mu;
    // False for NaN.
    let is_near = (mu - golden.mu).abs() <= MU_TOLERANCE;
    if !is_near {
        let wanted = golden.mu;
        return failed(format!(
            "mu is {mu:.4}, the golden one {wanted:.4}, give or take {MU_TOLERANCE}"
        ));
    }
    Ok(())
}
