//! Jitter of delays: within the documented bounds, and different per client.
//!
//! What would break: a client that retries before its delay, or clients that all retry at once.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use sagate::client::{RETRY_JITTER, retry_delay};
use sagate::config::{ConnectionSettings, Settings};
use sagate::engine::EngineError;
use sagate::grpc::{AGE_SPREAD, ConnectionAge, RETRY_SPREAD, ServiceError};
use sagate::security::Refusal;
use tonic_types::StatusExt;

/// A rounding of a nanosecond.
const TICK: Duration = Duration::from_nanos(2);

fn connections(age: u64, grace: u64) -> ConnectionSettings {
    ConnectionSettings {
        max_connection_age_seconds: age,
        max_connection_age_grace_seconds: grace,
        ..Settings::default().server.connections
    }
}

proptest! {
    #[test]
    fn a_client_never_comes_early_and_at_most_a_quarter_later(millis in 1u64..30_000) {
        let hint = Duration::from_millis(millis);
        let drawn: BTreeSet<Duration> = (0..64).map(|_| retry_delay(hint)).collect();
        prop_assert!(drawn.len() > 32, "{drawn:?}");
        for delay in drawn {
            prop_assert!(delay >= hint && delay <= hint.mul_f64(1.0 + RETRY_JITTER) + TICK, "{delay:?}");
        }
    }

    #[test]
    fn connections_end_within_a_tenth_of_their_age(age in 1u64..100_000, grace in 0u64..100) {
        let settings = connections(age, grace);
        let middle = Duration::from_secs(age);
        let drawn: Vec<ConnectionAge> = (0..64).map(|_| ConnectionAge::draw(&settings)).collect();
        let ages: BTreeSet<Duration> = drawn.iter().map(|it| it.goaway_after.unwrap()).collect();
        prop_assert!(ages.len() > 32, "{ages:?}");
        for age in ages {
            let off = age.abs_diff(middle);
            prop_assert!(off <= middle.mul_f64(AGE_SPREAD) + TICK, "{age:?}");
        }
        for it in drawn {
            let close_after = (grace > 0).then(|| it.goaway_after.unwrap() + Duration::from_secs(grace));
            prop_assert_eq!(it.close_after, close_after);
        }
    }

    /// Callers refused for the same load get different delays, in the status and in a stream's failure.
    #[test]
    fn a_server_spreads_those_who_come_again(seconds in 0.01f64..60.0) {
        let full = || ServiceError::from(EngineError::NotInTime {
            expected_seconds: 1.0,
            left_seconds: 0.5,
            retry_seconds: seconds,
        });
        let delay = |error: &ServiceError| {
            let info = error.status().get_details_retry_info().unwrap();
            info.retry_delay.unwrap().as_secs_f64()
        };
        let statuses: Vec<f64> = (0..64).map(|_| delay(&full())).collect();
        let failures: Vec<f64> = (0..64).map(|_| full().failure().retry_after_seconds.unwrap()).collect();
        for drawn in [statuses, failures] {
            let different: BTreeSet<u64> = drawn.iter().map(|it| it.to_bits()).collect();
            prop_assert!(different.len() > 32, "{drawn:?}");
            for delay in drawn {
                prop_assert!(delay >= seconds - 1e-6 && delay <= seconds * (1.0 + RETRY_SPREAD) + 1e-6, "{delay}");
            }
        }
        // A rate limit is each client's own, and exact.
        let wait = Duration::from_secs_f64(seconds);
        let limited = ServiceError::from(Refusal::TooOften { wait });
        prop_assert_eq!(delay(&limited), wait.as_secs_f64());
    }
}

#[test]
fn a_connection_without_an_age_never_ends() {
    let age = ConnectionAge::draw(&connections(0, 5));
    assert_eq!((age.goaway_after, age.close_after), (None, None));
}
