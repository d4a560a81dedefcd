//! The report of `--report`.

use sagate_core::gate::{Calibration, Policy};
use sagate_lab::study::evaluate::AurcVariant;
use sagate_lab::study::report::{Block, Report, Section, plain};

use super::{Args, Evaluation, figures, group, truth};

/// The printed tables, with figures.
pub(super) fn new(
    evaluation: &Evaluation,
    args: &Args,
    calibration: Option<&Calibration>,
    policy: &Policy,
) -> Report {
    let mut sections = match &evaluation.no_truth {
        None => with_truth(evaluation, args.aurc),
        Some(no_truth) => {
            let mut blocks: Vec<Block> = no_truth.tables().into_iter().map(Block::Table).collect();
            blocks.push(Block::figure(
                "distribution-of-mu",
                "The share of images whose mu is at or below each value. The largest gap between two curves is their drift.",
                figures::distribution(&evaluation.images, calibration),
            ));
            let missing = no_truth.cannot_say.iter().map(|words| words.to_string());
            vec![
                Section::new("no-truth", "Without true masks", blocks),
                Section::new(
                    "cannot-say",
                    "What cannot be said",
                    [Block::List(missing.collect())],
                ),
            ]
        }
    };
    sections.push(by_corruption(evaluation));
    sections.push(method(evaluation, args, calibration, policy));
    Report {
        title: format!("{} on {}", evaluation.model, evaluation.data),
        lead: vec![Block::paragraph(lead(evaluation))],
        sections,
    }
}

fn lead(evaluation: &Evaluation) -> String {
    let (images, accepted) = (evaluation.images.len(), evaluation.all.accepted);
    let dice = |dice: Option<f64>| {
        dice.map_or_else(String::new, |dice| format!(" with a mean Dice of **{dice:.3}**"))
    };
    match evaluation.no_truth {
        None => format!(
            "The gate accepted {accepted} of {images} images{}, and rejected {}{}.",
            dice(evaluation.all.dice_of_accepted),
            images - accepted,
            dice(evaluation.all.dice_of_rejected)
        ),
        Some(_) => format!(
            "The gate accepted {accepted} of {images} images. There are no true masks: [what cannot be said](#cannot-say)."
        ),
    }
}

fn with_truth(evaluation: &Evaluation, area: AurcVariant) -> Vec<Section> {
    let images = &evaluation.images;
    let mut gate = truth::ranking_table(&evaluation.all);
    gate.columns[1].name = "value".into();
    vec![
        Section::new(
            "ranking",
            "How well the scores rank the images",
            [
                Block::Table(truth::metrics_table(&evaluation.scores, area)),
                Block::figure(
                    "risk-coverage",
                    "The mean risk, 1 - Dice, of the images that remain when only those with the highest scores are kept. The nearer to \
                     the optimal curve, the better; a random score lies at the dashed line.",
                    figures::risk_coverage(images),
                ),
                Block::figure(
                    "scores-against-dice",
                    "Each score against the Dice of the mask, one point for each image.",
                    figures::against_dice(images),
                ),
            ],
        ),
        Section::new("mu-and-gate", "mu and the gate", [Block::Table(gate)]),
    ]
}

fn by_corruption(evaluation: &Evaluation) -> Section {
    Section::new(
        "by-corruption",
        "Clean and corrupted images",
        [
            Block::Table(group::table(&evaluation.groups)),
            Block::figure(
                "dice-and-rejection",
                "The share that the gate rejects, and the mean Dice where it is known, by kind and severity of corruption.",
                figures::by_corruption(&evaluation.images),
            ),
        ],
    )
}

fn method(
    evaluation: &Evaluation,
    args: &Args,
    calibration: Option<&Calibration>,
    policy: &Policy,
) -> Section {
    let gate = match (policy.threshold, calibration) {
        (Some(threshold), _) => format!("Gate: mu of at least {threshold}."),
        (None, Some(calibration)) => format!(
            "Gate: coverage {}, by the calibration on {} images ({}).",
            policy.coverage.unwrap_or(calibration.coverage),
            calibration.entries.len(),
            plain(&calibration.data)
        ),
        (None, None) => "Gate: the model has no calibration.".into(),
    };
    let items = vec![
        format!("sagate {}.", sagate_core::build::VERSION),
        format!(
            "Model `{}`, content hash `{}`.",
            evaluation.model, evaluation.model_hash
        ),
        format!("Data: {}.", plain(&evaluation.data)),
        gate,
        format!("Seed of corruption and of the bootstrap: {}.", args.seed),
        format!(
            "Intervals: from the 2.5th to the 97.5th percentile over {} samples drawn with replacement, an image with all its corrupted \
             copies at a time.",
            truth::DRAWS
        ),
        "**mu**: the mean SA score of the units of the last layers against the output (He et al. 2022, eq. 12).".into(),
        "**Soft Dice confidence**: 2 sum(p B) / (sum(p) + sum(B)) of the probabilities p and the mask B. **Object confidence**: the mean \
         probability inside the mask."
            .into(),
    ];
    Section::new("method", "Method", [Block::List(items)])
}
