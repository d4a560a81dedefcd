//! Section `server`.

use std::net::SocketAddr;

use super::Relation;
use super::connections::ConnectionSettings;
use super::proxies::ProxySettings;
use super::tls::TlsSettings;
use crate::config::ConfigError;
use crate::config::rule::{any, switch, whole, zero_or};
use crate::config::section::section;

section! {
    /// Addresses of the service, and limits of messages, streams, connections and calls.
    pub struct ServerSettings: "server" {
        /// Address of gRPC. An address beyond loopback needs TLS (section `tls`), or `server.insecure = true`.
        listen: SocketAddr = "127.0.0.1:50051",
            any("an address with a port, like \"127.0.0.1:50051\"; port 0 takes a free one"), flag "listen";
        /// Address of HTTP with `/metrics`, `/healthz` and `/readyz`. One beyond loopback needs `tls.admin = true`, or
        /// `server.insecure = true`.
        admin: SocketAddr = "127.0.0.1:9464",
            any("an address with a port, like \"127.0.0.1:9464\"; port 0 takes a free one"), flag "admin";
        /// Address of the Open Inference Protocol (KServe, Triton) over HTTP/JSON. Over gRPC it is always available at
        /// `server.listen`. An address beyond loopback needs TLS, as there.
        http: Option<SocketAddr> = "",
            any("\"\" (off) or an address with a port, like \"127.0.0.1:8000\"; port 0 takes a free one"), flag "http";
        /// Bytes of one message, compressed or not. Beyond it `RESOURCE_EXHAUSTED`, before the message is read or
        /// decompressed whole.
        max_message_bytes: usize = 67108864, whole(1024..=i32::MAX as u64);
        /// Images of one `SegmentStream` in progress at once; the server reads no further until one is answered.
        stream_window: usize = 16, whole(1..=1024);
        /// Images of one request of the Open Inference Protocol; more are refused. `server.stream_window` of them are in
        /// progress at once.
        max_images: usize = 64, whole(1..=1024);
        /// Seconds that calls in progress have after SIGTERM or SIGINT; then they are cut. A second signal ends the server at
        /// once.
        shutdown_seconds: u64 = 30, zero_or("at once", ..=86400);
        /// Whether `sagate.v1.ModelAdminControl` is available, by which callers with the role "admin" load, reload and unload
        /// models.
        model_admin: bool = false, switch();
        /// Whether ports beyond loopback may be open without TLS, because something in front of them encrypts.
        insecure: bool = false, switch(), flag "insecure";
    }
    with {
        /// Limits of connections and calls.
        connections: ConnectionSettings,
        /// Proxies in front of the service.
        proxies: ProxySettings,
    }
}

impl ServerSettings {
    pub(in crate::config) fn relations(&self) -> [Relation; 1] {
        self.connections.relations(self.max_message_bytes)
    }

    /// Refuses a port beyond this machine without TLS, unless `server.insecure` allows it.
    ///
    /// # Errors
    /// The port that would be open, and what would encrypt it.
    pub(in crate::config) fn refuse_exposed(&self, tls: &TlsSettings) -> Result<(), ConfigError> {
        let ports = [
            (
                "server.listen",
                Some(self.listen),
                tls.on(),
                "set tls.cert and tls.key",
            ),
            (
                "server.admin",
                Some(self.admin),
                tls.admin,
                "set tls.cert, tls.key and tls.admin = true",
            ),
            ("server.http", self.http, tls.on(), "set tls.cert and tls.key"),
        ];
        let local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        for (key, address, encrypted, right) in ports {
            let exposed = |&address: &SocketAddr| !encrypted && !self.insecure && !local(address);
            if let Some(address) = address.filter(exposed) {
                return Err(ConfigError::Exposed { key, address, right });
            }
        }
        Ok(())
    }
}
