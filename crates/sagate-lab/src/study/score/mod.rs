//! The scores that are set against each other, read from what was measured of a network's images. Higher promises more.
//!
//! None sees a test image's truth. All that is fitted is fitted on the validation images, without truth but for
//! [`Family::Labelled`].

mod fitted;

use protoseg::Metric;
use sagate_core::gate::evaluation::median;
use sagate_core::gate::{FeatureVector, MIN_IMAGES, RehearsedScore, UnitProfile};

use super::measure::{ManyPasses, OnePass};
use super::record::{Record, Records};

/// What a score is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Agreement of feature maps with the output: the paper's mu and its kin.
    Agreement,
    /// The probability map of one pass.
    Certainty,
    /// Features of one pass.
    Features,
    /// Several passes or several networks.
    ManyPasses,
    /// One pass, and labels to be fitted with.
    Labelled,
}

impl Family {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Family::Agreement => "agreement",
            Family::Certainty => "probability map",
            Family::Features => "features",
            Family::ManyPasses => "many passes",
            Family::Labelled => "needs labels",
        }
    }
}

/// What a score costs besides the forward pass that gives the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// A reading of the probability map.
    Map,
    /// The unit scores of mu's layers.
    Units,
    /// The SAM of one late layer.
    Layer,
    /// The mean of one tap.
    Pooling,
    /// As many forward passes as there are members.
    Ensemble,
    /// Passes with dropout.
    Dropout,
    /// Passes of flipped images.
    Flips,
    /// Passes of several snapshots, forward and back.
    Gradients,
}

/// A score of every test image.
#[derive(Debug, Clone)]
pub struct Score {
    /// Short, for files.
    pub id: &'static str,
    /// What it is.
    pub name: &'static str,
    /// What it is made of.
    pub family: Family,
    /// What it costs.
    pub cost: Cost,
    /// One value an image of [`Records::test`].
    pub values: Vec<f64>,
}

/// Every score of a network's test images. `weights` are the output layer's of the units of layer 18 (eq. 9): object's less
/// background's. A score that cannot be fitted (too few validation images with a mask) is left out.
pub fn scores(records: &Records, passes: &[ManyPasses], weights: &[f64]) -> Vec<Score> {
    let mut scores = agreement(records, weights);
    scores.extend(certainty(records));
    scores.extend(fitted::features(records));
    scores.extend(many_passes(passes));
    scores.extend(fitted::regression(records));
    scores
}

/// The scores of one pass alone, of images that are no test images of the network's set but others.
pub fn one_pass_scores(records: &Records, others: Vec<OnePass>, weights: &[f64]) -> Vec<Score> {
    let record = |(image, pass)| Record {
        image,
        damage: None,
        pass,
    };
    let records = Records {
        test: others.into_iter().enumerate().map(record).collect(),
        ..records.clone()
    };
    let mut scores = agreement(&records, weights);
    scores.extend(certainty(&records));
    scores
}

/// Units' SA scores of the validation images that have a mask: what an empty one has is no score.
fn calibration(records: &Records) -> Option<ndarray::Array2<f64>> {
    let masked = records.validation.iter().filter(|record| has_mask(&record.pass));
    let rows: Vec<&[f64]> = masked.map(|record| record.pass.units.as_slice()).collect();
    let units = rows.first().map_or(0, |row| row.len());
    ndarray::Array2::from_shape_vec((rows.len(), units), rows.concat())
        .ok()
        .filter(|rows| rows.nrows() >= MIN_IMAGES)
}

/// Whether the output is neither empty nor full.
fn has_mask(pass: &OnePass) -> bool {
    pass.output.sam > 0 && pass.output.sam < pass.output.pixels
}

/// One value of every test image; images without a mask have no agreement and score lowest, as the gate rejects them.
fn of_masked(records: &Records, value: impl Fn(&OnePass) -> f64) -> Vec<f64> {
    let of = |record: &Record| {
        if has_mask(&record.pass) {
            value(&record.pass)
        } else {
            f64::NEG_INFINITY
        }
    };
    records.test.iter().map(of).collect()
}

fn agreement(records: &Records, weights: &[f64]) -> Vec<Score> {
    let score = |id, name, cost, values| Score {
        id,
        name,
        family: Family::Agreement,
        cost,
        values,
    };
    let layer = |number: usize| of_masked(records, |pass| Metric::Dice.score(pass.layers[number - 1].output));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let late = weights.len();
    let total: f64 = weights.iter().map(|weight| weight.abs()).sum();
    let mut scores = vec![
        score(
            "mu",
            "mu (eq. 12)",
            Cost::Units,
            records.test.iter().map(|it| it.pass.mu).collect(),
        ),
        score(
            "soft-mu",
            "mu with soft prototypes",
            Cost::Units,
            of_masked(records, |pass| mean(&pass.soft_units)),
        ),
        score(
            "weighted-mu",
            "layer 18's units by output weight (eq. 9)",
            Cost::Units,
            of_masked(records, |pass| {
                let units = &pass.units[pass.units.len() - late..];
                units
                    .iter()
                    .zip(weights)
                    .map(|(unit, weight)| unit * weight.abs())
                    .sum::<f64>()
                    / total
            }),
        ),
        score("f17", "SA score of layer 17's SAM", Cost::Layer, layer(17)),
        score("f18", "SA score of layer 18's SAM", Cost::Layer, layer(18)),
    ];
    let Some(calibration) = calibration(records) else {
        return scores;
    };
    if let Some(profile) = UnitProfile::fit(&calibration) {
        scores.extend([
            score(
                "reliable",
                "agreement: mu over reliable units",
                Cost::Units,
                of_masked(records, |pass| profile.agreement(&pass.units)),
            ),
            score(
                "distance",
                "typicality: minus the profile's distance",
                Cost::Units,
                of_masked(records, |pass| -profile.distance(&pass.units)),
            ),
            score(
                "reliable-typical",
                "agreement x typicality",
                Cost::Units,
                of_masked(records, |pass| {
                    profile.agreement(&pass.units) * profile.typicality(&pass.units)
                }),
            ),
            score(
                "sure-typical",
                "confidence in the object x typicality",
                Cost::Units,
                of_masked(records, |pass| {
                    pass.confidence.object * profile.typicality(&pass.units)
                }),
            ),
            score(
                "reliable-sure-typical",
                "agreement x confidence in the object x typicality",
                Cost::Units,
                of_masked(records, |pass| {
                    profile.agreement(&pass.units) * pass.confidence.object * profile.typicality(&pass.units)
                }),
            ),
        ]);
    }
    scores.extend(rehearsed(records));
    let reliability = calibration
        .mean_axis(ndarray::Axis(0))
        .expect("there are calibration images");
    scores.push(score(
        "reliability-weighted",
        "mu with units weighted by their calibration SA score",
        Cost::Units,
        of_masked(records, |pass| {
            let weighted = pass
                .units
                .iter()
                .zip(&reliability)
                .map(|(unit, weight)| unit * weight);
            weighted.sum::<f64>() / reliability.sum().max(1e-12)
        }),
    ));
    let nearest = fitted::Neighbours::new(&calibration);
    let middle = median(records.validation.iter().map(|record| record.pass.mu));
    scores.extend([
        score(
            "neighbours",
            "minus the distance to the nearest calibration profiles",
            Cost::Units,
            of_masked(records, |pass| -nearest.distance(&pass.units)),
        ),
        score(
            "density",
            "log density among calibration profiles (one class)",
            Cost::Units,
            of_masked(records, |pass| nearest.log_density(&pass.units)),
        ),
        score(
            "mu-distance",
            "minus mu's distance from calibration's median",
            Cost::Units,
            of_masked(records, |pass| -(pass.mu - middle).abs()),
        ),
    ]);
    scores
}

/// The score that a rehearsal teaches, and its first factor alone.
fn rehearsed(records: &Records) -> Vec<Score> {
    let unspoilt = records
        .validation
        .iter()
        .map(|record| (reading(&record.pass), 1.0));
    let spoilt = records
        .rehearsal
        .iter()
        .map(|record| (reading(&record.pass), Metric::Dice.score(record.pass.output)));
    let Some(fitted) = RehearsedScore::fit(&unspoilt.chain(spoilt).collect::<Vec<_>>()) else {
        return Vec::new();
    };
    let score = |id, name, values| Score {
        id,
        name,
        family: Family::Agreement,
        cost: Cost::Units,
        values,
    };
    vec![
        score(
            "rehearsed",
            "rehearsed: steadiness x squared confidence in the object",
            of_masked(records, |pass| fitted.of(&reading(pass))),
        ),
        score(
            "steadiness",
            "steadiness: Dice expected with the output on the image unspoilt",
            of_masked(records, |pass| fitted.steadiness(&reading(pass))),
        ),
    ]
}

fn reading(pass: &OnePass) -> FeatureVector<'_> {
    FeatureVector {
        units: &pass.units,
        confidence: pass.confidence,
        shape: pass.shape,
    }
}

fn certainty(records: &Records) -> Vec<Score> {
    type FeatureVector = fn(&OnePass) -> f64;
    let readings: [(&'static str, &'static str, FeatureVector); 9] = [
        ("soft-dice", "soft Dice confidence", |pass| {
            pass.confidence.soft_dice
        }),
        ("object-confidence", "mean confidence inside the object", |pass| {
            pass.confidence.object
        }),
        ("max-softmax", "mean maximum softmax probability", |pass| {
            pass.certainty.max_softmax
        }),
        ("scaled-softmax", "the same, temperature-scaled", |pass| {
            pass.certainty.scaled
        }),
        ("entropy", "minus entropy, all pixels", |pass| {
            -pass.certainty.entropy
        }),
        ("entropy-object", "minus entropy, object only", |pass| {
            -pass.certainty.entropy_object
        }),
        ("entropy-inner", "minus entropy, away from the boundary", |pass| {
            -pass.certainty.entropy_inner
        }),
        ("entropy-patch", "minus entropy, worst patch", |pass| {
            -pass.certainty.entropy_patch
        }),
        ("foreground", "foreground size", |pass| pass.certainty.foreground),
    ];
    let score = |(id, name, reading): (&'static str, &'static str, FeatureVector)| Score {
        id,
        name,
        family: Family::Certainty,
        cost: Cost::Map,
        values: records.test.iter().map(|record| reading(&record.pass)).collect(),
    };
    readings.into_iter().map(score).collect()
}

fn many_passes(passes: &[ManyPasses]) -> Vec<Score> {
    type FeatureVector = fn(&ManyPasses) -> f64;
    let readings: [(&'static str, &'static str, Cost, FeatureVector); 4] = [
        ("ensemble", "ensemble, mean pairwise Dice", Cost::Ensemble, |it| {
            it.ensemble
        }),
        ("dropout", "MC dropout, mean pairwise Dice", Cost::Dropout, |it| {
            it.dropout
        }),
        (
            "flips",
            "test-time augmentation, mean pairwise Dice",
            Cost::Flips,
            |it| it.flips,
        ),
        ("gradients", "1 - variance of gradients", Cost::Gradients, |it| {
            1.0 - it.gradients
        }),
    ];
    let score = |(id, name, cost, reading): (&'static str, &'static str, Cost, FeatureVector)| Score {
        id,
        name,
        family: Family::ManyPasses,
        cost,
        values: passes.iter().map(reading).collect(),
    };
    readings.into_iter().map(score).collect()
}
