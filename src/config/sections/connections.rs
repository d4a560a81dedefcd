//! Section `server`: limits of connections and calls, and gRPC-web.

use super::{A_DAY, A_YEAR, Relation};
use crate::config::rule::{Rule, any, whole, zero_or};
use crate::config::section::section;

section! {
    /// Limits of connections and calls.
    pub struct ConnectionSettings: "server" {
        /// Origins of web pages that may call `sagate.v1` over gRPC-web at `server.listen`; `[]` turns gRPC-web off.
        cors_origins: Vec<String> = [], Rule::new(
            "a list of origins without a path, like [\"https://viewer.example\"]; [] is none",
            |origins: &Vec<String>| origins.iter().all(|origin| is_origin(origin)),
        );
        /// Seconds of silence after which a connection is pinged.
        keepalive_seconds: u64 = 30, whole(1..=A_DAY);
        /// Seconds that it has to answer the ping; then it is closed.
        keepalive_timeout_seconds: u64 = 20, whole(1..=A_DAY);
        /// Age in seconds at which a connection gets GOAWAY: its calls end normally, new ones use another connection,
        /// perhaps to another server. Each connection draws its own age within 10 % of this.
        max_connection_age_seconds: u64 = 3600, zero_or("never", ..=A_YEAR);
        /// Seconds that its calls have after that; then the connection is cut.
        max_connection_age_grace_seconds: u64 = 0, zero_or("as long as calls take", ..=A_YEAR);
        /// Concurrent calls per connection; more wait on the client's side.
        max_connection_calls: u32 = 1024, whole(1..=1_000_000);
        /// Bytes of the headers of one call. Beyond it that call gets `RESOURCE_EXHAUSTED`, `HEADERS_TOO_LARGE`.
        max_header_bytes: u32 = 16384, whole(1024..=16 << 20);
        /// Concurrent connections, over gRPC and HTTP together. One more gets an error and is closed. Each takes a file
        /// descriptor: raise the limit of the process (`ulimit -n`) with this.
        max_connections: usize = 1000, whole(1..=1_000_000);
        /// Concurrent connections from one address (IPv6: from one /64 network), whoever calls over them. Behind a proxy
        /// all clients have its address.
        max_client_connections: usize = 500, zero_or("no limit of its own", ..=1_000_000);
        /// Bytes of all requests that are being received or await admission, counted as they arrive. Beyond it a request
        /// is refused at once with `RESOURCE_EXHAUSTED`, `RECEIVE_BUDGET_SPENT` (HTTP: 429) and a retry delay. One client
        /// may use half of it, or one message of `server.max_message_bytes` if that is more.
        receive_bytes: u64 = 0, any(
            "a whole number, 0 (four of the largest messages, at least 256 MiB) or at least server.max_message_bytes",
        );
        /// Seconds that receiving a request may take: the first bytes of a connection, the message of a call, each message
        /// of a stream from its first byte on. Then `DEADLINE_EXCEEDED`, `REQUEST_TOO_SLOW`. The default lets 64 MiB
        /// arrive over 5 Mbit/s.
        receive_timeout_seconds: u64 = 120, whole(1..=A_DAY);
        /// Seconds that a client may read nothing of its answer. Then the call is reset, and after twice the time the
        /// connection is closed; until then the answer's bytes count against the queue limits of section `engine`.
        send_timeout_seconds: u64 = 120, whole(1..=A_DAY);
        /// Deadline in seconds of a call of one request whose client sets none; beyond it `DEADLINE_EXCEEDED`.
        default_deadline_seconds: u64 = 300, zero_or("no deadline", ..=A_DAY);
        /// Longest deadline in seconds of any call, streams included, whatever the client asks.
        max_deadline_seconds: u64 = 3600, zero_or("no maximum", ..=A_YEAR);
    }
}

impl ConnectionSettings {
    /// The budget of [`ConnectionSettings::receive_bytes`] in bytes.
    pub fn receive_budget(&self, max_message_bytes: usize) -> u64 {
        match self.receive_bytes {
            0 => (4 * max_message_bytes as u64).max(256 << 20),
            bytes => bytes,
        }
    }

    pub(super) fn relations(&self, max_message_bytes: usize) -> [Relation; 1] {
        // Or one message, alone, could never be received.
        let fits = self.receive_bytes == 0 || self.receive_bytes >= max_message_bytes as u64;
        [("server.receive_bytes", fits)]
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
