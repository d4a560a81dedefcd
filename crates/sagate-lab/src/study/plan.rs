//! The jobs of a study.

use super::network::{Network, Variant};
use super::profile::Profile;
use super::set::Set;
use crate::train::Loss;

/// A job, whose result is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Train a network.
    Train(Network),
    /// Measure a network with one pass for each image.
    Records(Network),
    /// Measure with an ensemble, dropout, flips and gradients.
    Passes(Network),
    /// Add noise to the test images, ever more.
    Noise(Network),
    /// Remove the inertia units.
    Prune(Network),
    /// Score layers with other masks and at other resolutions.
    Masks(Network),
    /// Measure the network on heads that it was not trained for.
    Heads(Network),
    /// Time every score, alone.
    Costs(Network),
}

/// A kind of job, with a common throughput.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Training; its work is counted in pixels times the squared base width.
    Train,
    /// One pass an image; in pixels.
    Records,
    /// Many passes an image; in pixels.
    Passes,
    /// Noise; in pixels.
    Noise,
    /// Pruning; in pixels.
    Prune,
    /// Other masks; in pixels.
    Masks,
    /// Other heads; in pixels.
    Heads,
    /// Timing; in pixels.
    Costs,
}

impl Kind {
    /// All kinds, in the order in which they are done.
    pub const ALL: [Kind; 8] = [
        Kind::Train,
        Kind::Records,
        Kind::Passes,
        Kind::Noise,
        Kind::Prune,
        Kind::Masks,
        Kind::Heads,
        Kind::Costs,
    ];

    /// Its name in tables.
    pub fn words(self) -> &'static str {
        match self {
            Kind::Train => "train networks",
            Kind::Records => "score images with one pass",
            Kind::Passes => "score images with many passes",
            Kind::Noise => "add noise",
            Kind::Prune => "remove inertia units",
            Kind::Masks => "score with other masks",
            Kind::Heads => "try other heads",
            Kind::Costs => "time the scores",
        }
    }

    /// Seconds for a unit of work on one core, before any was measured: the order of magnitude, no more.
    pub(super) fn guess(self) -> f64 {
        match self {
            Kind::Train => 1e-8,
            Kind::Records => 3e-6,
            Kind::Passes => 6e-6,
            Kind::Noise | Kind::Prune | Kind::Masks | Kind::Heads => 2e-6,
            Kind::Costs => 4e-4,
        }
    }
}

impl Job {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Job::Train(_) => Kind::Train,
            Job::Records(_) => Kind::Records,
            Job::Passes(_) => Kind::Passes,
            Job::Noise(_) => Kind::Noise,
            Job::Prune(_) => Kind::Prune,
            Job::Masks(_) => Kind::Masks,
            Job::Heads(_) => Kind::Heads,
            Job::Costs(_) => Kind::Costs,
        }
    }

    /// Its network.
    pub fn network(&self) -> &Network {
        match self {
            Job::Train(network)
            | Job::Records(network)
            | Job::Passes(network)
            | Job::Noise(network)
            | Job::Prune(network)
            | Job::Masks(network)
            | Job::Heads(network)
            | Job::Costs(network) => network,
        }
    }

    /// A short description.
    pub fn words(&self) -> String {
        let network = self.network();
        let mut words = format!("{} {}", network.set.name(), network.loss());
        if network.variant != Variant::Main {
            words += &format!(", {}", network.variant.words());
        }
        if network.member > 0 {
            words += &format!(", member {}", network.member + 1);
        }
        words
    }
}

/// The losses, the paper's order.
pub const LOSSES: [Loss; 2] = [Loss::Offline, Loss::Online];

/// The variants of a profile: those whose width is the profile's are no variant.
pub fn variants(profile: &Profile) -> Vec<Variant> {
    let all = [
        Variant::LambdaTenth,
        Variant::LambdaTen,
        Variant::Detached,
        Variant::Width8,
        Variant::Width16,
        Variant::Width32,
        Variant::Width64,
    ];
    let fits = |variant: &Variant| {
        variant
            .width()
            .is_none_or(|width| width != profile.base_width && width <= profile.widest)
    };
    all.into_iter().filter(fits).collect()
}

/// The sets among a study's on which losses and widths are varied: published ones in the place of their phantoms.
pub fn variant_sets(profile: &Profile, sets: &[Set]) -> Vec<Set> {
    let same = |wanted: &Set| {
        sets.iter()
            .copied()
            .find(|set| set == wanted || (set.paper().is_some() && set.paper() == wanted.paper()))
    };
    profile.variant_sets.iter().filter_map(same).collect()
}

/// The network on which scores are timed.
pub fn timed(sets: &[Set]) -> Network {
    let isic = sets.iter().find(|set| set.paper() == Some("ISIC"));
    Network::main(*isic.unwrap_or(&sets[0]), Loss::Online)
}

/// Everything that a profile asks for, stage by stage: the jobs of a stage need those of the stages before.
pub fn stages(profile: &Profile, sets: &[Set]) -> Vec<Vec<Job>> {
    let mains = || {
        sets.iter()
            .flat_map(|&set| LOSSES.map(|loss| Network::main(set, loss)))
    };
    let variants: Vec<Network> = variant_sets(profile, sets)
        .into_iter()
        .flat_map(|set| {
            variants(profile).into_iter().map(move |variant| Network {
                variant,
                ..Network::main(set, Loss::Online)
            })
        })
        .collect();
    let members =
        mains().flat_map(|network| (0..profile.members).map(move |member| Network { member, ..network }));
    // The studied networks first, so that what needs them alone would be complete first.
    let mut train: Vec<Network> = members.chain(variants.iter().copied()).collect();
    train.sort_by_key(|network| (network.member, network.variant));
    let records = mains().chain(variants);
    vec![
        train.into_iter().map(Job::Train).collect(),
        records.map(Job::Records).collect(),
        mains().map(Job::Passes).collect(),
        mains().filter(|network| network.online).map(Job::Noise).collect(),
        mains().filter(|network| network.online).map(Job::Prune).collect(),
        mains().map(Job::Masks).collect(),
        mains()
            .filter(|network| network.set.is_of_heads())
            .map(Job::Heads)
            .collect(),
        vec![Job::Costs(timed(sets))],
    ]
}
