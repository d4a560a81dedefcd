//! Rate limit per client: a sustained request rate with a burst (GCRA, the token bucket that stores one timestamp per client). Memory is
//! bounded by a few megabytes, however many clients there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::client::ClientKey;
use crate::config;

/// Maximum number of tracked clients, for authenticated and anonymous ones each. Further clients share one limit while all of these are
/// active.
const MAX_CLIENTS: usize = 1 << 15;
/// Minimum time between sweeps of idle clients.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Rate limits of all clients. Clones share the state.
#[derive(Clone)]
pub struct RateLimiter(Arc<Inner>);

struct Inner {
    /// Time between requests at the sustained rate.
    interval: Duration,
    /// Burst tolerance.
    tolerance: Duration,
    named: Mutex<ClientTable>,
    anonymous: Mutex<ClientTable>,
}

/// Theoretical arrival time (TAT) of each client: once it has passed, the client can be forgotten.
#[derive(Default)]
struct ClientTable {
    tat: HashMap<ClientKey, Instant>,
    overflow: Option<Instant>,
    swept: Option<Instant>,
}

impl RateLimiter {
    /// `None` without a limit.
    pub fn new(settings: &config::RateSettings) -> Option<RateLimiter> {
        if settings.per_second <= 0.0 {
            return None;
        }
        let interval = Duration::from_secs_f64((1.0 / settings.per_second).min(1e6));
        let tolerance = interval.saturating_mul(u32::try_from(settings.burst).unwrap_or(u32::MAX));
        Some(RateLimiter(Arc::new(Inner {
            interval,
            tolerance,
            named: Mutex::default(),
            anonymous: Mutex::default(),
        })))
    }

    /// Counts one request of a client.
    ///
    /// # Errors
    /// The limit is exceeded: the time until the next request is accepted. The request is not counted.
    pub fn take(&self, client: &ClientKey, now: Instant) -> Result<(), Duration> {
        self.take_requests(client, 1, self.0.tolerance, now)
    }

    /// Counts the images of a request that was already counted as one. A request may hold more images than the burst if the client was idle
    /// for long enough; its next request then waits until all of them are paid off.
    ///
    /// # Errors
    /// As [`RateLimiter::take`]; the images are not counted.
    pub fn take_images(&self, client: &ClientKey, images: usize, now: Instant) -> Result<(), Duration> {
        let images = u32::try_from(images).unwrap_or(u32::MAX);
        if images <= 1 {
            return Ok(());
        }
        let tolerance = self.0.tolerance.max(self.0.interval.saturating_mul(images));
        self.take_requests(client, images - 1, tolerance, now)
    }

    fn take_requests(
        &self,
        client: &ClientKey,
        requests: u32,
        tolerance: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let table = match client {
            ClientKey::Named(_) => &self.0.named,
            ClientKey::At(_) => &self.0.anonymous,
        };
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let tat = table.tat_of(client, now);
        let next = (*tat).max(now) + self.0.interval.saturating_mul(requests);
        let excess = next.duration_since(now).saturating_sub(tolerance);
        if excess > Duration::ZERO {
            return Err(excess);
        }
        *tat = next;
        Ok(())
    }

    /// Number of tracked clients.
    pub fn tracked_clients(&self) -> usize {
        let count =
            |table: &Mutex<ClientTable>| table.lock().unwrap_or_else(PoisonError::into_inner).tat.len();
        count(&self.0.named) + count(&self.0.anonymous)
    }
}

impl ClientTable {
    fn tat_of(&mut self, client: &ClientKey, now: Instant) -> &mut Instant {
        if self.tat.len() >= MAX_CLIENTS && !self.tat.contains_key(client) {
            if self
                .swept
                .is_none_or(|swept| now.duration_since(swept) >= SWEEP_INTERVAL)
            {
                // A client whose TAT has passed has its full burst again.
                self.tat.retain(|_, tat| *tat > now);
                self.swept = Some(now);
            }
            if self.tat.len() >= MAX_CLIENTS {
                return self.overflow.get_or_insert(now);
            }
        }
        self.tat.entry(client.clone()).or_insert(now)
    }
}

/// The limit of one client. Request extensions hold it, so that a stream can count each image.
#[derive(Clone)]
pub struct ClientLimit {
    limiter: RateLimiter,
    client: ClientKey,
}

impl ClientLimit {
    pub(super) fn new(limiter: RateLimiter, client: ClientKey) -> ClientLimit {
        ClientLimit { limiter, client }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// As [`RateLimiter::take`].
    pub fn take(&self) -> Result<(), Duration> {
        self.limiter.take(&self.client, Instant::now())
    }

    /// Counts the images of a request that was already counted as one.
    ///
    /// # Errors
    /// As [`RateLimiter::take_images`].
    pub fn take_images(&self, images: usize) -> Result<(), Duration> {
        self.limiter.take_images(&self.client, images, Instant::now())
    }
}
