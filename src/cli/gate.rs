//! The flags that set the gate for one run.

use sagate_core::gate::Policy;

use super::UsageError;
use crate::client::GateOptions;
use crate::config::Settings;

/// What a run asks of the gate.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Gate")]
pub struct GateArgs {
    /// Share of images like the calibration's that shall pass, 0 to 1 [default: the settings', else the calibration's]
    #[arg(
        long,
        value_name = "SHARE",
        conflicts_with = "threshold",
        allow_negative_numbers = true
    )]
    pub coverage: Option<f64>,
    /// Least mean SA score that passes, 0 to 1, in place of a coverage
    #[arg(long, value_name = "MU", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
}

impl GateArgs {
    /// The policy of the settings, narrowed to what the run asks for.
    ///
    /// # Errors
    /// A coverage or threshold outside what the settings allow.
    pub fn policy(&self, settings: &Settings) -> Result<Policy, UsageError> {
        settings
            .gate
            .policy()
            .with_request(self.coverage, self.threshold)
            .map_err(|error| UsageError(error.to_string()))
    }

    /// What a server is asked for: what the flags say, else a coverage that this side's settings name.
    pub fn asked(&self, settings: &Settings) -> Option<GateOptions> {
        let named = settings.gate.coverage.filter(|_| settings.named("gate.coverage"));
        match (self.coverage, self.threshold) {
            (None, Some(threshold)) => Some(GateOptions::Threshold(threshold)),
            (coverage, _) => coverage.or(named).map(GateOptions::Coverage),
        }
    }
}
