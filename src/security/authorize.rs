//! Whether a request may go on: who asks, whether that one may, and whether it asks too often. What speaks HTTP asks here, whatever
//! its protocol is.

use std::time::Duration;

use http::HeaderMap;

use super::auth::Unauthenticated;
use super::client::{Client, ClientKey, Peer};
use super::rate_limiter::ClientLimit;
use super::rights::Need;
use super::{AuthMethod, Security};
use crate::config::Role;

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller shows something that is not believed, or nothing where something is needed.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// The caller may not.
    #[error("this needs the role `{}`, which {client} has not", need.name())]
    Forbidden {
        /// Who asks.
        client: String,
        /// What it would need.
        need: Role,
    },
    /// The caller asks too often.
    #[error(
        "too many requests of this client (settings rate.per_second, rate.burst); the next is taken in {:.3} s", wait.as_secs_f64()
    )]
    TooOften {
        /// When the next one is taken.
        wait: Duration,
    },
}

impl Refusal {
    /// A constant for it, as errors and metrics have it.
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::Unauthenticated(_) => "UNAUTHENTICATED",
            Refusal::Forbidden { .. } => "PERMISSION_DENIED",
            Refusal::TooOften { .. } => "RATE_LIMITED",
        }
    }
}

impl Security {
    /// Who asks, by headers and connection, and the limit that counts it. Counts the request where `need` says so.
    ///
    /// # Errors
    /// Why it goes no further; that is counted.
    pub fn admit(
        &self,
        need: Need,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<(Client, Option<ClientLimit>), Refusal> {
        let admitted = self.judge(need, headers, peer);
        if let Err(refusal) = &admitted {
            self.counts.refuse(refusal.reason());
        }
        admitted
    }

    /// Asks for a role that only a part of a request needs. A refusal is counted.
    ///
    /// # Errors
    /// As of [`Client::demand`].
    pub fn demand(&self, client: &Client, role: Role) -> Result<(), Refusal> {
        let demanded = client.demand(role);
        if let Err(refusal) = &demanded {
            self.counts.refuse(refusal.reason());
        }
        demanded
    }

    fn judge(
        &self,
        need: Need,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<(Client, Option<ClientLimit>), Refusal> {
        let pace = |key: ClientKey| self.pacer.clone().map(|pacer| ClientLimit::new(pacer, key));
        let client = match self.auth.identify(headers, peer) {
            Ok(client) => client,
            Err(denied) => {
                // Whoever tries tokens out is counted by where it sits.
                count(pace(ClientKey::of(peer.map(|peer| peer.address))).as_ref())?;
                return Err(denied.into());
            }
        };
        let pace = pace(client.key());
        let (role, counted) = match need {
            Need::Open => return Ok((client, pace)),
            Need::Role(role) => (role, true),
            Need::RoleForImages(role) => (role, false),
        };
        let demanded = client.demand(role);
        if counted || demanded.is_err() {
            count(pace.as_ref())?;
        }
        demanded?;
        Ok((client, pace))
    }
}

impl Client {
    /// Asks for a role.
    ///
    /// # Errors
    /// The caller has it not: [`Refusal::Unauthenticated`] where it has said no name, [`Refusal::Forbidden`] where it has.
    fn demand(&self, role: Role) -> Result<(), Refusal> {
        if self.roles.has(role) {
            return Ok(());
        }
        Err(match self.proof {
            AuthMethod::None => Unauthenticated::new(format!(
                "it is missing: this needs the role `{}`, which anonymous callers have not; send `Bearer TOKEN`",
                role.name()
            ))
            .into(),
            _ => Refusal::Forbidden {
                client: format!("`{}`", self.name),
                need: role,
            },
        })
    }
}

fn count(pace: Option<&ClientLimit>) -> Result<(), Refusal> {
    pace.map_or(Ok(()), |pace| {
        pace.take().map_err(|wait| Refusal::TooOften { wait })
    })
}
