//! Authorization of requests: authentication, roles and rate limit, for all protocols.

use std::time::Duration;

use http::HeaderMap;

use super::auth::Unauthenticated;
use super::client::{ClientIdentity, ClientKey, Peer};
use super::rate_limiter::ClientLimit;
use super::rights::RequiredAccess;
use super::{AuthMethod, Security};
use crate::config::Role;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Invalid credentials, or none where some are required.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// The caller lacks a role.
    #[error("this needs the role `{}`, which {client} has not", role.name())]
    Forbidden {
        /// The caller.
        client: String,
        /// The required role.
        role: Role,
    },
    /// The rate limit is exceeded.
    #[error(
        "too many requests of this client (settings rate.per_second, rate.burst); the next is taken in {:.3} s", wait.as_secs_f64()
    )]
    TooOften {
        /// Time until the next request is accepted.
        wait: Duration,
    },
}

impl Refusal {
    /// Constant for errors and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::Unauthenticated(_) => "UNAUTHENTICATED",
            Refusal::Forbidden { .. } => "PERMISSION_DENIED",
            Refusal::TooOften { .. } => "RATE_LIMITED",
        }
    }
}

impl Security {
    /// Authenticates the caller by headers and connection, and checks its role and rate limit. Returns the caller and its limit. Counts the
    /// request against the limit where `access` requires that.
    ///
    /// # Errors
    /// The refusal, which is counted.
    pub fn authorize(
        &self,
        access: RequiredAccess,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<(ClientIdentity, Option<ClientLimit>), Refusal> {
        let result = self.authenticate_and_authorize(access, headers, peer);
        if let Err(refusal) = &result {
            self.counts.refuse(refusal.reason());
        }
        result
    }

    /// Checks a role that only a part of a request needs. A refusal is counted.
    ///
    /// # Errors
    /// As of [`ClientIdentity::require_role`].
    pub fn require_role(&self, client: &ClientIdentity, role: Role) -> Result<(), Refusal> {
        let result = client.require_role(role);
        if let Err(refusal) = &result {
            self.counts.refuse(refusal.reason());
        }
        result
    }

    fn authenticate_and_authorize(
        &self,
        access: RequiredAccess,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<(ClientIdentity, Option<ClientLimit>), Refusal> {
        let limit = |key: ClientKey| {
            self.rate_limiter
                .clone()
                .map(|rate_limiter| ClientLimit::new(rate_limiter, key))
        };
        let client = match self.auth.identify(headers, peer) {
            Ok(client) => client,
            Err(denied) => {
                // Failed authentication counts against the address, which limits guessing.
                count(limit(ClientKey::from_address(peer.map(|peer| peer.address))).as_ref())?;
                return Err(denied.into());
            }
        };
        let limit = limit(client.key());
        let (role, counted) = match access {
            RequiredAccess::Open => return Ok((client, limit)),
            RequiredAccess::Role(role) => (role, true),
            RequiredAccess::RoleForImages(role) => (role, false),
        };
        let result = client.require_role(role);
        if counted || result.is_err() {
            count(limit.as_ref())?;
        }
        result?;
        Ok((client, limit))
    }
}

impl ClientIdentity {
    /// Checks a role.
    ///
    /// # Errors
    /// The caller lacks it: [`Refusal::Unauthenticated`] if it is anonymous, else [`Refusal::Forbidden`].
    fn require_role(&self, role: Role) -> Result<(), Refusal> {
        if self.roles.has(role) {
            return Ok(());
        }
        Err(match self.auth_method {
            AuthMethod::None => Unauthenticated::new(format!(
                "it is missing: this needs the role `{}`, which anonymous callers have not; send `Bearer TOKEN`",
                role.name()
            ))
            .into(),
            _ => Refusal::Forbidden {
                client: format!("`{}`", self.name),
                role,
            },
        })
    }
}

fn count(limit: Option<&ClientLimit>) -> Result<(), Refusal> {
    limit.map_or(Ok(()), |limit| {
        limit.take().map_err(|wait| Refusal::TooOften { wait })
    })
}
