//! Settings: defaults < TOML file < `SAGATE__SECTION__KEY` environment < flags.
//!
//! Each setting is described once, in the file of its section under `sections/`: key, type, default, rule, help. The struct, its reader,
//! the messages, `sagate.example.toml` ([`example`]) and the reference page ([`reference`]) follow from that.
//! [`Settings::load`] reads the layers, refuses unknown keys, and remembers for every value where it came from.

mod description;
mod document;
mod error;
mod layers;
mod reader;
mod roles;
mod rule;
mod section;
mod sections;
mod unknown;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use document::{example, reference};
pub use error::ConfigError;
pub use roles::{Role, Roles};
pub use sections::access_log::{AccessFormat, AccessLogSettings};
pub use sections::audit::AuditSettings;
pub use sections::auth::AuthSettings;
pub use sections::client::ClientSettings;
pub use sections::connections::ConnectionSettings;
pub use sections::device::{DeviceKind, DeviceSettings};
pub use sections::engine::EngineSettings;
pub use sections::gate::GateSettings;
pub use sections::imaging::ImagingSettings;
pub use sections::limits::LimitsSettings;
pub use sections::log::{LogFormat, LogLevel, LogSettings};
pub use sections::models::{ModelControl, ModelsSettings};
pub use sections::output::{OutputFormat, OutputSettings};
pub use sections::proxies::{ForwardedHeader, ProxySettings};
pub use sections::rate::RateSettings;
pub use sections::readiness::ReadinessSettings;
pub use sections::server::ServerSettings;
pub use sections::serving::{ServingSettings, VersionsSetting};
pub use sections::telemetry::TelemetrySettings;
pub use sections::tls::TlsSettings;

use description::{Description, Section};
use layers::Layer;
use reader::Reader;
use sections::serving;

/// The file in the working directory that is read when no `--config` names another.
pub const DEFAULT_FILE: &str = "sagate.toml";

/// Makes [`Settings`] of its sections.
macro_rules! settings {
    ($($section:ident: $type:ty,)+) => {
        /// Everything that can be set. One value of this reaches every command.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $(#[doc = concat!("Section `", stringify!($section), "`.")] pub $section: $type,)+
            /// Sections `serving.NAME`, by model.
            pub serving: BTreeMap<String, ServingSettings>,
            entries: Vec<Entry>,
        }

        /// Every section but those of single models, in the order of the example file.
        const SECTIONS: &[Section] = &[$(<$type>::SECTION),+];

        impl Settings {
            fn read(reader: &mut Reader) -> Result<Settings, ConfigError> {
                Ok(Settings {
                    $($section: <$type>::read(reader)?,)+
                    serving: serving::read(reader)?,
                    entries: Vec::new(),
                })
            }
        }
    };
}

settings! {
    models: ModelsSettings,
    readiness: ReadinessSettings,
    device: DeviceSettings,
    gate: GateSettings,
    engine: EngineSettings,
    server: ServerSettings,
    telemetry: TelemetrySettings,
    limits: LimitsSettings,
    imaging: ImagingSettings,
    log: LogSettings,
    output: OutputSettings,
    tls: TlsSettings,
    auth: AuthSettings,
    rate: RateSettings,
    audit: AuditSettings,
    access_log: AccessLogSettings,
    client: ClientSettings,
}

/// Every setting but those of single models.
fn descriptions() -> impl Iterator<Item = &'static Description> {
    SECTIONS.iter().flat_map(Section::descriptions)
}

/// The setting of this key, `serving.NAME.KEY` included.
fn description(key: &str) -> Option<&'static Description> {
    let described = descriptions().find(|described| described.key == key);
    described.or_else(|| serving::parts(key).map(|(_, described)| described))
}

/// One setting with its value and where that came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `section.key`.
    pub key: Cow<'static, str>,
    /// The value as a TOML file would hold it.
    pub value: toml::Value,
    /// The layer that it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// This TOML file.
    File(PathBuf),
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}

impl Origin {
    /// Names the place where `key` was set: the file, the variable or the flag.
    pub fn name(&self, key: &str) -> String {
        match self {
            Origin::Default => "default".into(),
            Origin::File(path) => format!("file {}", path.display()),
            Origin::Environment => format!("environment {}", variable(key)),
            Origin::Flag => {
                let flag = description(key).and_then(|described| described.flag);
                format!("flag --{}", flag.unwrap_or(key))
            }
        }
    }
}

/// The environment variable that sets `key`: `gate.coverage` is `SAGATE__GATE__COVERAGE`.
pub fn variable(key: &str) -> String {
    format!("SAGATE__{}", key.to_uppercase().replace('.', "__"))
}

/// The sources of settings besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A settings file that must exist. `None`: [`DEFAULT_FILE`] if the working directory has one.
    pub file: Option<PathBuf>,
    /// The environment: names and values; those that do not begin with `SAGATE__` are ignored.
    pub environment: BTreeMap<String, String>,
    /// Flags: dotted key and value.
    pub flags: Vec<(&'static str, String)>,
}

impl Settings {
    /// Reads all layers.
    ///
    /// # Errors
    /// A file that cannot be read or parsed, an unknown key, a value of the wrong type or out of range: each with the
    /// key, its place and what would be right.
    pub fn load(sources: &Sources) -> Result<Settings, ConfigError> {
        let mut layers = vec![defaults()];
        match &sources.file {
            Some(path) => layers.push(Layer::file(path)?),
            None if Path::new(DEFAULT_FILE).is_file() => layers.push(Layer::file(Path::new(DEFAULT_FILE))?),
            None => {}
        }
        layers.push(Layer::environment(&sources.environment)?);
        layers.push(Layer::flags(&sources.flags));
        Settings::from_layers(&layers)
    }

    /// Reads the defaults and one file: what `sagate config check` does.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn check(file: &Path) -> Result<Settings, ConfigError> {
        Settings::from_layers(&[defaults(), Layer::file(file)?])
    }

    /// [`Settings::check`] on a file's text; `file` is what messages call it.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str, file: &Path) -> Result<Settings, ConfigError> {
        Settings::from_layers(&[defaults(), Layer::text(text, file)?])
    }

    /// Every setting with its value and where it came from, in the order of the example file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether a key is set in a file, the environment or a flag.
    pub fn named(&self, key: &str) -> bool {
        let origin = self
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.origin);
        origin.is_some_and(|origin| *origin != Origin::Default)
    }

    /// What changes the loaded models, `auto` resolved: calls if they are allowed and nothing is polled, else the folder.
    pub fn model_control(&self) -> ModelControl {
        match self.models.control {
            ModelControl::Auto if self.server.model_admin && self.models.watch_seconds == 0 => {
                ModelControl::Explicit
            }
            ModelControl::Auto => ModelControl::Poll,
            control => control,
        }
    }

    /// Whether results are printed as JSON.
    pub fn json(&self) -> bool {
        self.output.format == OutputFormat::Json
    }

    fn from_layers(layers: &[Layer]) -> Result<Settings, ConfigError> {
        for layer in layers {
            unknown::refuse(layer)?;
        }
        let mut reader = Reader::new(layers);
        let mut settings = Settings::read(&mut reader)?;
        settings.check_relations(&reader)?;
        settings.server.refuse_exposed(&settings.tls)?;
        settings.entries = reader.entries;
        Ok(settings)
    }

    /// Checks values that must fit those of other keys.
    fn check_relations(&self, reader: &Reader) -> Result<(), ConfigError> {
        let mut relations = (self.models.relations().into_iter())
            .chain(self.engine.relations())
            .chain(self.server.relations())
            .chain(self.telemetry.relations())
            .chain(self.tls.relations())
            .chain(self.auth.relations())
            .chain(self.client.relations());
        match relations.find(|(_, fits)| !fits) {
            Some((key, _)) => {
                let described = description(key).expect("only settings have relations");
                Err(reader.bad(key, &(described.right)(), described.is_list))
            }
            None => Ok(()),
        }
    }
}

/// The layer of the defaults.
fn defaults() -> Layer {
    let lines = descriptions().map(|it| format!("{} = {}\n", it.key, it.default));
    Layer::defaults(&lines.collect::<String>())
}

impl Default for Settings {
    fn default() -> Self {
        Settings::from_layers(&[defaults()]).expect("the built-in defaults are valid (tests/cli/config.rs)")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} = {} ({})",
            self.key,
            self.value,
            self.origin.name(&self.key)
        )
    }
}
