//! Source of the keys of signed tokens: a file or a URL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{StatusCode, Uri};
use http_body_util::Full;

use super::error::SecurityError;
use super::file_watch;
use super::http_client::Endpoint;

const SETTING: &str = "auth.jwks";
/// Maximum size of a key set.
const MAX_BYTES: usize = 1 << 20;
/// Time limit of one request to the issuer.
const JWKS_TIMEOUT: Duration = Duration::from_secs(10);

/// Source of a key set.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Url(Endpoint),
}

impl Source {
    /// `name` is a file or a URL. The server certificate of the URL must be issued by an authority of the PEM file `ca`, or by one of the
    /// system if `ca` is empty.
    ///
    /// # Errors
    /// An invalid URL, or authorities that cannot be read.
    pub fn new(name: &str, ca: &Path) -> Result<Source, SecurityError> {
        let refuse = |message: String| SecurityError::Setting {
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
            }
            (Some("https"), Some(_)) => {}
            _ => {
                return Err(refuse(format!(
                    "`{name}` must be a file, or begin with https:// or http://"
                )));
            }
        }
        Ok(Source::Url(Endpoint::new(uri, "auth.jwks_ca", ca)?))
    }

    /// Whether the source is a file.
    pub fn is_file(&self) -> bool {
        matches!(self, Source::File(_))
    }

    /// Reads the key file.
    ///
    /// # Errors
    /// It cannot be read, or the source is a URL.
    pub fn read_file(&self) -> Result<Vec<u8>, String> {
        match self {
            Source::File(path) => {
                file_watch::read(SETTING, path, MAX_BYTES as u64).map_err(|error| error.to_string())
            }
            Source::Url(_) => Err("it is no file".into()),
        }
    }

    /// Reads the key set.
    ///
    /// # Errors
    /// The reason of a failure.
    pub async fn read(&self) -> Result<Vec<u8>, String> {
        let endpoint = match self {
            Source::Url(endpoint) => endpoint,
            Source::File(_) => {
                let source = self.clone();
                let read = tokio::task::spawn_blocking(move || source.read_file()).await;
                return read.map_err(|error| error.to_string())?;
            }
        };
        let request = endpoint.request("GET", None).header("accept", "application/json");
        let request = request.body(Full::default()).map_err(|error| error.to_string())?;
        let answer = endpoint.send(request, JWKS_TIMEOUT, MAX_BYTES).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(format!("the answer is {status}")),
        }
    }
}
