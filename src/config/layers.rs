//! One layer of settings: a flat map from dotted key to value, and where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Environment, File, FileFormat, Source, Value, ValueKind};

use super::{ConfigError, Origin, serving, unknown};

/// The defaults, in the form of a settings file. `sagate.example.toml` says the same with comments; a test compares.
const DEFAULTS: &str = r#"
models.dir = "models"
models.default = "t1-brain"
models.control = "auto"
models.watch_seconds = 0
models.removal_scans = 3
models.load_seconds = 300
readiness.strict = false
device.kind = "auto"
device.threads = 0
device.precision = "float32"
device.convolutions = "libtorch"
gate.by = "mu"
gate.coverage = "calibrated"
gate.allowed_coverage = [0.0, 1.0]
gate.allowed_threshold = [0.0, 1.0]
gate.accept_empty = false
gate.accept_uncalibrated = false
engine.queue_entries = 256
engine.queue_bytes = 1073741824
engine.total_entries = 1024
engine.total_bytes = 2147483648
engine.client_entries = 0
engine.client_bytes = 0
engine.activation_bytes = 0
engine.max_batch = 0
engine.bucket = 0
engine.batch_wait_ms = 0.0
engine.preferred_batches = []
engine.instances = 0
engine.niceness = 10
engine.priority_aging_seconds = 10
engine.warm_up_sides = [256]
server.listen = "127.0.0.1:50051"
server.admin = "127.0.0.1:9464"
server.max_message_bytes = 67108864
server.stream_window = 16
server.max_images = 64
server.http = ""
server.cors_origins = []
server.keepalive_seconds = 30
server.keepalive_timeout_seconds = 20
server.max_connection_age_seconds = 3600
server.max_connection_age_grace_seconds = 0
server.max_connection_calls = 1024
server.max_header_bytes = 16384
server.trusted_proxies = []
server.forwarded_header = "x-forwarded-for"
server.max_connections = 1000
server.max_client_connections = 500
server.receive_bytes = 0
server.receive_timeout_seconds = 120
server.send_timeout_seconds = 120
server.default_deadline_seconds = 300
server.max_deadline_seconds = 3600
server.shutdown_seconds = 30
server.model_admin = false
telemetry.otlp = ""
telemetry.otlp_ca = ""
telemetry.otlp_interval_seconds = 15
telemetry.window_seconds = 300
limits.max_pixels = 67108864
limits.max_bytes = 1073741824
imaging.grey_from_rgb = true
log.level = "warn"
log.format = "auto"
output.format = "table"
server.insecure = false
tls.cert = ""
tls.key = ""
tls.client_ca = ""
tls.client_required = false
tls.admin = false
tls.reload_seconds = 10
auth.anonymous = ["infer", "interpret"]
auth.tokens = ""
auth.certificates = []
auth.jwks = ""
auth.jwks_ca = ""
auth.jwks_seconds = 300
auth.issuer = ""
auth.audience = ""
auth.name_claim = "sub"
auth.role_claim = "roles"
auth.role_prefix = ""
auth.leeway_seconds = 60
rate.per_second = 0.0
rate.burst = 20
audit.file = ""
audit.max_bytes = 104857600
audit.keep = 10
access_log.file = ""
access_log.format = "json"
access_log.clients = true
access_log.max_bytes = 104857600
access_log.keep = 10
client.ca = ""
client.cert = ""
client.key = ""
client.token_file = ""
"#;

pub(super) struct Layer {
    pub origin: Origin,
    pub values: BTreeMap<String, Value>,
}

impl Layer {
    pub fn defaults() -> Layer {
        let table = File::from_str(DEFAULTS, FileFormat::Toml)
            .collect()
            .expect("the built-in defaults are TOML");
        Layer {
            origin: Origin::Default,
            values: flatten(table),
        }
    }

    pub fn file(path: &Path) -> Result<Layer, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        Layer::text(&text, path)
    }

    /// A file's text; `path` is what messages call it.
    pub fn text(text: &str, path: &Path) -> Result<Layer, ConfigError> {
        let table = File::from_str(text, FileFormat::Toml)
            .collect()
            .map_err(|error| ConfigError::Syntax {
                origin: format!("the settings file {}", path.display()),
                message: error.to_string().trim().to_string(),
            })?;
        Ok(Layer {
            origin: Origin::File(path.to_path_buf()),
            values: flatten(table),
        })
    }

    pub fn environment(variables: &BTreeMap<String, String>) -> Result<Layer, ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let table = Environment::with_prefix("SAGATE")
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables))
            .collect()
            .map_err(|error| ConfigError::Syntax {
                origin: "the environment".into(),
                message: error.to_string(),
            })?;
        Ok(Layer {
            origin: Origin::Environment,
            values: flatten(table),
        })
    }

    pub fn flags(flags: &[(&'static str, String)]) -> Layer {
        let values = flags
            .iter()
            .map(|(key, value)| ((*key).to_string(), Value::from(value.as_str())))
            .collect();
        Layer {
            origin: Origin::Flag,
            values,
        }
    }

    pub fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let known = |key: &str| super::keys().any(|(known, _)| known == key) || serving::parts(key).is_some();
        match self.values.keys().find(|key| !known(key)) {
            None => Ok(()),
            Some(key) => Err(unknown::explain(key, &self.origin)),
        }
    }
}

/// Turns nested tables into dotted keys.
fn flatten(table: config::Map<String, Value>) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, table: config::Map<String, Value>, out: &mut BTreeMap<String, Value>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value.kind {
                ValueKind::Table(inner) => walk(&key, inner, out),
                _ => {
                    out.insert(key, value);
                }
            }
        }
    }
    let mut out = BTreeMap::new();
    walk("", table, &mut out);
    out
}
