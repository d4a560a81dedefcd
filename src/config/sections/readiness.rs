//! Section `readiness`.

use crate::config::rule::switch;
use crate::config::section::section;

section! {
    /// When a server reports that it is ready.
    #[derive(Copy, Eq)]
    pub struct ReadinessSettings: "readiness" {
        /// A server is ready when its default model and every model with a section `[serving.NAME]` answers. true: only when
        /// every version answers, those whose load failed included.
        strict: bool = false, switch();
    }
}
