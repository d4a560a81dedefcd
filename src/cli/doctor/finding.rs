//! What was looked at, what it is like, and what to do about it.

use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Fine,
    /// Works, and is worth knowing.
    Note,
    /// Must be mended.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What.
    pub about: String,
    pub state: State,
    /// What was found.
    pub found: String,
    /// What would mend it; `None` where it is fine.
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
