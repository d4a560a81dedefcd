//! Who asks.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::config::Roles;

/// The other end of a connection, or who asks through a trusted proxy at that end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it is. The port is 0 where a proxy did not say it.
    pub address: SocketAddr,
    /// The trusted proxy that said so.
    pub proxy: Option<SocketAddr>,
    /// The name in its client certificate, where it showed one that was believed.
    pub certificate: Option<Arc<str>>,
}

impl Peer {
    /// Its address as logs have it: with the port where that is known.
    pub fn display_address(&self) -> String {
        match self.address.port() {
            0 => self.address.ip().to_string(),
            _ => self.address.to_string(),
        }
    }
}

/// How a caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// It did not.
    None,
    /// By a static token.
    Token,
    /// By a signed token.
    Signed,
    /// By a client certificate.
    Certificate,
}

impl AuthMethod {
    /// As the audit log has it.
    pub fn name(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::Token => "token",
            AuthMethod::Signed => "signed token",
            AuthMethod::Certificate => "certificate",
        }
    }
}

/// A caller, as the request's extensions hold it for whoever asks who it is.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// Its name; `anonymous` where it did not prove one.
    pub name: Arc<str>,
    /// What it may do.
    pub roles: Roles,
    /// Where it is; `None` where the request came by no network.
    pub address: Option<SocketAddr>,
    /// How it proved its name.
    pub auth_method: AuthMethod,
}

/// What is counted as one client: a name, or where there is none an address. Of IPv6 that is a network of 64 bits, as one caller has
/// that many at will.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// One that proved its name.
    Named(Arc<str>),
    /// Whoever asks from this address.
    At(Option<IpAddr>),
}

impl ClientIdentity {
    /// What limits for each client go by.
    pub fn key(&self) -> ClientKey {
        match self.auth_method {
            AuthMethod::None => ClientKey::from_address(self.address),
            _ => ClientKey::Named(self.name.clone()),
        }
    }
}

impl ClientKey {
    /// A caller of no name.
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
