//! What to say of a key that sagate does not know: which key was probably meant.

use super::layers::Layer;
use super::sections::serving::ServingSettings;
use super::{ConfigError, Origin, description, descriptions, variable};

/// Words that other programs use, and the settings that mean the same here. Dots are written as underscores.
const ALIASES: &[(&str, &[&str])] = &[
    (
        "server.listen",
        &[
            "port",
            "host",
            "hostname",
            "address",
            "addr",
            "bind",
            "bind_address",
            "ip",
            "grpc_port",
            "grpc_listen",
            "grpc_address",
            "listen_address",
            "listen_port",
            "endpoint",
        ],
    ),
    (
        "server.admin",
        &[
            "admin_port",
            "admin_address",
            "admin_listen",
            "metrics_port",
            "metrics_address",
            "metrics_listen",
            "prometheus_port",
            "health_port",
            "management_port",
        ],
    ),
    (
        "server.http",
        &[
            "http_port",
            "http_address",
            "http_listen",
            "rest_port",
            "rest_address",
        ],
    ),
    (
        "server.max_message_bytes",
        &[
            "max_message_size",
            "max_message_length",
            "max_receive_message_length",
            "max_request_size",
            "max_request_bytes",
            "max_body_size",
            "max_body_bytes",
        ],
    ),
    (
        "server.shutdown_seconds",
        &[
            "shutdown_timeout",
            "graceful_timeout",
            "grace_period",
            "drain_timeout",
            "drain_seconds",
            "termination_grace_period_seconds",
        ],
    ),
    (
        "server.cors_origins",
        &["cors", "cors_allowed_origins", "allowed_origins", "origins"],
    ),
    (
        "server.keepalive_seconds",
        &["keepalive", "keepalive_time", "keepalive_interval"],
    ),
    ("server.max_connection_age_seconds", &["max_connection_age"]),
    (
        "server.max_connection_calls",
        &["max_concurrent_streams", "max_streams"],
    ),
    (
        "models.dir",
        &[
            "model_path",
            "model_dir",
            "models_path",
            "models_dir",
            "model_repository",
            "model_store",
            "repository",
        ],
    ),
    (
        "models.default",
        &["model", "model_name", "default_model", "models_name"],
    ),
    (
        "models.watch_seconds",
        &[
            "repository_poll_secs",
            "poll_seconds",
            "poll_interval",
            "watch",
            "watch_interval",
        ],
    ),
    (
        "device.kind",
        &["device_type", "gpu", "cuda", "use_gpu", "accelerator"],
    ),
    (
        "device.threads",
        &[
            "num_threads",
            "omp_num_threads",
            "cpu_threads",
            "intra_op_threads",
            "cores",
        ],
    ),
    ("device.precision", &["dtype", "fp16", "half"]),
    (
        "engine.instances",
        &[
            "workers",
            "num_workers",
            "worker_threads",
            "instance_count",
            "replicas",
        ],
    ),
    ("engine.max_batch", &["batch", "batch_size", "max_batch_size"]),
    (
        "engine.batch_wait_ms",
        &[
            "max_batch_delay",
            "max_queue_delay_microseconds",
            "max_wait_ms",
            "batch_timeout",
            "batch_timeout_ms",
        ],
    ),
    (
        "engine.preferred_batches",
        &["preferred_batch_size", "preferred_batch_sizes"],
    ),
    (
        "engine.queue_entries",
        &[
            "queue_size",
            "max_queue",
            "max_queue_size",
            "queue_length",
            "backlog",
        ],
    ),
    ("engine.warm_up_sides", &["warmup", "warm_up", "warmup_sides"]),
    ("limits.max_pixels", &["max_image_pixels"]),
    (
        "limits.max_bytes",
        &["max_file_size", "max_image_bytes", "max_upload_size"],
    ),
    (
        "log.level",
        &[
            "log_level",
            "loglevel",
            "logging",
            "verbosity",
            "verbose",
            "debug",
            "rust_log",
        ],
    ),
    ("log.format", &["log_format", "logformat", "log_json"]),
    (
        "tls.cert",
        &[
            "certificate",
            "cert_file",
            "certfile",
            "cert_path",
            "certificate_file",
            "tls_cert",
            "ssl_cert",
            "ssl_certfile",
            "crt",
        ],
    ),
    (
        "tls.key",
        &[
            "private_key",
            "key_file",
            "keyfile",
            "key_path",
            "private_key_file",
            "tls_key",
            "ssl_key",
            "ssl_keyfile",
        ],
    ),
    (
        "tls.client_ca",
        &[
            "ca_file",
            "cafile",
            "ca_cert",
            "ca_certs",
            "tls_ca",
            "client_ca_file",
            "ssl_ca_certs",
            "mtls_ca",
        ],
    ),
    (
        "tls.client_required",
        &["client_auth", "require_client_cert", "mtls", "verify_client"],
    ),
    ("client.ca", &["client_ca_cert", "client_cafile"]),
    (
        "client.cert",
        &["certificate", "cert_file", "certfile", "cert_path"],
    ),
    ("client.key", &["private_key", "key_file", "keyfile", "key_path"]),
    ("client.token_file", &["token", "bearer_token"]),
    (
        "auth.tokens",
        &["tokens_file", "token_file", "api_key", "api_keys", "auth_token"],
    ),
    ("auth.jwks", &["jwks_url", "jwks_uri", "jwks_file"]),
    ("auth.audience", &["aud"]),
    ("auth.issuer", &["iss", "issuer_url"]),
    ("auth.leeway_seconds", &["clock_skew", "clock_skew_seconds"]),
    (
        "rate.per_second",
        &["rate_limit", "rps", "qps", "requests_per_second"],
    ),
    ("audit.file", &["audit_log", "audit_file", "audit_path"]),
    (
        "telemetry.otlp",
        &[
            "otlp_endpoint",
            "otlp_url",
            "otel",
            "otel_exporter_otlp_endpoint",
            "opentelemetry",
            "collector",
            "telemetry_endpoint",
        ],
    ),
    ("output.format", &["output_format", "json"]),
];

/// Refuses a layer with a key that no setting has.
pub(super) fn refuse(layer: &Layer) -> Result<(), ConfigError> {
    match layer.values.keys().find(|key| description(key).is_none()) {
        None => Ok(()),
        Some(key) => Err(explain(key, &layer.origin)),
    }
}

fn keys() -> impl Iterator<Item = &'static str> {
    descriptions().map(|it| it.key)
}

/// What a right value of a key is.
fn right(key: &str) -> String {
    description(key).map(|it| (it.right)()).unwrap_or_default()
}

/// The error for a key that no setting has.
fn explain(key: &str, origin: &Origin) -> ConfigError {
    if let Some(example) = example_of_section(key) {
        return ConfigError::Section {
            key: key.to_owned(),
            origin: origin.name(key),
            hint: match origin {
                Origin::Environment => format!(
                    "each of its keys has a variable of its own, like {}",
                    variable(&example)
                ),
                _ => format!("set its keys, like `{example}`"),
            },
        };
    }
    if let Some((setting, inner)) = inside_of_a_setting(key) {
        return ConfigError::BadValue {
            value: format!("a section that holds `{inner}`"),
            origin: origin.name(key),
            right: right(&setting),
            key: setting,
        };
    }
    ConfigError::UnknownKey {
        key: key.to_owned(),
        origin: origin.name(key),
        hint: match (meant(key), origin) {
            (None, _) => "`sagate config print` lists all that there are".to_owned(),
            (Some(meant), Origin::Environment) => {
                let variable = variable(&meant);
                format!("did you mean `{meant}` ({variable}), {}?", right(&meant))
            }
            (Some(meant), _) => format!("did you mean `{meant}`, {}?", right(&meant)),
        },
    }
}

/// A key of the section that `key` names, where it names one.
fn example_of_section(key: &str) -> Option<String> {
    let mut parts = key.split('.');
    if parts.next() == Some("serving") {
        let name = parts.next().unwrap_or("NAME");
        return parts.next().is_none().then(|| format!("serving.{name}.weight"));
    }
    let known = keys().find(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')));
    known.map(str::to_owned)
}

/// A setting that `key` treats as a section, and what it looks for in it.
fn inside_of_a_setting(key: &str) -> Option<(String, &str)> {
    key.match_indices('.')
        .map(|(at, _)| (&key[..at], &key[at + 1..]))
        .find(|(outer, _)| description(outer).is_some())
        .map(|(outer, inner)| (outer.to_owned(), inner))
}

/// The valid key that was probably meant; `None` where none is close.
fn meant(key: &str) -> Option<String> {
    let in_ours = |text: &str| text.to_lowercase().replace('-', "_");
    if let Some((model, field)) = key
        .strip_prefix("serving.")
        .and_then(|rest| rest.rsplit_once('.'))
    {
        let fields = ServingSettings::SETTINGS.iter().map(|known| known.key);
        return Some(format!("serving.{model}.{}", nearest(&in_ours(field), fields)?));
    }
    let key = &in_ours(key);
    let elsewhere = || keys().find(|known| last(known) == last(key));
    by_alias(key)
        .or_else(elsewhere)
        .or_else(|| nearest(key, keys()))
        .map(str::to_owned)
}

/// The setting that other programs call so. The whole key counts before its last part, and the key's own section before others.
fn by_alias(key: &str) -> Option<&'static str> {
    let calls = |wanted: &str| {
        let mut named = ALIASES
            .iter()
            .filter(|(_, names)| names.contains(&wanted))
            .map(|(setting, _)| *setting);
        let first = named.clone().next()?;
        Some(
            named
                .find(|setting| section(setting) == section(key))
                .unwrap_or(first),
        )
    };
    calls(&key.replace('.', "_")).or_else(|| calls(last(key)))
}

/// The candidate that needs the fewest edits to become `key`, where those are few for its length; the section may be missing.
fn nearest<'a>(key: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| {
        let whole = strsim::osa_distance(key, candidate);
        whole.min(strsim::osa_distance(last(key), last(candidate)) + 1)
    };
    let (edits, candidate) = candidates
        .map(|candidate| (distance(candidate), candidate))
        .min_by_key(|(edits, _)| *edits)?;
    (edits <= 1 + key.len() / 3).then_some(candidate)
}

fn section(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or_default()
}
