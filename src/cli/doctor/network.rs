//! Checks ports, their exposure, certificates and the collector.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use super::finding::Finding;
use crate::client::{Access, BlockingClient, ClientError, HealthStatus, ServerUrl};
use crate::config::Settings;
use crate::security::Tls;

/// Timeout of a local connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Checks that the ports are free, or in use by a running sagate.
pub fn ports(settings: &Settings, findings: &mut Vec<Finding>) {
    let server = &settings.server;
    findings.push(port("server.listen", server.listen, |address| {
        is_sagate(address, settings.tls.on())
    }));
    findings.push(port("server.admin", server.admin, is_admin));
    if server.listen == server.admin && server.listen.port() != 0 {
        let found = format!("server.listen and server.admin are both {}", server.listen);
        findings.push(Finding::wrong("ports", found, "give each a port of its own"));
    }
}

fn port(setting: &str, address: SocketAddr, is_ours: impl Fn(SocketAddr) -> bool) -> Finding {
    let error = match TcpListener::bind(address) {
        Ok(_) if address.port() == 0 => {
            return Finding::fine(setting, format!("{address} takes a free port"));
        }
        Ok(_) => return Finding::fine(setting, format!("{address} is free")),
        Err(error) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse if is_ours(address) => {
            Finding::fine(setting, format!("{address} is held by a sagate that answers"))
        }
        ErrorKind::AddrInUse => Finding::wrong(
            setting,
            format!("{address} is held by something that is no sagate"),
            format!("set {setting} to another port, or end what holds it (`ss -ltnp` says who)"),
        ),
        ErrorKind::AddrNotAvailable => Finding::wrong(
            setting,
            format!("{address}: this machine has no such address"),
            format!("set {setting} to an address of this machine (`ip address` lists them)"),
        ),
        ErrorKind::PermissionDenied => Finding::wrong(
            setting,
            format!("{address}: ports below 1024 are root's"),
            format!("set {setting} to a port from 1024"),
        ),
        _ => Finding::wrong(
            setting,
            format!("{address} cannot be listened on: {error}"),
            format!("set {setting} to another address"),
        ),
    }
}

/// `encrypted`: whether the settings enable TLS on it.
fn is_sagate(address: SocketAddr, encrypted: bool) -> bool {
    let scheme = if encrypted { "https" } else { "http" };
    let Ok(url) = format!("{scheme}://{address}").parse::<ServerUrl>() else {
        return false;
    };
    match BlockingClient::health(
        &url,
        &Access::default(),
        "sagate.v1.QualityControl",
        PROBE_TIMEOUT,
    ) {
        Ok(HealthStatus::Serving | HealthStatus::NotServing) => true,
        // It uses TLS with a certificate of an unknown authority.
        Err(ClientError::Untrusted { .. }) => encrypted,
        Ok(_) | Err(_) => false,
    }
}

fn is_admin(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
        stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(1 << 20).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.contains("sagate_build_info"))
}

/// Checks that unencrypted ports are on loopback, unless the settings declare a proxy that encrypts.
pub fn exposure(settings: &Settings) -> Finding {
    let (server, tls) = (&settings.server, &settings.tls);
    let ports = [
        ("server.listen", Some(server.listen), tls.on()),
        ("server.admin", Some(server.admin), tls.admin),
        ("server.http", server.http, tls.on()),
    ];
    let open: Vec<String> = ports
        .into_iter()
        .filter_map(|(setting, address, encrypted)| Some((setting, address.filter(|_| !encrypted)?)))
        .filter(|(_, address)| !address.ip().is_loopback())
        .map(|(setting, address)| format!("{setting} {address}"))
        .collect();
    if open.is_empty() {
        return Finding::fine("exposure", "every port is encrypted or this machine's own");
    }
    Finding::note(
        "exposure",
        format!("others can reach {}, without encryption", open.join(" and ")),
        "keep it behind something that encrypts, set tls.cert and tls.key, or listen on 127.0.0.1",
    )
}

/// Checks the certificate and the authorities of client certificates, if set.
pub fn certificates(settings: &Settings) -> Option<Finding> {
    match Tls::open(&settings.tls, &Arc::default()) {
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::fine("certificates", "they can be used")),
        Err(error) => Some(Finding::wrong(
            "certificates",
            error.to_string(),
            "set tls.cert, tls.key and tls.client_ca to files in PEM that belong together",
        )),
    }
}

/// Checks that the collector is reachable, if set.
pub fn collector(settings: &Settings) -> Option<Finding> {
    let url = settings.telemetry.otlp.as_str();
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))?
        .trim_end_matches('/');
    let reached = host
        .to_socket_addrs()
        .and_then(|mut addresses| addresses.next().ok_or_else(|| ErrorKind::NotFound.into()))
        .and_then(|address| TcpStream::connect_timeout(&address, PROBE_TIMEOUT));
    Some(match reached {
        Ok(_) => Finding::fine("collector", format!("something listens at {url}")),
        Err(error) => Finding::note(
            "collector",
            format!("nothing answers at {url}: {error}"),
            "start it, or set telemetry.otlp to \"\": traces and metrics are dropped meanwhile, requests are answered",
        ),
    })
}
