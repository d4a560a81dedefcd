//! The networks of the study, and how each is trained.

use serde::Serialize;

use super::profile::Profile;
use super::set::Set;
use crate::train::{Loss, Recipe};

/// A network of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Network {
    /// Its data set.
    pub set: Set,
    /// Offline or online.
    pub online: bool,
    /// Its difference from the profile.
    pub variant: Variant,
    /// Its index in an ensemble; 0 is the studied network.
    pub member: usize,
}

/// A difference from the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Nothing.
    Main,
    /// The online loss's weight is a tenth.
    LambdaTenth,
    /// The online loss's weight is ten.
    LambdaTen,
    /// The online loss sends no gradient through the prototypes' mask.
    Detached,
    /// Base width 8.
    Width8,
    /// Base width 16.
    Width16,
    /// Base width 32.
    Width32,
    /// Base width 64.
    Width64,
}

impl Variant {
    /// Its name in tables.
    pub fn words(self) -> &'static str {
        match self {
            Variant::Main => "as the profile says",
            Variant::LambdaTenth => "lambda 0.1",
            Variant::LambdaTen => "lambda 10",
            Variant::Detached => "no gradient through the prototypes' mask",
            Variant::Width8 => "base width 8",
            Variant::Width16 => "base width 16",
            Variant::Width32 => "base width 32",
            Variant::Width64 => "base width 64",
        }
    }

    /// The base width, where it is what is changed.
    pub fn width(self) -> Option<i64> {
        match self {
            Variant::Width8 => Some(8),
            Variant::Width16 => Some(16),
            Variant::Width32 => Some(32),
            Variant::Width64 => Some(64),
            _ => None,
        }
    }
}

impl Network {
    /// The network of a set and a loss that is studied.
    pub fn main(set: Set, loss: Loss) -> Network {
        Network {
            set,
            online: loss == Loss::Online,
            variant: Variant::Main,
            member: 0,
        }
    }

    /// Its loss.
    pub fn loss(&self) -> Loss {
        if self.online { Loss::Online } else { Loss::Offline }
    }

    /// The name of its steps.
    pub fn name(&self) -> String {
        format!("{}-{}", self.set.name(), self.loss())
    }

    /// How it is trained on so many images: a smaller set is gone through more often, so that every network makes about as many
    /// steps.
    pub fn recipe(&self, profile: &Profile, images: usize) -> Recipe {
        let times = (profile.images[0] as f64 / images as f64).max(1.0);
        let scaled = |epochs: u32| (f64::from(epochs) * times).round() as u32;
        let defaults = Recipe::default();
        Recipe {
            base_width: self.variant.width().unwrap_or(profile.base_width),
            loss: self.loss(),
            lambda: match self.variant {
                Variant::LambdaTenth => 0.1,
                Variant::LambdaTen => 10.0,
                _ => defaults.lambda,
            },
            detach_prototypes: self.variant == Variant::Detached,
            epochs: scaled(profile.epochs),
            batch_size: profile.batch_size,
            learning_rate: profile.learning_rate,
            halve_every: scaled(profile.halve_every),
            seed: profile.seed + self.member as u64,
            // Jobs run in parallel with one thread each.
            threads: 1,
            half_precision: false,
            preprocessing: Vec::new(),
            ..defaults
        }
    }
}
