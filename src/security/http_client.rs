//! HTTP/1.1 client for single requests, with TLS for https URLs. Redirects are not followed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::SecurityError;
use super::pem::PemFile;
use super::tls::provider;

/// A URL and its TLS configuration.
#[derive(Clone)]
pub(crate) struct Endpoint {
    uri: Uri,
    tls: Option<TlsConnector>,
}

/// HTTP response.
pub(crate) struct HttpResponse {
    /// Status.
    pub status: StatusCode,
    /// The body.
    pub body: Vec<u8>,
}

impl Endpoint {
    /// An `http://` or `https://` URL. For https, the server certificate must be issued by an authority of the PEM file `ca`, which `setting`
    /// names, or by one of the system if `ca` is empty.
    ///
    /// # Errors
    /// No authorities, or unreadable ones.
    pub fn new(uri: Uri, setting: &'static str, ca: &Path) -> Result<Endpoint, SecurityError> {
        let tls = match uri.scheme_str() {
            Some("https") => Some(connector(setting, ca)?),
            _ => None,
        };
        Ok(Endpoint { uri, tls })
    }

    /// A request to this path, or to the path of the URL.
    pub fn request(&self, method: &str, path: Option<&str>) -> http::request::Builder {
        let own = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        Request::builder()
            .method(method)
            .uri(path.unwrap_or(own))
            .header("host", host)
    }

    /// Sends a request, and waits `within` for a response of at most `largest` bytes.
    ///
    /// # Errors
    /// The reason of a failure.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
        largest: usize,
    ) -> Result<HttpResponse, String> {
        let exchanged = async {
            let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let standard = if self.tls.is_some() { 443 } else { 80 };
            let port = self.uri.port_u16().unwrap_or(standard);
            let stream = TcpStream::connect((host, port)).await;
            let stream = stream.map_err(|error| error.to_string())?;
            match &self.tls {
                None => exchange(request, stream, largest).await,
                Some(tls) => {
                    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
                    let encrypted = tls.connect(name, stream).await;
                    exchange(request, encrypted.map_err(|error| error.to_string())?, largest).await
                }
            }
        };
        let late = |_| Err(format!("no answer within {} s", within.as_secs()));
        tokio::time::timeout(within, exchanged).await.unwrap_or_else(late)
    }
}

fn connector(setting: &'static str, ca: &Path) -> Result<TlsConnector, SecurityError> {
    let roots = match ca.as_os_str().is_empty() {
        false => PemFile::read(setting, ca)?.authorities()?,
        true => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err(SecurityError::Setting {
            setting,
            message: "is empty, and this system has no authorities of its own: name a PEM file of those that sign the URL's certificate"
                .into(),
        });
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| SecurityError::Setting {
        setting,
        message: format!("TLS cannot be spoken: {error}"),
    })?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn exchange(
    request: Request<Full<Bytes>>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    largest: usize,
) -> Result<HttpResponse, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(text)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), largest).collect().await;
    connection.abort();
    let body =
        body.map_err(|error| format!("the answer broke off, or has more than {largest} bytes: {error}"))?;
    Ok(HttpResponse {
        status,
        body: body.to_bytes().to_vec(),
    })
}
