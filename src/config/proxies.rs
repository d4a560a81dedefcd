//! Which peers are proxies that say for whom they ask, and where they say it.

use std::net::IpAddr;

use clap::ValueEnum;
use ipnet::{IpNet, Ipv4Net};

use super::{ConfigError, Reader};

/// Part of section `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// Networks of proxies whose word on a client's address is taken; empty: nobody's is.
    pub trusted: Vec<IpNet>,
    /// The header that they say it in. Any other is the client's own and says nothing.
    pub header: ForwardedHeader,
}

/// A header by which a proxy says for whom it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ForwardedHeader {
    /// `x-forwarded-for`, as most proxies write it.
    XForwardedFor,
    /// `forwarded`, of RFC 7239.
    Forwarded,
}

/// Each key, and what a right value looks like.
pub(super) const KEYS: [(&str, &str); 2] = [
    (
        "server.trusted_proxies",
        "a list of addresses or networks of proxies, like [\"10.0.0.0/8\", \"2001:db8::1\"]; [] is none",
    ),
    ("server.forwarded_header", "\"x-forwarded-for\" or \"forwarded\""),
];

impl Proxies {
    pub(super) fn read(reader: &mut Reader) -> Result<Proxies, ConfigError> {
        Ok(Proxies {
            trusted: reader.get("server.trusted_proxies")?,
            header: reader.get("server.forwarded_header")?,
        })
    }
}

/// A network, or an address as the network that holds it alone. Those of IPv4 within IPv6 are as IPv4 has them: so are peers.
pub(super) fn network(text: &str) -> Option<IpNet> {
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
