//! The scores that the study compares, computed from the measurements of a network's images. Higher is better.
//!
//! No score uses the truth of test images. Fitted scores are fitted on the validation images, without truth except
//! [`Family::Labelled`].

mod fitted;

use protoseg::Metric;
use sagate_core::gate::evaluation::median;
use sagate_core::gate::{FeatureVector, MIN_IMAGES, QualityScore, UnitProfile};

use super::measure::{ManyPasses, OnePass};
use super::record::{Record, Records};

/// The kind of measurements that a score is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Agreement of feature maps with the output: the paper's mu and related scores.
    Agreement,
    /// The probability map of one pass.
    Certainty,
    /// Features of one pass.
    Features,
    /// Several passes or several networks.
    ManyPasses,
    /// One pass; fitted with ground truth.
    Labelled,
}

impl Family {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Family::Agreement => "agreement",
            Family::Certainty => "probability map",
            Family::Features => "features",
            Family::ManyPasses => "many passes",
            Family::Labelled => "needs labels",
        }
    }
}

/// The computation of a score besides the forward pass that gives the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// A statistic of the probability map.
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
    /// Its name in tables.
    pub name: &'static str,
    /// The measurements that it is computed from.
    pub family: Family,
    /// Its computational cost.
    pub cost: Cost,
    /// One value an image of [`Records::test`].
    pub values: Vec<f64>,
}

/// Every score of a network's test images. `weights` are the output layer's weights of the units of layer 18 (eq. 9), object minus
/// background. A score that cannot be fitted (too few validation images with a mask) is left out.
pub fn scores(records: &Records, passes: &[ManyPasses], weights: &[f64]) -> Vec<Score> {
    let mut scores = agreement(records, weights);
    scores.extend(certainty(records));
    scores.extend(fitted::features(records));
    scores.extend(many_passes(passes));
    scores.extend(fitted::regression(records));
    scores
}

/// The one-pass scores of images other than the network's test images.
pub fn one_pass_scores(records: &Records, others: Vec<OnePass>, weights: &[f64]) -> Vec<Score> {
    let record = |(image, pass)| Record {
        image,
        corruption: None,
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

/// Units' SA scores of the validation images that have a mask; empty and full outputs have none.
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

/// One value for every test image. Images without a mask score lowest, since the gate rejects them.
fn masked_values(records: &Records, value: impl Fn(&OnePass) -> f64) -> Vec<f64> {
    let masked_value = |record: &Record| {
        if has_mask(&record.pass) {
            value(&record.pass)
        } else {
            f64::NEG_INFINITY
        }
    };
    records.test.iter().map(masked_value).collect()
}

fn agreement(records: &Records, weights: &[f64]) -> Vec<Score> {
    let score = |id, name, cost, values| Score {
        id,
        name,
        family: Family::Agreement,
        cost,
        values,
    };
    let layer =
        |number: usize| masked_values(records, |pass| Metric::Dice.score(pass.layers[number - 1].output));
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
            masked_values(records, |pass| mean(&pass.soft_units)),
        ),
        score(
            "weighted-mu",
            "layer 18's units by output weight (eq. 9)",
            Cost::Units,
            masked_values(records, |pass| {
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
                masked_values(records, |pass| profile.agreement(&pass.units)),
            ),
            score(
                "distance",
                "typicality: minus the profile's distance",
                Cost::Units,
                masked_values(records, |pass| -profile.distance(&pass.units)),
            ),
            score(
                "reliable-typical",
                "agreement x typicality",
                Cost::Units,
                masked_values(records, |pass| {
                    profile.agreement(&pass.units) * profile.typicality(&pass.units)
                }),
            ),
            score(
                "sure-typical",
                "confidence in the object x typicality",
                Cost::Units,
                masked_values(records, |pass| {
                    pass.confidence.object * profile.typicality(&pass.units)
                }),
            ),
            score(
                "reliable-sure-typical",
                "agreement x confidence in the object x typicality",
                Cost::Units,
                masked_values(records, |pass| {
                    profile.agreement(&pass.units) * pass.confidence.object * profile.typicality(&pass.units)
                }),
            ),
        ]);
    }
    scores.extend(quality(records));
    let reliability = calibration
        .mean_axis(ndarray::Axis(0))
        .expect("there are calibration images");
    scores.push(score(
        "reliability-weighted",
        "mu with units weighted by their calibration SA score",
        Cost::Units,
        masked_values(records, |pass| {
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
            masked_values(records, |pass| -nearest.distance(&pass.units)),
        ),
        score(
            "density",
            "log density among calibration profiles (one class)",
            Cost::Units,
            masked_values(records, |pass| nearest.log_density(&pass.units)),
        ),
        score(
            "mu-distance",
            "minus mu's distance from calibration's median",
            Cost::Units,
            masked_values(records, |pass| -(pass.mu - middle).abs()),
        ),
    ]);
    scores
}

/// The quality score, and its first factor, predicted self-consistency.
fn quality(records: &Records) -> Vec<Score> {
    let originals = records
        .validation
        .iter()
        .map(|record| (features(&record.pass), 1.0));
    let perturbed = records
        .perturbed
        .iter()
        .map(|record| (features(&record.pass), Metric::Dice.score(record.pass.output)));
    let Some(fitted) = QualityScore::fit(&originals.chain(perturbed).collect::<Vec<_>>()) else {
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
            "quality",
            "quality score: predicted self-consistency x squared confidence in the object",
            masked_values(records, |pass| fitted.score(&features(pass))),
        ),
        score(
            "self-consistency",
            "predicted self-consistency: estimated Dice with the output on the unperturbed image",
            masked_values(records, |pass| fitted.self_consistency(&features(pass))),
        ),
    ]
}

fn features(pass: &OnePass) -> FeatureVector<'_> {
    FeatureVector {
        units: &pass.units,
        confidence: pass.confidence,
        shape: pass.shape,
    }
}

fn certainty(records: &Records) -> Vec<Score> {
    type ScoreOf = fn(&OnePass) -> f64;
    let scores: [(&'static str, &'static str, ScoreOf); 9] = [
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
    let score = |(id, name, value): (&'static str, &'static str, ScoreOf)| Score {
        id,
        name,
        family: Family::Certainty,
        cost: Cost::Map,
        values: records.test.iter().map(|record| value(&record.pass)).collect(),
    };
    scores.into_iter().map(score).collect()
}

fn many_passes(passes: &[ManyPasses]) -> Vec<Score> {
    type ScoreOf = fn(&ManyPasses) -> f64;
    let scores: [(&'static str, &'static str, Cost, ScoreOf); 4] = [
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
    let score = |(id, name, cost, value): (&'static str, &'static str, Cost, ScoreOf)| Score {
        id,
        name,
        family: Family::ManyPasses,
        cost,
        values: passes.iter().map(value).collect(),
    };
    scores.into_iter().map(score).collect()
}
