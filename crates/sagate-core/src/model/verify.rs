//! Verification of a model: every problem at once.

use super::error::Finding;
use super::files;
use super::folder::{Inspection, Model, inspect};
use super::repository::Located;

/// Verifies a model's checksums, manifest, weights, calibration and unit scores, and lists every finding; empty where it is valid.
pub fn verify(located: &Located) -> Vec<Finding> {
    let Inspection { model, mut findings } = inspect(&located.folder);
    if let Some(model) = model {
        findings.extend(located.misnamed(&model));
        check_contents(&model, &mut findings);
    }
    findings
}

fn check_contents(model: &Model, findings: &mut Vec<Finding>) {
    let path = |name: &str| model.folder().join(name);
    // A file that is reported as damaged or missing is not reported twice.
    let reported = |findings: &[Finding], name: &str| findings.iter().any(|it| it.file == path(name));
    if !reported(findings, files::WEIGHTS)
        && let Err(error) = model.weights()
    {
        findings.push(Finding::error(&path(files::WEIGHTS), None, error.to_string()));
    }
    if !reported(findings, files::GOLDEN)
        && let Err(error) = model.golden()
    {
        findings.push(Finding::error(&path(files::GOLDEN), None, error.to_string()));
    }
    if reported(findings, files::CALIBRATION) || reported(findings, files::UNIT_SCORES) {
        return;
    }
    let calibration = match model.calibration() {
        Ok(Some(calibration)) => calibration,
        Ok(None) => {
            let message = "it is missing, so the gate rejects every image as NOT_CALIBRATED; make it with `sagate calibrate`";
            return findings.push(Finding::warning(&path(files::CALIBRATION), message));
        }
        Err(error) => {
            return findings.push(Finding::error(&path(files::CALIBRATION), None, error.to_string()));
        }
    };
    match model.unit_scores() {
        Ok(None) => {
            let message = "it is missing, so no other score can be fitted without the calibration images; `sagate \
                           calibrate` makes it";
            findings.push(Finding::warning(&path(files::UNIT_SCORES), message));
        }
        Ok(Some(scores)) => {
            let entries = calibration.entries.iter().map(|entry| &entry.name);
            if !entries.eq(scores.names()) {
                let message = format!(
                    "its images are not those of {} in the same order",
                    files::CALIBRATION
                );
                findings.push(Finding::error(&path(files::UNIT_SCORES), Some("names"), message));
            }
        }
        Err(error) => findings.push(Finding::error(&path(files::UNIT_SCORES), None, error.to_string())),
    }
}
