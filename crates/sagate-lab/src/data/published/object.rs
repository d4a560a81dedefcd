//! Which labels of a mask make the object.

use std::collections::BTreeSet;

use super::Options;

/// The labels of the one object class.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// These labels only; none for all but background.
    listed: Option<BTreeSet<u16>>,
    /// The label that marks voxels nobody decided on, where the data set has one.
    ignored: Option<u16>,
}

impl Object {
    /// What the options ask for, else every label but 0 and `ignored`.
    pub fn new(options: &Options, ignored: Option<u16>) -> Self {
        Self {
            listed: options
                .object
                .as_ref()
                .map(|labels| labels.iter().copied().collect()),
            ignored,
        }
    }

    /// Whether a label belongs to the object.
    pub fn holds(&self, label: u16) -> bool {
        match &self.listed {
            Some(listed) => listed.contains(&label),
            None => label != 0 && Some(label) != self.ignored,
        }
    }

    /// The labels in words.
    pub fn words(&self) -> String {
        match (&self.listed, self.ignored) {
            (Some(listed), _) => listed.iter().map(u16::to_string).collect::<Vec<_>>().join(", "),
            (None, None) => "all but 0".to_owned(),
            (None, Some(ignored)) => format!("all but 0 and {ignored}, which is to be ignored"),
        }
    }
}
