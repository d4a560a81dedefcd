//! How often each client may ask: so many requests a second in the long run, and some at once after a time of silence (GCRA, the
//! token bucket that is one moment in memory). However many clients come, it takes no requests than a few megabytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::client::ClientKey;
use crate::config;

/// Clients that are told apart, of those with a name and of those without each. What comes beyond them while all of these have asked
/// of late is counted as one.
const MOST: usize = 1 << 15;
/// How often the clients that have been silent for long enough are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// The limit of all clients. Clones are the same.
#[derive(Clone)]
pub struct RateLimiter(Arc<Inner>);

struct Inner {
    /// Between two requests in the long run.
    interval: Duration,
    /// How far ahead of that a client may be.
    ahead: Duration,
    named: Mutex<Side>,
    others: Mutex<Side>,
}

/// For each client the moment at which it will have been silent for long enough to be forgotten.
#[derive(Default)]
struct Side {
    theoretical_arrival: HashMap<ClientKey, Instant>,
    overflow: Option<Instant>,
    swept: Option<Instant>,
}

impl RateLimiter {
    /// `None` where the settings set no limit.
    pub fn new(settings: &config::Rate) -> Option<RateLimiter> {
        if settings.per_second <= 0.0 {
            return None;
        }
        let interval = Duration::from_secs_f64((1.0 / settings.per_second).min(1e6));
        let ahead = interval.saturating_mul(u32::try_from(settings.burst).unwrap_or(u32::MAX));
        Some(RateLimiter(Arc::new(Inner {
            interval,
            ahead,
            named: Mutex::default(),
            others: Mutex::default(),
        })))
    }

    /// Counts one request of a client.
    ///
    /// # Errors
    /// It has asked too often: the time after which it may again. That request is not counted.
    pub fn take(&self, client: &ClientKey, now: Instant) -> Result<(), Duration> {
        self.take_requests(client, 1, self.0.ahead, now)
    }

    /// Counts the images of a request that was counted as one already. More images than the burst are taken where the client has been
    /// silent for long enough; the next request then waits until all of them are made up for.
    ///
    /// # Errors
    /// As [`RateLimiter::take`]; the images are not counted.
    pub fn take_images(&self, client: &ClientKey, images: usize, now: Instant) -> Result<(), Duration> {
        let images = u32::try_from(images).unwrap_or(u32::MAX);
        if images <= 1 {
            return Ok(());
        }
        let ahead = self.0.ahead.max(self.0.interval.saturating_mul(images));
        self.take_requests(client, images - 1, ahead, now)
    }

    fn take_requests(
        &self,
        client: &ClientKey,
        requests: u32,
        ahead: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let side = match client {
            ClientKey::Named(_) => &self.0.named,
            ClientKey::At(_) => &self.0.others,
        };
        let mut side = side.lock().unwrap_or_else(PoisonError::into_inner);
        let theoretical_arrival = side.theoretical_arrival_of(client, now);
        let next = (*theoretical_arrival).max(now) + self.0.interval.saturating_mul(requests);
        let too_early = next.duration_since(now).saturating_sub(ahead);
        if too_early > Duration::ZERO {
            return Err(too_early);
        }
        *theoretical_arrival = next;
        Ok(())
    }

    /// Clients that are remembered.
    pub fn remembered(&self) -> usize {
        let count = |side: &Mutex<Side>| {
            side.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .theoretical_arrival
                .len()
        };
        count(&self.0.named) + count(&self.0.others)
    }
}

impl Side {
    fn theoretical_arrival_of(&mut self, client: &ClientKey, now: Instant) -> &mut Instant {
        if self.theoretical_arrival.len() >= MOST && !self.theoretical_arrival.contains_key(client) {
            if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP) {
                // Who is even with the limit is as good as new.
                self.theoretical_arrival
                    .retain(|_, theoretical_arrival| *theoretical_arrival > now);
                self.swept = Some(now);
            }
            if self.theoretical_arrival.len() >= MOST {
                return self.overflow.get_or_insert(now);
            }
        }
        self.theoretical_arrival.entry(client.clone()).or_insert(now)
    }
}

/// The limit of one client, as the extensions of its requests hold it: a stream counts each image by it.
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

    /// Counts the images of a request that was counted as one already.
    ///
    /// # Errors
    /// As [`RateLimiter::take_images`].
    pub fn take_images(&self, images: usize) -> Result<(), Duration> {
        self.limiter.take_images(&self.client, images, Instant::now())
    }
}
