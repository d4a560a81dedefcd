//! Server URLs.

use std::fmt;
use std::str::FromStr;

use tonic::transport::Uri;

/// Default address of `sagate serve`.
pub const DEFAULT_SERVER: &str = "http://127.0.0.1:50051";

/// The URL of a server: `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(Uri);

impl ServerUrl {
    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it uses TLS.
    pub(super) fn encrypted(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether it is a loopback address.
    pub(super) fn local(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|it| it.to_canonical().is_loopback())
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerUrl, String> {
        let refuse =
            |why: &str| format!("{why}; write http://HOST:PORT or https://HOST:PORT, like {DEFAULT_SERVER}");
        let uri: Uri = text.parse().map_err(|error| refuse(&format!("{error}")))?;
        match uri.scheme_str() {
            Some("http" | "https") => {}
            _ => return Err(refuse("it does not begin with http:// or https://")),
        }
        if uri.port_u16().is_none() {
            return Err(refuse("it names no port"));
        }
        if uri.path_and_query().is_some_and(|path| path != "/") {
            return Err(refuse("it has a path after the port"));
        }
        Ok(ServerUrl(uri))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}
