//! Client addresses behind trusted proxies. A forwarding header counts only if a trusted proxy sent it. It is read from the right up to the
//! first address that is not a trusted proxy.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use super::client::Peer;
use crate::config::{self, ForwardedHeader};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Trusted proxies, and the header that they set.
#[derive(Debug, Clone)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    /// From the settings.
    pub fn new(settings: &config::ProxySettings) -> Proxies {
        Proxies {
            trusted: settings.trusted_proxies.clone(),
            header: settings.forwarded_header,
        }
    }

    /// The client behind the peer if the peer is a trusted proxy, else the peer itself.
    pub fn client(&self, peer: &Peer, headers: &HeaderMap) -> Peer {
        if !self.trusts(peer.address.ip()) {
            return peer.clone();
        }
        let hops = match self.header {
            ForwardedHeader::XForwardedFor => x_forwarded_for(headers),
            ForwardedHeader::Forwarded => forwarded(headers),
        };
        let mut address = peer.address;
        for hop in hops.into_iter().rev() {
            // A malformed hop was not written by a correct proxy: ignore everything before it.
            let Some(hop) = hop else { break };
            address = hop;
            if !self.trusts(hop.ip()) {
                break;
            }
        }
        Peer {
            proxy: (address != peer.address).then_some(peer.address),
            address,
            certificate: peer.certificate.clone(),
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The hops of `x-forwarded-for`, the client's own first; `None`: a hop that is no address.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<SocketAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(|hop| node(str::from_utf8(hop).ok()?.trim()))
        .collect()
}

/// The hops of `forwarded` (RFC 7239, section 4).
fn forwarded(headers: &HeaderMap) -> Vec<Option<SocketAddr>> {
    let lines = headers.get_all(header::FORWARDED).iter();
    lines
        .flat_map(|line| match line.to_str().ok().and_then(elements) {
            Some(elements) => elements,
            // Unclosed quotes: ignore the whole line.
            None => vec![None],
        })
        .collect()
}

/// The address after `for=` in each element of a `forwarded` line; `None` where its quotes do not match. A comma or semicolon within
/// quotes does not separate: otherwise a quoted value could inject an element.
fn elements(line: &str) -> Option<Vec<Option<SocketAddr>>> {
    let parts = split_outside_quotes(line, ',')?;
    let element = |part: &&str| {
        let pairs = split_outside_quotes(part, ';')?;
        let values: Vec<&str> = pairs
            .iter()
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| name.eq_ignore_ascii_case("for"))
            .map(|(_, value)| value)
            .collect();
        let [value] = values[..] else { return None };
        let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        node(quoted.unwrap_or(value))
    };
    Some(parts.iter().map(element).collect())
}

/// Parts of a text between separators outside of quotes; `None` where the last quote is open. A backslash in quotes
/// escapes the next character.
fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, it) in text.char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            it if it == separator && !quoted => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (!quoted).then_some(parts)
}

/// An address, of IPv6 perhaps in brackets, perhaps with a port; without one the port is 0.
fn node(text: &str) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .unwrap_or(text);
    let alone = bare.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    alone.or_else(|_| text.parse()).ok()
}
