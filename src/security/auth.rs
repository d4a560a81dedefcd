//! Authentication of callers by token or client certificate.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::{AuthMethod, ClientIdentity, Peer};
use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::file_watch::{self, ContentDigest};
use super::jwt::Jwt;
use super::tokens::Tokens;
use crate::config::{self, Roles};

const SETTING: &str = "auth.tokens";
/// Maximum file size: some ten thousand tokens.
const MAX_BYTES: u64 = 4 << 20;

/// Invalid credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("metadata `authorization`: {0}")]
pub struct Unauthenticated(String);

impl Unauthenticated {
    pub(super) fn new(why: impl Into<String>) -> Unauthenticated {
        Unauthenticated(why.into())
    }
}

/// Authentication. Clones share the state.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    anonymous: Roles,
    certificates: HashMap<String, Roles>,
    tokens: Option<TokenFile>,
    jwt: Option<Jwt>,
    counts: Arc<SecurityCounts>,
}

struct TokenFile {
    path: PathBuf,
    current: RwLock<(ContentDigest, Arc<Tokens>)>,
}

impl Auth {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// The first that is missing or invalid.
    pub fn open(
        settings: &config::AuthSettings,
        counts: &Arc<SecurityCounts>,
    ) -> Result<Auth, SecurityError> {
        let certificates = settings
            .certificate_roles()
            .ok_or_else(|| SecurityError::Setting {
                setting: "auth.certificates",
                message: "it must be a list of `NAME ROLE[,ROLE]`".into(),
            })?;
        let tokens = match settings.tokens.as_os_str().is_empty() {
            true => None,
            false => Some(TokenFile::open(settings.tokens.clone())?),
        };
        let jwt = match settings.jwks.is_empty() {
            true => None,
            false => Some(Jwt::open(settings)?),
        };
        Ok(Auth(Arc::new(Inner {
            anonymous: settings.anonymous,
            certificates: certificates.into_iter().collect(),
            tokens,
            jwt,
            counts: counts.clone(),
        })))
    }

    /// Identifies the caller by its token, else by the client certificate, else as anonymous. An invalid token never falls back to
    /// anonymous.
    ///
    /// # Errors
    /// An invalid token.
    pub fn identify(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<ClientIdentity, Unauthenticated> {
        let address = peer.map(|peer| peer.address);
        let client = |name: Arc<str>, roles, method| ClientIdentity {
            name,
            roles,
            address,
            auth_method: method,
        };
        if let Some(token) = bearer(headers)? {
            let (name, roles, method) = self.token(token)?;
            return Ok(client(name, roles, method));
        }
        let anonymous = self.0.anonymous;
        Ok(match peer.and_then(|peer| peer.certificate.clone()) {
            Some(name) => {
                let roles = self.0.certificates.get(&*name).copied().unwrap_or(anonymous);
                client(name, roles, AuthMethod::Certificate)
            }
            None => client("anonymous".into(), anonymous, AuthMethod::None),
        })
    }

    fn token(&self, token: &str) -> Result<(Arc<str>, Roles, AuthMethod), Unauthenticated> {
        let inner = &self.0;
        if let Some(file) = &inner.tokens {
            let tokens = file
                .current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .1
                .clone();
            if let Some((name, roles)) = tokens.find(token) {
                return Ok((name, roles, AuthMethod::Token));
            }
        }
        match &inner.jwt {
            Some(jwt) if token.contains('.') => jwt
                .authenticate(token)
                .map(|(name, roles)| (name, roles, AuthMethod::Signed)),
            _ => Err(Unauthenticated::new(match inner.tokens {
                Some(_) => "the token is not known to this server",
                None => "this server takes no such token; send none, or set auth.tokens or auth.jwks there",
            })),
        }
    }

    /// Watches files and keys. Reloads them periodically and whenever `now` changes.
    pub(super) fn follow(&self, every: Duration, now: &watch::Receiver<()>, following: &mut JoinSet<()>) {
        let counts = self.0.counts.clone();
        if let Some(jwt) = self.0.jwt.clone() {
            following.spawn(jwt.follow(now.clone(), counts.clone()));
        }
        if self.0.tokens.is_some() {
            let auth = self.clone();
            let reload = move || auth.0.tokens.as_ref().map_or(Ok(false), TokenFile::reload);
            let now = now.clone();
            following.spawn(async move {
                let counted = |fine| counts.reloaded(fine);
                file_watch::follow(every, now, "the file of auth.tokens", reload, counted).await;
            });
        }
    }
}

impl TokenFile {
    fn open(path: PathBuf) -> Result<TokenFile, SecurityError> {
        let bytes = file_watch::read(SETTING, &path, MAX_BYTES)?;
        let tokens = TokenFile::parse(&path, &bytes)?;
        let current = RwLock::new((ContentDigest::compute([&bytes[..]]), tokens));
        Ok(TokenFile { path, current })
    }

    /// Reloads the file if it has changed.
    fn reload(&self) -> Result<bool, SecurityError> {
        let bytes = file_watch::read(SETTING, &self.path, MAX_BYTES)?;
        let digest = ContentDigest::compute([&bytes[..]]);
        if self.current.read().unwrap_or_else(PoisonError::into_inner).0 == digest {
            return Ok(false);
        }
        let tokens = TokenFile::parse(&self.path, &bytes)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (digest, tokens);
        Ok(true)
    }

    fn parse(path: &std::path::Path, bytes: &[u8]) -> Result<Arc<Tokens>, SecurityError> {
        let parsed = str::from_utf8(bytes)
            .map_err(|_| "it is no text".to_owned())
            .and_then(Tokens::parse);
        parsed.map(Arc::new).map_err(|message| SecurityError::Content {
            setting: SETTING,
            path: path.to_path_buf(),
            message,
        })
    }
}

/// The token of the header `authorization`, if present.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Unauthenticated> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let expected = "it should be `Bearer TOKEN`, once";
    if values.next().is_some() {
        return Err(Unauthenticated::new(format!(
            "it is there more than once; {expected}"
        )));
    }
    let parts = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
    match parts {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Some(token.trim()))
        }
        _ => Err(Unauthenticated::new(format!("it is something else; {expected}"))),
    }
}
