//! How long connections live, how much they carry, and which pages may open them.

use super::{ConfigError, Reader};

/// Part of section `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Origins of web pages that may call `sagate.v1` over gRPC-web, like `https://viewer.example`; empty: gRPC-web is not spoken.
    pub cors_origins: Vec<String>,
    /// Seconds of silence after which a connection is asked whether it still lives.
    pub keepalive_seconds: u64,
    /// Seconds that it is given to answer.
    pub keepalive_timeout_seconds: u64,
    /// Seconds after which a connection is told to go: its calls end, new ones come over another; 0: never.
    pub max_connection_age_seconds: u64,
    /// Seconds that its calls are given then; 0: as long as they take.
    pub max_connection_age_grace_seconds: u64,
    /// Most calls at once on one connection.
    pub max_connection_calls: u32,
    /// Most bytes of a call's headers.
    pub max_header_bytes: u32,
    /// Most connections at once, over gRPC and HTTP together.
    pub max_connections: usize,
    /// Most of them from one client address; 0: no limit of its own.
    pub max_client_connections: usize,
    /// Most bytes of all requests that are being received or wait for admission; 0: four of the largest messages, at least 256 MiB.
    pub receive_bytes: u64,
    /// Seconds that receiving a request may take.
    pub receive_timeout_seconds: u64,
    /// Seconds that an answer may wait for its reader to take any of it.
    pub send_timeout_seconds: u64,
    /// Seconds that a call of one request has where the client gives no deadline; 0: no deadline.
    pub default_deadline_seconds: u64,
    /// Most seconds that any call may last, whatever the client asks for; 0: no maximum.
    pub max_deadline_seconds: u64,
}

/// Each key, and what a right value looks like.
pub(super) const KEYS: [(&str, &str); 14] = [
    (
        "server.cors_origins",
        "a list of origins without a path, like [\"https://viewer.example\"]; [] is none",
    ),
    ("server.keepalive_seconds", "a whole number from 1 to 86400"),
    (
        "server.keepalive_timeout_seconds",
        "a whole number from 1 to 86400",
    ),
    (
        "server.max_connection_age_seconds",
        "a whole number from 0 (never) to 31536000",
    ),
    (
        "server.max_connection_age_grace_seconds",
        "a whole number from 0 (as long as calls take) to 31536000",
    ),
    ("server.max_connection_calls", "a whole number from 1 to 1000000"),
    ("server.max_header_bytes", "a whole number from 1024 to 16777216"),
    ("server.max_connections", "a whole number from 1 to 1000000"),
    (
        "server.max_client_connections",
        "a whole number from 0 (no limit of its own) to 1000000",
    ),
    (
        "server.receive_bytes",
        "a whole number, 0 (four of the largest messages, at least 256 MiB) or at least server.max_message_bytes",
    ),
    ("server.receive_timeout_seconds", "a whole number from 1 to 86400"),
    ("server.send_timeout_seconds", "a whole number from 1 to 86400"),
    (
        "server.default_deadline_seconds",
        "a whole number from 0 (no deadline) to 86400",
    ),
    (
        "server.max_deadline_seconds",
        "a whole number from 0 (no maximum) to 31536000",
    ),
];

const A_DAY: u64 = 86400;
const A_YEAR: u64 = 365 * A_DAY;

impl Connections {
    /// The budget of [`Connections::receive_bytes`] in bytes.
    pub fn receive_budget(&self, max_message_bytes: usize) -> u64 {
        match self.receive_bytes {
            0 => (4 * max_message_bytes as u64).max(256 << 20),
            bytes => bytes,
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Connections, ConfigError> {
        Ok(Connections {
            cors_origins: reader.get("server.cors_origins")?,
            keepalive_seconds: reader.get("server.keepalive_seconds")?,
            keepalive_timeout_seconds: reader.get("server.keepalive_timeout_seconds")?,
            max_connection_age_seconds: reader.get("server.max_connection_age_seconds")?,
            max_connection_age_grace_seconds: reader.get("server.max_connection_age_grace_seconds")?,
            max_connection_calls: reader.get("server.max_connection_calls")?,
            max_header_bytes: reader.get("server.max_header_bytes")?,
            max_connections: reader.get("server.max_connections")?,
            max_client_connections: reader.get("server.max_client_connections")?,
            receive_bytes: reader.get("server.receive_bytes")?,
            receive_timeout_seconds: reader.get("server.receive_timeout_seconds")?,
            send_timeout_seconds: reader.get("server.send_timeout_seconds")?,
            default_deadline_seconds: reader.get("server.default_deadline_seconds")?,
            max_deadline_seconds: reader.get("server.max_deadline_seconds")?,
        })
    }

    /// Whether each value is in its range, in the order of [`KEYS`].
    pub(super) fn in_range(&self, max_message_bytes: usize) -> [(&'static str, bool); 14] {
        let fine = [
            self.cors_origins.iter().all(|origin| is_origin(origin)),
            (1..=A_DAY).contains(&self.keepalive_seconds),
            (1..=A_DAY).contains(&self.keepalive_timeout_seconds),
            self.max_connection_age_seconds <= A_YEAR,
            self.max_connection_age_grace_seconds <= A_YEAR,
            (1..=1_000_000).contains(&self.max_connection_calls),
            (1024..=16 << 20).contains(&self.max_header_bytes),
            (1..=1_000_000).contains(&self.max_connections),
            self.max_client_connections <= 1_000_000,
            // Or one message, alone, could never be received.
            self.receive_bytes == 0 || self.receive_bytes >= max_message_bytes as u64,
            (1..=A_DAY).contains(&self.receive_timeout_seconds),
            (1..=A_DAY).contains(&self.send_timeout_seconds),
            self.default_deadline_seconds <= A_DAY,
            self.max_deadline_seconds <= A_YEAR,
        ];
        let mut fine = fine.into_iter();
        KEYS.map(|(key, _)| (key, fine.next().unwrap_or(false)))
    }
}

/// Scheme and host, and a port perhaps, as browsers write them.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.:[]".contains(it);
    host.is_some_and(|host| !host.is_empty() && host.chars().all(plain))
}
