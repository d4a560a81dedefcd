//! Where the keys of signed tokens come from: a file, or a URL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{StatusCode, Uri};
use http_body_util::Full;

use super::error::SecurityError;
use super::file_watch;
use super::http_client::Endpoint;

const SETTING: &str = "auth.jwks";
/// No set of keys is larger.
const LARGEST: usize = 1 << 20;
/// An issuer that takes longer is asked again later.
const JWKS_TIMEOUT: Duration = Duration::from_secs(10);

/// A place that keys are read from.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Url(Endpoint),
}

impl Source {
    /// `name` is a file, or a URL whose certificate is believed where an authority of the PEM file `ca` gave it, or where that is empty
    /// one of the system's.
    ///
    /// # Errors
    /// What is no URL, or authorities that cannot be read.
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
                file_watch::read(SETTING, path, LARGEST as u64).map_err(|error| error.to_string())
            }
            Source::Url(_) => Err("it is no file".into()),
        }
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// Why there are none.
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
        let answer = endpoint.send(request, JWKS_TIMEOUT, LARGEST).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(format!("the answer is {status}")),
        }
    }
}
