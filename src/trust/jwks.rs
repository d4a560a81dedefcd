//! Where the keys of signed tokens come from: a file, or a URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::TrustError;
use super::pem::PemFile;
use super::tls::provider;
use super::watched;

const SETTING: &str = "auth.jwks";
/// No set of keys is larger.
const LARGEST: usize = 1 << 20;
/// An issuer that takes longer is asked again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// A place that keys are read from.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Http(Uri),
    Https(Uri, TlsConnector),
}

impl Source {
    /// `name` is a file, or a URL whose certificate is believed where an authority of the PEM file `ca` gave it, or where that is empty
    /// one of the system's.
    ///
    /// # Errors
    /// What is no URL, or authorities that cannot be read.
    pub fn new(name: &str, ca: &Path) -> Result<Source, TrustError> {
        let refuse = |message: String| TrustError::Setting {
            setting: SETTING,
            message,
        };
        if !name.contains("://") {
            return Ok(Source::File(name.into()));
        }
        let uri: Uri = name
            .parse()
            .map_err(|error| refuse(format!("`{name}` is no URL: {error}")))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(host)) => {
                if !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
                    tracing::warn!(
                        "{SETTING} is an http:// URL: whoever sits between could put keys of their own in its place"
                    );
                }
                Ok(Source::Http(uri))
            }
            (Some("https"), Some(_)) => Ok(Source::Https(uri, connector(ca)?)),
            _ => Err(refuse(format!(
                "`{name}` must be a file, or begin with https:// or http://"
            ))),
        }
    }

    /// Whether it lies on this machine.
    pub fn is_file(&self) -> bool {
        matches!(self, Source::File(_))
    }

    /// Reads a file's keys at once.
    ///
    /// # Errors
    /// It cannot be read; or it is no file.
    pub fn read_file(&self) -> Result<Vec<u8>, String> {
        match self {
            Source::File(path) => {
                watched::read(SETTING, path, LARGEST as u64).map_err(|error| error.to_string())
            }
            Source::Http(_) | Source::Https(..) => Err("it is no file".into()),
        }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn read(&self) -> Result<Vec<u8>, String> {
        let fetched = async {
            match self {
                Source::File(_) => {
                    let source = self.clone();
                    let read = tokio::task::spawn_blocking(move || source.read_file()).await;
                    read.map_err(|error| error.to_string())?
                }
                Source::Http(uri) => get(uri, connect(uri, 80).await?).await,
                Source::Https(uri, connector) => {
                    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
                    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
                    let encrypted = connector.connect(name, connect(uri, 443).await?).await;
                    get(uri, encrypted.map_err(|error| error.to_string())?).await
                }
            }
        };
        let late = |_| Err(format!("no answer within {} s", PATIENCE.as_secs()));
        tokio::time::timeout(PATIENCE, fetched).await.unwrap_or_else(late)
    }
}

fn connector(ca: &Path) -> Result<TlsConnector, TrustError> {
    let roots = match ca.as_os_str().is_empty() {
        false => PemFile::read("auth.jwks_ca", ca)?.authorities()?,
        true => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err(TrustError::Setting {
            setting: "auth.jwks_ca",
            message: "is empty, and this system has no authorities of its own: name a PEM file of those that sign the URL's certificate"
                .into(),
        });
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| TrustError::Setting {
        setting: SETTING,
        message: format!("TLS cannot be spoken: {error}"),
    })?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn connect(uri: &Uri, port: u16) -> Result<TcpStream, String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let connected = TcpStream::connect((host, uri.port_u16().unwrap_or(port))).await;
    connected.map_err(|error| error.to_string())
}

/// One GET; nothing is followed anywhere else.
async fn get(
    uri: &Uri,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Vec<u8>, String> {
    let words = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(words)?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let request = http::Request::get(path)
        .header("host", host)
        .header("accept", "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(words)?;
    if answer.status() != http::StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    connection.abort();
    let body =
        body.map_err(|error| format!("the answer broke off, or has more than {LARGEST} bytes: {error}"))?;
    Ok(body.to_bytes().to_vec())
}
