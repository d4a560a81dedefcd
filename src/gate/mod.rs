//! Calibration, thresholds, the decision.
