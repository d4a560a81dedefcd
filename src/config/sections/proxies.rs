//! Section `server`: which peers are proxies that state a client's address, and in which header.

use std::net::IpAddr;

use clap::ValueEnum;
use config::Value;
use ipnet::{IpNet, Ipv4Net};

use crate::config::rule::{any, one_of};
use crate::config::section::section;
use crate::config::value::{Setting, list, named_settings};

section! {
    /// Proxies in front of the service.
    pub struct ProxySettings: "server" {
        /// Addresses or networks of proxies in front of the service, which state a client's address for limits, audit log and
        /// access log; the header is ignored from anyone else.
        trusted_proxies: Vec<IpNet> = [],
            any("a list of addresses or networks of proxies, like [\"10.0.0.0/8\", \"2001:db8::1\"]; [] is none");
        /// The header that these proxies write: `"x-forwarded-for"`, or `"forwarded"` (RFC 7239). The rightmost address in
        /// it that is not a proxy's is the client's.
        forwarded_header: ForwardedHeader = "x-forwarded-for", one_of();
    }
}

/// A header in which a proxy states the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ForwardedHeader {
    /// `x-forwarded-for`, as most proxies write it.
    XForwardedFor,
    /// `forwarded`, of RFC 7239.
    Forwarded,
}

named_settings!(ForwardedHeader);

impl Setting for Vec<IpNet> {
    const IS_LIST: bool = true;
    fn read(value: &Value) -> Option<Self> {
        let networks: Vec<String> = list(value)?;
        networks.iter().map(|text| network(text.trim())).collect()
    }
    fn shown(&self) -> toml::Value {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    }
}

/// A network, or an address as the network that holds it alone. Those of IPv4 within IPv6 are as IPv4 has them: so are peers.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().ok()?,
    };
    let IpNet::V6(mapped) = network else {
        return Some(network);
    };
    match (
        mapped.addr().to_ipv4_mapped(),
        mapped.prefix_len().checked_sub(96),
    ) {
        (Some(address), Some(prefix)) => Ipv4Net::new(address, prefix).ok().map(IpNet::V4),
        _ => Some(network),
    }
}
