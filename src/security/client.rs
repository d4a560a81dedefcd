//! Identity and address of callers.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::config::Roles;

/// Remote end of a connection, or the client behind a trusted proxy.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address. The port is 0 if a proxy did not state it.
    pub address: SocketAddr,
    /// The trusted proxy that stated the address.
    pub proxy: Option<SocketAddr>,
    /// The name in its verified client certificate.
    pub certificate: Option<Arc<str>>,
}

impl Peer {
    /// Its address for logs, with the port if known.
    pub fn display_address(&self) -> String {
        match self.address.port() {
            0 => self.address.ip().to_string(),
            _ => self.address.to_string(),
        }
    }
}

/// How a caller authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// Not authenticated.
    None,
    /// Static token.
    Token,
    /// Signed token.
    Signed,
    /// Client certificate.
    Certificate,
}

impl AuthMethod {
    /// Name in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::Token => "token",
            AuthMethod::Signed => "signed token",
            AuthMethod::Certificate => "certificate",
        }
    }
}

/// Identity of a caller, stored in the request extensions.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// Its name; `anonymous` without authentication.
    pub name: Arc<str>,
    /// Its roles.
    pub roles: Roles,
    /// Its address; `None` for requests that did not come over the network.
    pub address: Option<SocketAddr>,
    /// How it authenticated.
    pub auth_method: AuthMethod,
}

/// Key of a client for limits: its name, else its address. IPv6 addresses are reduced to their /64 network, since one caller can use all of
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// An authenticated client.
    Named(Arc<str>),
    /// Anonymous clients at this address.
    At(Option<IpAddr>),
}

impl ClientIdentity {
    /// Key for the limits of this client.
    pub fn key(&self) -> ClientKey {
        match self.auth_method {
            AuthMethod::None => ClientKey::from_address(self.address),
            _ => ClientKey::Named(self.name.clone()),
        }
    }
}

impl ClientKey {
    /// Key of an anonymous client.
    pub fn from_address(address: Option<SocketAddr>) -> ClientKey {
        ClientKey::At(address.map(|address| match address.ip().to_canonical() {
            IpAddr::V6(ip) => {
                let network = u128::from(ip) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
            ip => ip,
        }))
    }
}
