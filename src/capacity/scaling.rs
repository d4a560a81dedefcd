//! How the number of replicas follows the load.

use std::collections::VecDeque;

/// A HorizontalPodAutoscaler on the utilisation of slots, as Kubernetes has it:
/// `wanted = ceil(replicas * utilisation / target)`, within bounds, down only to the most that was wanted for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Fewest replicas, at least 1.
    pub least: usize,
    /// Most replicas.
    pub most: usize,
    /// Share of its slots' time that a replica shall be busy, above 0 and at most 1.
    pub target: f64,
    /// Seconds between two looks.
    pub period: f64,
    /// Seconds from the recommended for a replica until it answers: scheduling, image, model, warm-up.
    pub start_up: f64,
    /// Seconds over which the most that was wanted is kept.
    pub hold: f64,
}

/// Wishes by which nothing is done: within a tenth of the target.
const TOLERANCE: f64 = 0.1;

impl Scaling {
    /// As many replicas as there are, for ever.
    pub fn fixed(replicas: usize) -> Scaling {
        Scaling {
            least: replicas,
            most: replicas,
            target: 1.0,
            period: f64::INFINITY,
            start_up: 0.0,
            hold: 0.0,
        }
    }

    /// Kubernetes' own defaults of period and hold, and a utilisation that leaves room for the time that a new replica takes.
    pub fn kubernetes(least: usize, most: usize) -> Scaling {
        Scaling {
            least,
            most,
            target: 0.6,
            period: 15.0,
            start_up: 30.0,
            hold: 300.0,
        }
    }
}

/// What the autoscaler remembers.
pub(super) struct Scaler {
    scaling: Scaling,
    /// Moment and number of each recommended within [`Scaling::hold`].
    recommendations: VecDeque<(f64, usize)>,
}

impl Scaler {
    pub fn new(scaling: Scaling) -> Scaler {
        Scaler {
            scaling,
            recommendations: VecDeque::new(),
        }
    }

    /// How many replicas shall be, of `there` that were busy for this share of the last period.
    pub fn wanted(&mut self, now: f64, current: usize, utilisation: f64) -> usize {
        let Scaling {
            least,
            most,
            target,
            hold,
            ..
        } = self.scaling;
        let ratio = utilisation / target;
        let recommended = if (ratio - 1.0).abs() <= TOLERANCE {
            current
        } else {
            (current as f64 * ratio).ceil() as usize
        };
        self.recommendations.push_back((now, recommended));
        while self
            .recommendations
            .front()
            .is_some_and(|&(then, _)| then < now - hold)
        {
            self.recommendations.pop_front();
        }
        let kept = self
            .recommendations
            .iter()
            .map(|&(_, recommended)| recommended)
            .max()
            .unwrap_or(recommended);
        let wanted = if kept < current {
            kept
        } else {
            recommended.max(current)
        };
        // Kubernetes at most doubles, or adds four, in one period.
        wanted.min((2 * current).max(current + 4)).clamp(least, most)
    }
}
