//! Results of checks: state, finding and fix.

use serde::Serialize;

/// State of a checked item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Correct.
    Fine,
    /// Works, with a warning.
    Note,
    /// Must be fixed.
    Wrong,
}

/// Result of one check.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The checked item.
    pub about: String,
    pub state: State,
    /// The finding.
    pub found: String,
    /// How to fix it; `None` if it is correct.
    pub fix: Option<String>,
}

impl Finding {
    pub fn fine(about: &str, found: impl Into<String>) -> Finding {
        Finding {
            about: about.into(),
            state: State::Fine,
            found: found.into(),
            fix: None,
        }
    }

    pub fn note(about: &str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            state: State::Note,
            fix: Some(fix.into()),
            ..Finding::fine(about, found)
        }
    }

    pub fn wrong(about: &str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            state: State::Wrong,
            fix: Some(fix.into()),
            ..Finding::fine(about, found)
        }
    }
}
