//! Autoscaling of replicas.

use std::collections::VecDeque;

/// A HorizontalPodAutoscaler on the utilisation of slots, as Kubernetes has it:
/// `wanted = ceil(replicas * utilisation / target)`, clamped, with a stabilisation window for scaling down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Minimum replicas, at least 1.
    pub least: usize,
    /// Maximum replicas.
    pub most: usize,
    /// Target utilisation of the slots, above 0 and at most 1.
    pub target: f64,
    /// Seconds between evaluations.
    pub period: f64,
    /// Seconds from the decision to add a replica until it is ready: scheduling, container image, model, warm-up.
    pub start_up: f64,
    /// Stabilisation window in seconds for scaling down.
    pub hold: f64,
}

/// Relative deviation from the target that is ignored.
const TOLERANCE: f64 = 0.1;

impl Scaling {
    /// A constant number of replicas.
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

    /// Kubernetes' defaults for period and stabilisation window, and a target that leaves headroom during start-up of replicas.
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

/// State of the autoscaler.
pub(super) struct Scaler {
    scaling: Scaling,
    /// Time and value of each recommendation within [`Scaling::hold`].
    recommendations: VecDeque<(f64, usize)>,
}

impl Scaler {
    pub fn new(scaling: Scaling) -> Scaler {
        Scaler {
            scaling,
            recommendations: VecDeque::new(),
        }
    }

    /// Wanted number of replicas, given the current number and the utilisation in the last period.
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
