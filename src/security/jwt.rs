//! Signed tokens (JWT, as issued by OpenID Connect): signature, issuer, audience, expiry and claims.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::auth::Unauthenticated;
use super::certificate::is_loggable;
use super::counts::SecurityCounts;
use super::error::SecurityError;
use super::file_watch::ContentDigest;
use super::jwks::Source;
use super::jwt_crypto;
use crate::config::{self, Role, Roles};

/// Maximum token length in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Minimum time between reloads that tokens with an unknown key trigger.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Verifier of signed tokens. Clones share the keys.
#[derive(Clone)]
pub(super) struct Jwt(Arc<Inner>);

struct Inner {
    settings: config::AuthSettings,
    source: Source,
    keys: RwLock<Arc<Keys>>,
    /// Notified when a token names an unknown key.
    missed: Notify,
}

#[derive(Default)]
struct Keys {
    digest: Option<ContentDigest>,
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    /// The only algorithm that the key may be used with, if stated.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

type Claims = HashMap<String, Value>;

impl Jwt {
    /// Reads the keys of a file. Those of a URL are fetched by [`Jwt::follow`], so that start-up does not depend on another service.
    ///
    /// # Errors
    /// A file without a key set, or an invalid URL.
    pub fn open(settings: &config::AuthSettings) -> Result<Jwt, SecurityError> {
        jwt_crypto::install();
        let source = Source::new(&settings.jwks, &settings.jwks_ca)?;
        let jwt = Jwt(Arc::new(Inner {
            settings: settings.clone(),
            keys: RwLock::default(),
            missed: Notify::new(),
            source,
        }));
        if jwt.0.source.is_file() {
            let read = jwt
                .0
                .source
                .read_file()
                .and_then(|bytes| jwt.replace_keys(&bytes));
            read.map_err(|message| SecurityError::Setting {
                setting: "auth.jwks",
                message,
            })?;
        }
        Ok(jwt)
    }

    /// Reloads the keys periodically, when a token names an unknown key, and whenever `now` changes.
    pub async fn follow(self, mut now: watch::Receiver<()>, counts: Arc<SecurityCounts>) {
        let every = Duration::from_secs(self.0.settings.jwks_seconds);
        let mut last_error = String::new();
        loop {
            let read = self
                .0
                .source
                .read()
                .await
                .and_then(|bytes| self.replace_keys(&bytes));
            let failed = read.is_err();
            match read {
                Ok(changed) => {
                    if changed {
                        counts.reloaded(true);
                        tracing::info!("the keys of auth.jwks changed: the new ones are in use");
                    }
                    last_error.clear();
                }
                Err(message) if message != last_error => {
                    counts.reloaded(false);
                    tracing::error!(
                        "the keys of auth.jwks cannot be read, those known so far stay in use: {message}"
                    );
                    last_error = message;
                }
                Err(_) => {}
            }
            tokio::time::sleep(MIN_RELOAD_INTERVAL.min(every)).await;
            if failed {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(every.saturating_sub(MIN_RELOAD_INTERVAL)) => {}
                () = self.0.missed.notified() => {}
                Ok(()) = now.changed() => {}
            }
        }
    }

    /// Verifies a token. Returns name and roles of the caller.
    ///
    /// # Errors
    /// What is wrong with the token; the message holds nothing of it.
    pub fn authenticate(&self, token: &str) -> Result<(Arc<str>, Roles), Unauthenticated> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Unauthenticated::new(format!(
                "the signed token has more than {MAX_TOKEN_BYTES} bytes"
            )));
        }
        let header = decode_header(token)
            .map_err(|_| Unauthenticated::new("the token is neither known nor a signed one"))?;
        if header.crit.is_some() {
            return Err(Unauthenticated::new(
                "the signed token has a header `crit`, of which nothing is understood",
            ));
        }
        if !jwt_crypto::is_supported(header.alg) {
            return Err(Unauthenticated::new(
                "the token is signed in a way that is not taken: RS, PS, ES256, ES384 and EdDSA are",
            ));
        }
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut candidates = keys
            .keys
            .iter()
            .filter(|it| header.kid.is_none() || it.id == header.kid)
            .filter(|it| it.key.family() == header.alg.family())
            .filter(|it| it.algorithm.is_none_or(|only| only == header.alg))
            .peekable();
        if candidates.peek().is_none() {
            self.0.missed.notify_one();
            return Err(Unauthenticated::new(
                "the token's key is not among those that its issuer publishes",
            ));
        }
        let validation = self.validation(header.alg);
        let mut failure = None;
        for key in candidates {
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(right) => return self.claims(&right.claims),
                Err(error) => failure = Some(error),
            }
        }
        // The message names the claim and holds nothing of its value.
        let why = failure.map_or_else(String::new, |error| describe(&error));
        Err(Unauthenticated::new(format!(
            "the signed token is not taken: {why}"
        )))
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let settings = &self.0.settings;
        let mut validation = Validation::new(algorithm);
        validation.leeway = settings.leeway_seconds;
        validation.validate_nbf = true;
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }

    fn claims(&self, claims: &Claims) -> Result<(Arc<str>, Roles), Unauthenticated> {
        let settings = &self.0.settings;
        let name = find(claims, &settings.name_claim).and_then(Value::as_str);
        let name = name.filter(|name| is_loggable(name)).ok_or_else(|| {
            Unauthenticated::new(format!(
                "the signed token has no name in its claim `{}`",
                settings.name_claim
            ))
        })?;
        let listed: Vec<&str> = match find(claims, &settings.role_claim) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text.split([' ', ',']).collect(),
            _ => Vec::new(),
        };
        let roles = listed
            .into_iter()
            .filter_map(|role| role.strip_prefix(&*settings.role_prefix))
            // Ignore roles of other services.
            .filter_map(|role| role.parse::<Role>().ok());
        Ok((name.into(), roles.collect()))
    }

    /// Replaces the keys; `false` if they have not changed.
    fn replace_keys(&self, bytes: &[u8]) -> Result<bool, String> {
        let digest = Some(ContentDigest::compute([bytes]));
        if self.0.keys.read().unwrap_or_else(PoisonError::into_inner).digest == digest {
            return Ok(false);
        }
        let set: JwkSet =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON Web Key Set: {error}"))?;
        let keys: Vec<Key> = set.keys.iter().filter_map(verification_key).collect();
        if keys.is_empty() {
            return Err(format!(
                "none of its {} keys can check a signature (RSA, EC P-256 or P-384, Ed25519)",
                set.keys.len()
            ));
        }
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys { digest, keys });
        Ok(true)
    }
}

/// A key for signature verification; `None` for other keys.
fn verification_key(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match common.key_algorithm {
        None => None,
        Some(named) => Some(
            named
                .to_string()
                .parse::<Algorithm>()
                .ok()
                .filter(|&it| jwt_crypto::is_supported(it))?,
        ),
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (key.family() != jsonwebtoken::AlgorithmFamily::Hmac).then(|| Key {
        id: common.key_id.clone(),
        algorithm,
        key,
    })
}

/// A claim by its name, or by a dotted path through nested objects.
fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn describe(error: &jsonwebtoken::errors::Error) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "it has expired".into(),
        ErrorKind::ImmatureSignature => "it is not valid yet".into(),
        ErrorKind::InvalidIssuer => "its claim `iss` is not auth.issuer".into(),
        ErrorKind::InvalidAudience => "its claim `aud` is not auth.audience".into(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no claim `{claim}`"),
        ErrorKind::InvalidClaimFormat(claim) => format!("its claim `{claim}` is not of the right kind"),
        ErrorKind::InvalidSignature => "its signature is not its issuer's".into(),
        _ => "it is malformed".into(),
    }
}
