//! Settings: defaults < TOML file < `SAGATE__SECTION__KEY` environment < flags.
//!
//! [`Settings::load`] reads the layers, refuses what no key knows, and remembers for every value where it came from.
//! `sagate.example.toml` shows every key with its default and what it means.

mod access_log;
mod connections;
mod device;
mod layers;
mod models;
mod proxies;
mod roles;
mod serving;
mod trust;
mod unknown;
mod value;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use access_log::{AccessFormat, AccessLog};
pub use connections::Connections;
pub use device::{Device, DeviceError, DeviceKind};
pub use models::{ModelControl, Models, Readiness};
pub use proxies::{ForwardedHeader, Proxies};
pub use roles::{Role, Roles};
pub use serving::{Serving, VersionsSetting};
pub use trust::{Audit, Auth, Client, Rate, Tls};
pub use value::{LogFormat, LogLevel, OutputFormat};

use layers::Layer;
use sagate_core::gate::{By, Policy};
use value::Setting;

/// The file that is read when no `--config` names another and it lies in the working directory.
pub const DEFAULT_FILE: &str = "sagate.toml";

/// Keys that a settings file may hold, and what a right value looks like; connections have more.
const KEYS: &[(&str, &str)] = &[
    ("device.kind", "\"auto\", \"cpu\" or \"cuda\""),
    ("device.threads", "a whole number from 0 (all cores) to 1024"),
    ("device.precision", "\"float32\" or \"half\""),
    ("device.convolutions", "\"libtorch\" or \"winograd\""),
    ("gate.by", "\"mu\" or \"score\""),
    (
        "gate.coverage",
        "a number from 0 to 1, inside gate.allowed_coverage",
    ),
    (
        "gate.allowed_coverage",
        "two ascending numbers from 0 to 1, like [0.5, 1.0]",
    ),
    (
        "gate.allowed_threshold",
        "two ascending numbers from 0 to 1, like [0.0, 1.0]",
    ),
    ("gate.accept_empty", "true or false"),
    ("gate.accept_uncalibrated", "true or false"),
    ("engine.queue_entries", "a whole number from 1 to 1000000"),
    ("engine.queue_bytes", "a whole number of at least 1"),
    ("engine.total_entries", "a whole number from 1 to 1000000"),
    ("engine.total_bytes", "a whole number of at least 1"),
    (
        "engine.client_entries",
        "a whole number from 0 (no bound of its own) to 1000000",
    ),
    (
        "engine.client_bytes",
        "a whole number from 0 (no bound of its own)",
    ),
    (
        "engine.activation_bytes",
        "a whole number from 0 (half of what the system has left)",
    ),
    (
        "engine.max_batch",
        "a whole number from 0 (as suits the device) to 1024",
    ),
    (
        "engine.bucket",
        "0 (only images of one size meet) or a multiple of 16 to 8192",
    ),
    ("engine.batch_wait_ms", "a number of milliseconds from 0 to 60000"),
    (
        "engine.preferred_batches",
        "ascending whole numbers from 1 to max_batch, like [4, 8]",
    ),
    (
        "engine.instances",
        "a whole number from 0 (as suits the device) to 256",
    ),
    ("engine.niceness", "a whole number from 0 to 19"),
    (
        "engine.priority_aging_seconds",
        "a whole number from 0 (never) to 86400",
    ),
    (
        "engine.warm_up_sides",
        "whole numbers from 16 to 8192, like [256, 512]",
    ),
    (
        "server.listen",
        "an address with a port, like \"127.0.0.1:50051\"; port 0 takes a free one",
    ),
    (
        "server.admin",
        "an address with a port, like \"127.0.0.1:9464\"; port 0 takes a free one",
    ),
    (
        "server.max_message_bytes",
        "a whole number from 1024 to 2147483647",
    ),
    ("server.stream_window", "a whole number from 1 to 1024"),
    ("server.max_images", "a whole number from 1 to 1024"),
    (
        "server.http",
        "\"\" (off) or an address with a port, like \"127.0.0.1:8000\"; port 0 takes a free one",
    ),
    ("server.shutdown_seconds", "a whole number from 0 to 86400"),
    ("server.model_admin", "true or false"),
    (
        "telemetry.otlp",
        "\"\" (off) or the http:// or https:// URL of an OTLP/gRPC collector, like \"http://127.0.0.1:4317\"",
    ),
    (
        "telemetry.otlp_ca",
        "a PEM file where telemetry.otlp is an https:// URL, else \"\"",
    ),
    (
        "telemetry.otlp_interval_seconds",
        "a whole number from 1 to 86400",
    ),
    ("telemetry.window_seconds", "a whole number from 10 to 86400"),
    ("limits.max_pixels", "a whole number of at least 1"),
    ("limits.max_bytes", "a whole number of at least 1"),
    ("imaging.grey_from_rgb", "true or false"),
    (
        "log.level",
        "\"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
    ),
    ("log.format", "\"auto\", \"pretty\" or \"json\""),
    ("output.format", "\"table\" or \"json\""),
    ("server.insecure", "true or false"),
    ("tls.cert", "a PEM file of certificates, or \"\" (no TLS)"),
    (
        "tls.key",
        "a PEM file with a private key where tls.cert is set, else \"\"",
    ),
    (
        "tls.client_ca",
        "a PEM file of certificates, where tls.cert is set, or \"\"",
    ),
    ("tls.client_required", "true or false; true needs tls.client_ca"),
    ("tls.admin", "true or false; true needs tls.cert"),
    ("tls.reload_seconds", "a whole number from 1 to 86400"),
    (
        "auth.anonymous",
        "a list of roles (infer, interpret, review, admin, urgent), like [\"infer\"]",
    ),
    (
        "auth.tokens",
        "a file of lines `NAME ROLE[,ROLE] SHA256-HEX`, or \"\"",
    ),
    (
        "auth.certificates",
        "a list of `NAME ROLE[,ROLE]`, like [\"viewer.example infer,interpret\"]",
    ),
    (
        "auth.jwks",
        "a JSON Web Key Set as a file or an http:// or https:// URL, or \"\"",
    ),
    (
        "auth.jwks_ca",
        "a PEM file where auth.jwks is an https:// URL, else \"\"",
    ),
    ("auth.jwks_seconds", "a whole number from 1 to 86400"),
    (
        "auth.issuer",
        "the claim `iss` that tokens must have where auth.jwks is set, else \"\"",
    ),
    (
        "auth.audience",
        "the claim `aud` that tokens must have where auth.jwks is set, else \"\"",
    ),
    ("auth.name_claim", "the name of a claim"),
    (
        "auth.role_claim",
        "the name of a claim, like \"roles\" or \"realm_access.roles\"",
    ),
    ("auth.role_prefix", "text"),
    ("auth.leeway_seconds", "a whole number from 0 to 3600"),
    ("rate.per_second", "a number from 0 (no limit) to 1000000"),
    ("rate.burst", "a whole number from 1 to 1000000"),
    ("audit.file", "a file, or \"\" (no record)"),
    ("audit.max_bytes", "a whole number, 0 (never set aside) or more"),
    ("audit.keep", "a whole number from 1 to 10000"),
    ("client.ca", "a PEM file of certificates, or \"\" (the system's)"),
    ("client.cert", "a PEM file of certificates, or \"\""),
    (
        "client.key",
        "a PEM file with a private key where client.cert is set, else \"\"",
    ),
    ("client.token_file", "a file that holds a token, or \"\""),
];

/// Every key with its right value.
fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = models::KEYS.iter().chain(KEYS).copied();
    let of_server = own.chain(connections::KEYS).chain(proxies::KEYS);
    of_server.chain(access_log::KEYS)
}

/// Everything that can be set. One value of this reaches every command.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where models lie and which is meant when none is named.
    pub models: Models,
    /// When the server says that it is ready.
    pub readiness: Readiness,
    /// What the tensors run on.
    pub device: Device,
    /// What the gate asks for, and what a request may ask of it.
    pub gate: Gate,
    /// How images wait for a model.
    pub engine: Engine,
    /// How single models are served, where that differs, by name.
    pub serving: BTreeMap<String, Serving>,
    /// Where the service listens, and its bounds.
    pub server: Server,
    /// What the service tells of itself, and to whom.
    pub telemetry: Telemetry,
    /// How large an input may be.
    pub limits: Limits,
    /// How an input is read.
    pub imaging: Imaging,
    /// What is logged, and how.
    pub log: Log,
    /// How results are printed.
    pub output: Output,
    /// How connections to the service are encrypted.
    pub tls: Tls,
    /// Who callers are, and what they may do.
    pub auth: Auth,
    /// How often each client may ask.
    pub rate: Rate,
    /// The record of who asked what.
    pub audit: Audit,
    /// One line a call.
    pub access_log: AccessLog,
    /// How this client proves who it is, and which servers it believes.
    pub client: Client,
    entries: Vec<Entry>,
}

/// Section `gate`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Which score is held against the threshold.
    pub by: By,
    /// Share of images like the calibration images that shall be let through, 0..=1; `None` ("calibrated" in a file):
    /// the coverage that the model was calibrated with.
    pub coverage: Option<f64>,
    /// Lowest and highest coverage that a request may ask for.
    pub allowed_coverage: [f64; 2],
    /// Lowest and highest threshold that a request may ask for.
    pub allowed_threshold: [f64; 2],
    /// Whether an image in which the network found nothing, or nothing but object, may be accepted.
    pub accept_empty: bool,
    /// Whether a model without a calibration may accept anything.
    pub accept_uncalibrated: bool,
}

/// Section `engine`: what may wait, and how it is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    /// Most images of one model that wait or run at once.
    pub queue_entries: usize,
    /// Most bytes that those images take, what is kept for their answers counted in.
    pub queue_bytes: u64,
    /// Most images of all models that wait or run at once.
    pub total_entries: usize,
    /// Most bytes that those take.
    pub total_bytes: u64,
    /// Most images of one client that wait or run at once; 0: no bound of its own.
    pub client_entries: usize,
    /// Most bytes that those take; 0: no bound of its own.
    pub client_bytes: u64,
    /// Most bytes that the feature maps of all running batches take; 0: half of what the system has left at the start.
    pub activation_bytes: u64,
    /// Most images that the network sees at once; 0 leaves it to [`Engine::largest_batch`].
    pub max_batch: usize,
    /// Images meet whose sides, rounded up to a multiple of this, are the same; 0: only those of one size.
    pub bucket: usize,
    /// Milliseconds that an image waits for company.
    pub batch_wait_ms: f64,
    /// Batches that are run as soon as they are there, ascending.
    pub preferred_batches: Vec<usize>,
    /// Threads that run each model; 0: as many as may run at once, at most 8.
    pub instances: usize,
    /// Steps (nice) that the threads which compute on a CPU stand back behind those which answer, from 0 to 19.
    pub niceness: usize,
    /// Seconds after which a waiting BATCH image counts as ROUTINE; 0: never.
    pub priority_aging_seconds: u64,
    /// Sides of the square images that each model is warmed up with before it is ready.
    pub warm_up_sides: Vec<usize>,
}

/// Section `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where gRPC is answered.
    pub listen: SocketAddr,
    /// Where plain HTTP answers `/metrics`, `/healthz` and `/readyz`.
    pub admin: SocketAddr,
    /// Most bytes of one message, packed or not.
    pub max_message_bytes: usize,
    /// Most images of one stream that are in work at once.
    pub stream_window: usize,
    /// Most images of one request of the Open Inference Protocol.
    pub max_images: usize,
    /// Where the Open Inference Protocol is answered over HTTP/JSON; `None`: nowhere.
    pub http: Option<SocketAddr>,
    /// Connections: their lives, their bounds.
    pub connections: Connections,
    /// Proxies that say for whom they ask.
    pub proxies: Proxies,
    /// Seconds that what is in work is given at the end.
    pub shutdown_seconds: u64,
    /// Whether `sagate.v1.ModelAdminControl` is answered, which loads models and takes them away.
    pub model_admin: bool,
    /// Whether ports may be open beyond this machine without TLS.
    pub insecure: bool,
}

/// Section `telemetry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// An OTLP/gRPC collector that gets traces and metrics; empty: none does.
    pub otlp: String,
    /// Authorities of the certificate of an `https://` collector, PEM; empty: those of the system.
    pub otlp_ca: PathBuf,
    /// Seconds between two exports of metrics.
    pub otlp_interval_seconds: u64,
    /// Seconds that sliding shares and rates look back.
    pub window_seconds: u64,
}

/// Section `limits`, for each picture once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels (or voxels), channels counted.
    pub max_pixels: u64,
    /// Most bytes, of the file and of the decoded picture.
    pub max_bytes: u64,
}

/// Section `imaging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imaging {
    /// Whether a file whose three channels are equal everywhere is one channel for a model that takes one.
    pub grey_from_rgb: bool,
}

/// Section `log`. Logs go to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// Section `output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Tables for people or JSON for programs.
    pub format: OutputFormat,
}

/// One setting with its value and where that came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `section.key`.
    pub key: Cow<'static, str>,
    /// The value as a TOML file would hold it.
    pub value: toml::Value,
    /// The layer that had the last word.
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
                let flag = match key {
                    "models.dir" => "models",
                    "models.default" => "model",
                    "device.kind" => "device",
                    "device.threads" => "threads",
                    "device.precision" => "precision",
                    "device.convolutions" => "convolutions",
                    "log.level" => "log",
                    "output.format" => "json",
                    "server.listen" => "listen",
                    "server.admin" => "admin",
                    "server.http" => "http",
                    "telemetry.otlp" => "otlp",
                    "server.insecure" => "insecure",
                    "client.ca" => "ca",
                    "client.cert" => "cert",
                    "client.key" => "key",
                    "client.token_file" => "token-file",
                    other => other,
                };
                format!("flag --{flag}")
            }
        }
    }
}

/// The environment variable that sets `key`: `gate.coverage` is `SAGATE__GATE__COVERAGE`.
pub fn variable(key: &str) -> String {
    format!("SAGATE__{}", key.to_uppercase().replace('.', "__"))
}

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was asked for is not there or cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or a variable is not text.
    #[error("{origin}: {message}")]
    Syntax {
        /// File or variable.
        origin: String,
        /// What is wrong, with the line where there is one.
        message: String,
    },
    /// A key that sagate does not know.
    #[error("unknown setting `{key}` ({origin}); {hint}")]
    UnknownKey {
        /// The key as it was found.
        key: String,
        /// Where it was found.
        origin: String,
        /// The valid key that was probably meant.
        hint: String,
    },
    /// A section that was given one value, like `server = "0.0.0.0"`, or a map in one variable.
    #[error("`{key}` ({origin}) is a section of settings and has no value of its own: {hint}")]
    Section {
        /// The section.
        key: String,
        /// Where it was found.
        origin: String,
        /// How one of its keys is set there.
        hint: String,
    },
    /// A value of the wrong type or out of range.
    #[error("setting `{key}` is {value} ({origin}): it must be {right}")]
    BadValue {
        /// The key.
        key: String,
        /// What it was.
        value: String,
        /// Where it was found.
        origin: String,
        /// What would be right.
        right: String,
    },
    /// A port that anyone on the network could use and read along with.
    #[error(
        "setting `{key}` is {address}, which others can reach, and they would be answered without encryption: listen on 127.0.0.1, \
         or {right}, or set server.insecure = true (--insecure) where something in front of it encrypts"
    )]
    Exposed {
        /// The key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What would encrypt it.
        right: &'static str,
    },
}

/// The sources that are looked at, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A settings file that must be there. `None`: [`DEFAULT_FILE`] where the working directory has one.
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
        let mut layers = vec![Layer::defaults()];
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
        Settings::from_layers(&[Layer::defaults(), Layer::file(file)?])
    }

    /// [`Settings::check`] on a file's text; `file` is what messages call it.
    ///
    /// # Errors
    /// As there.
    pub fn parse(text: &str, file: &Path) -> Result<Settings, ConfigError> {
        Settings::from_layers(&[Layer::defaults(), Layer::text(text, file)?])
    }

    /// Every setting with its value and where it came from, in the order of the example file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether someone said what a key is to be, in a file, the environment or a flag.
    pub fn named(&self, key: &str) -> bool {
        let origin = self
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.origin);
        origin.is_some_and(|origin| *origin != Origin::Default)
    }

    /// How models come and go, `auto` resolved: by calls where calls are allowed and nothing is polled, by the folder otherwise.
    pub fn model_control(&self) -> ModelControl {
        match self.models.control {
            ModelControl::Auto if self.server.model_admin && self.models.watch_seconds == 0 => {
                ModelControl::Explicit
            }
            ModelControl::Auto => ModelControl::Poll,
            said => said,
        }
    }

    /// Whether programs, not people, read what is printed.
    pub fn json(&self) -> bool {
        self.output.format == OutputFormat::Json
    }

    fn from_layers(layers: &[Layer]) -> Result<Settings, ConfigError> {
        for layer in layers {
            layer.refuse_unknown()?;
        }
        let mut reader = Reader {
            layers,
            entries: Vec::new(),
            lists: BTreeSet::new(),
        };
        let mut settings = Settings {
            models: Models::read(&mut reader)?,
            readiness: Readiness::read(&mut reader)?,
            device: Device {
                kind: reader.get("device.kind")?,
                threads: reader.get("device.threads")?,
                precision: reader.get("device.precision")?,
                convolutions: reader.get("device.convolutions")?,
            },
            gate: Gate {
                by: reader.get("gate.by")?,
                coverage: reader.get("gate.coverage")?,
                allowed_coverage: reader.get("gate.allowed_coverage")?,
                allowed_threshold: reader.get("gate.allowed_threshold")?,
                accept_empty: reader.get("gate.accept_empty")?,
                accept_uncalibrated: reader.get("gate.accept_uncalibrated")?,
            },
            engine: Engine {
                queue_entries: reader.get("engine.queue_entries")?,
                queue_bytes: reader.get("engine.queue_bytes")?,
                total_entries: reader.get("engine.total_entries")?,
                total_bytes: reader.get("engine.total_bytes")?,
                client_entries: reader.get("engine.client_entries")?,
                client_bytes: reader.get("engine.client_bytes")?,
                activation_bytes: reader.get("engine.activation_bytes")?,
                max_batch: reader.get("engine.max_batch")?,
                bucket: reader.get("engine.bucket")?,
                batch_wait_ms: reader.get("engine.batch_wait_ms")?,
                preferred_batches: reader.get("engine.preferred_batches")?,
                instances: reader.get("engine.instances")?,
                niceness: reader.get("engine.niceness")?,
                priority_aging_seconds: reader.get("engine.priority_aging_seconds")?,
                warm_up_sides: reader.get("engine.warm_up_sides")?,
            },
            serving: serving::read(&mut reader)?,
            server: Server {
                listen: reader.get("server.listen")?,
                admin: reader.get("server.admin")?,
                max_message_bytes: reader.get("server.max_message_bytes")?,
                stream_window: reader.get("server.stream_window")?,
                max_images: reader.get("server.max_images")?,
                http: reader.get("server.http")?,
                connections: Connections::read(&mut reader)?,
                proxies: Proxies::read(&mut reader)?,
                shutdown_seconds: reader.get("server.shutdown_seconds")?,
                model_admin: reader.get("server.model_admin")?,
                insecure: reader.get("server.insecure")?,
            },
            telemetry: Telemetry {
                otlp: reader.get("telemetry.otlp")?,
                otlp_ca: reader.get("telemetry.otlp_ca")?,
                otlp_interval_seconds: reader.get("telemetry.otlp_interval_seconds")?,
                window_seconds: reader.get("telemetry.window_seconds")?,
            },
            limits: Limits {
                max_pixels: reader.get("limits.max_pixels")?,
                max_bytes: reader.get("limits.max_bytes")?,
            },
            imaging: Imaging {
                grey_from_rgb: reader.get("imaging.grey_from_rgb")?,
            },
            log: Log {
                level: reader.get("log.level")?,
                format: reader.get("log.format")?,
            },
            output: Output {
                format: reader.get("output.format")?,
            },
            tls: Tls::read(&mut reader)?,
            auth: Auth::read(&mut reader)?,
            rate: Rate::read(&mut reader)?,
            audit: Audit::read(&mut reader)?,
            access_log: AccessLog::read(&mut reader)?,
            client: Client::read(&mut reader)?,
            entries: Vec::new(),
        };
        settings.refuse_out_of_range(&reader)?;
        settings.entries = reader.entries;
        Ok(settings)
    }

    fn refuse_out_of_range(&self, reader: &Reader) -> Result<(), ConfigError> {
        let range_ok = |[low, high]: [f64; 2]| (0.0..=1.0).contains(&low) && low <= high && high <= 1.0;
        let a_day = |seconds: u64| (1..=86400).contains(&seconds);
        let checks = [
            ("device.threads", self.device.threads <= 1024),
            ("gate.allowed_coverage", range_ok(self.gate.allowed_coverage)),
            ("gate.allowed_threshold", range_ok(self.gate.allowed_threshold)),
            (
                "gate.coverage",
                self.gate.coverage.is_none_or(|it| (0.0..=1.0).contains(&it)),
            ),
            (
                "engine.queue_entries",
                (1..=1_000_000).contains(&self.engine.queue_entries),
            ),
            ("engine.queue_bytes", self.engine.queue_bytes >= 1),
            (
                "engine.total_entries",
                (1..=1_000_000).contains(&self.engine.total_entries),
            ),
            ("engine.total_bytes", self.engine.total_bytes >= 1),
            ("engine.client_entries", self.engine.client_entries <= 1_000_000),
            ("engine.max_batch", self.engine.max_batch <= 1024),
            ("engine.bucket", serving::is_bucket(self.engine.bucket)),
            (
                "engine.batch_wait_ms",
                serving::is_wait(self.engine.batch_wait_ms),
            ),
            (
                "engine.preferred_batches",
                serving::are_batches(&self.engine.preferred_batches, self.engine.max_batch),
            ),
            ("engine.instances", self.engine.instances <= 256),
            ("engine.niceness", self.engine.niceness <= 19),
            (
                "engine.priority_aging_seconds",
                self.engine.priority_aging_seconds <= 86400,
            ),
            (
                "engine.warm_up_sides",
                self.engine
                    .warm_up_sides
                    .iter()
                    .all(|it| (16..=8192).contains(it)),
            ),
            (
                "server.max_message_bytes",
                (1024..=i32::MAX as usize).contains(&self.server.max_message_bytes),
            ),
            (
                "server.stream_window",
                (1..=1024).contains(&self.server.stream_window),
            ),
            ("server.max_images", (1..=1024).contains(&self.server.max_images)),
            ("server.shutdown_seconds", self.server.shutdown_seconds <= 86400),
            (
                "telemetry.otlp",
                self.telemetry.otlp.is_empty()
                    || self.telemetry.otlp.starts_with("http://")
                    || self.telemetry.otlp.starts_with("https://"),
            ),
            (
                "telemetry.otlp_ca",
                self.telemetry.otlp_ca.as_os_str().is_empty() || self.telemetry.otlp.starts_with("https://"),
            ),
            ("access_log.keep", (1..=10_000).contains(&self.access_log.keep)),
            (
                "telemetry.otlp_interval_seconds",
                a_day(self.telemetry.otlp_interval_seconds),
            ),
            (
                "telemetry.window_seconds",
                (10..=86400).contains(&self.telemetry.window_seconds),
            ),
            ("limits.max_pixels", self.limits.max_pixels >= 1),
            ("limits.max_bytes", self.limits.max_bytes >= 1),
        ];
        let trust = trust::checks(&self.tls, &self.auth, &self.rate, &self.audit, &self.client);
        let models = self.models.in_range();
        let checks = models
            .into_iter()
            .chain(checks)
            .chain(self.server.connections.in_range(self.server.max_message_bytes))
            .chain(trust);
        match checks.into_iter().find(|(_, fine)| !fine) {
            Some((key, _)) => Err(reader.bad(key)),
            None => trust::refuse_exposed(&self.server, &self.tls),
        }
    }
}

impl Gate {
    /// What the gate is asked for when a request asks for nothing.
    pub fn policy(&self) -> Policy {
        Policy {
            by: self.by,
            coverage: self.coverage,
            threshold: None,
            allowed_coverage: self.allowed_coverage,
            allowed_threshold: self.allowed_threshold,
            accept_empty: self.accept_empty,
            accept_uncalibrated: self.accept_uncalibrated,
        }
    }
}

impl Engine {
    /// Most images that the network sees at once on a device. A core of a CPU is busy with one, and takes no less time for each of several;
    /// only below some 64 x 64 pixels do a few together save something (`sagate --threads 1 bench network --size 32 --batch 4`). A GPU is
    /// filled only by many.
    pub fn largest_batch(&self, device: tch::Device) -> usize {
        match (self.max_batch, device) {
            (0, tch::Device::Cpu) => 1,
            (0, _) => 16,
            (most, _) => most,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings::from_layers(&[Layer::defaults()])
            .expect("the built-in defaults are valid (tests/cli/config.rs)")
    }
}

/// Looks keys up in the layers, the last that has one wins.
struct Reader<'a> {
    layers: &'a [Layer],
    entries: Vec<Entry>,
    /// Keys whose values are lists.
    lists: BTreeSet<Cow<'static, str>>,
}

impl Reader<'_> {
    fn find(&self, key: &str) -> Option<(&Layer, &config::Value)> {
        let mut layers = self.layers.iter().rev();
        layers.find_map(|layer| layer.values.get(key).map(|value| (layer, value)))
    }

    fn get<T: Setting>(&mut self, key: &'static str) -> Result<T, ConfigError> {
        Ok(self.look_up(key.into())?.expect("the defaults hold every key"))
    }

    /// A field of a model's section, where somebody said it.
    fn find_and_get<T: Setting>(&mut self, model: &str, field: &str) -> Result<Option<T>, ConfigError> {
        self.look_up(format!("serving.{model}.{field}").into())
    }

    fn look_up<T: Setting>(&mut self, key: Cow<'static, str>) -> Result<Option<T>, ConfigError> {
        if T::IS_LIST {
            self.lists.insert(key.clone());
        }
        let Some((layer, value)) = self.find(&key) else {
            return Ok(None);
        };
        let Some(read) = T::read(value) else {
            return Err(self.bad(&key));
        };
        let entry = Entry {
            value: read.shown(),
            origin: layer.origin.clone(),
            key,
        };
        self.entries.push(entry);
        Ok(Some(read))
    }

    fn bad(&self, key: &str) -> ConfigError {
        let (layer, value) = self.find(key).expect("only what was found can be bad");
        let form = match layer.origin {
            Origin::Environment if self.lists.contains(key) => {
                "; a variable holds it as a JSON array, or as values with commas between"
            }
            _ => "",
        };
        ConfigError::BadValue {
            key: key.to_owned(),
            value: value::describe(value),
            origin: layer.origin.name(key),
            right: format!("{}{form}", right(key)),
        }
    }
}

/// What a right value of a key looks like.
fn right(key: &str) -> &'static str {
    let right = keys().find(|(known, _)| *known == key);
    right
        .map(|(_, right)| right)
        .or_else(|| serving::right(key))
        .unwrap_or_default()
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
