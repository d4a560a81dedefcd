//! What is known of a setting besides its type; `section!` makes these.

/// One setting.
pub(super) struct Description {
    /// `section.key`; of a model's settings the key alone.
    pub key: &'static str,
    /// The default as TOML.
    pub default: &'static str,
    /// What it does, line by line.
    pub help: &'static [&'static str],
    /// What a right value is, as it stands after "it must be".
    pub right: fn() -> String,
    /// Whether its value is a list.
    pub is_list: bool,
    /// The command-line flag that sets it, without its dashes.
    pub flag: Option<&'static str>,
}

/// The settings of one section, in one or several structs.
pub(super) struct Section {
    /// Its name in a settings file.
    pub name: &'static str,
    /// What its settings are about, line by line.
    pub about: &'static [&'static str],
    /// Its settings.
    pub settings: &'static [&'static [Description]],
}

impl Section {
    /// Its settings, in the order of the example file.
    pub fn descriptions(&self) -> impl Iterator<Item = &'static Description> + use<> {
        self.settings.iter().copied().flatten()
    }
}
