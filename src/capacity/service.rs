//! Service times of images.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// Measured distribution of the service time: a piecewise linear quantile function.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceTimes {
    /// Share in [0, 1] and its quantile in seconds; both ascending.
    points: Vec<(f64, f64)>,
    mean: f64,
}

/// Service times that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ServiceTimesError {
    /// Not a load test report.
    #[error(
        "is no report of a load test (sagate loadtest --in-flight N --out DIR writes DIR/report.json): {0}"
    )]
    Report(#[from] serde_json::Error),
    /// No answered image.
    #[error("holds no answered image")]
    Empty,
    /// An answer is faster than the network time.
    #[error("has an answer after {:.1} ms; a way of {:.1} ms is not part of it, less would be right", .shortest * 1e3, .way * 1e3)]
    Way {
        /// Shortest latency in seconds.
        shortest: f64,
        /// Network time in seconds.
        way: f64,
    },
}

/// The part of a load test report that is read.
#[derive(Deserialize)]
struct Report {
    all: All,
}

#[derive(Deserialize)]
struct All {
    curve: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    one_in: f64,
    from_sending_ms: f64,
}

impl ServiceTimes {
    /// A constant service time.
    pub fn constant(seconds: f64) -> ServiceTimes {
        ServiceTimes {
            points: vec![(0.0, seconds), (1.0, seconds)],
            mean: seconds,
        }
    }

    /// From the report (JSON) of a load test that kept each slot of a server busy and none waiting: `sagate loadtest --in-flight SLOTS`.
    /// `way` is the network time in seconds, which is subtracted.
    ///
    /// # Errors
    /// Not a load test report, one without answers, or one with an answer that is faster than the network time.
    pub fn from_report(json: &[u8], way: f64) -> Result<ServiceTimes, ServiceTimesError> {
        let report: Report = serde_json::from_slice(json)?;
        let points = report.all.curve.iter();
        let points = points
            .filter(|point| point.one_in >= 1.0 && point.from_sending_ms > 0.0)
            .map(|point| (1.0 - 1.0 / point.one_in, point.from_sending_ms / 1e3));
        let mut ascending: Vec<(f64, f64)> = Vec::new();
        for (share, seconds) in points {
            let least = ascending.last().map_or(f64::NEG_INFINITY, |&(_, before)| before);
            ascending.push((share, (seconds - way).max(least)));
        }
        let Some(&(_, longest)) = ascending.last() else {
            return Err(ServiceTimesError::Empty);
        };
        ascending.push((1.0, longest));
        let shortest = ascending[0].1 + way;
        if shortest <= way {
            return Err(ServiceTimesError::Way { shortest, way });
        }
        let areas = ascending
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0);
        Ok(ServiceTimes {
            mean: areas.sum(),
            points: ascending,
        })
    }

    /// The service times on a machine that is `speed` times (above 0) as fast.
    #[must_use]
    pub fn faster(mut self, speed: f64) -> ServiceTimes {
        self.mean /= speed;
        for (_, seconds) in &mut self.points {
            *seconds /= speed;
        }
        self
    }

    /// Mean service time.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Draws a service time.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> f64 {
        let share: f64 = rng.r#gen();
        let after = self.points.partition_point(|&(at, _)| at <= share);
        match (self.points[after.saturating_sub(1)], self.points.get(after)) {
            (_, None) => self.points[self.points.len() - 1].1,
            ((from, least), Some(&(to, most))) => least + (most - least) * (share - from) / (to - from),
        }
    }
}
