//! The paper's claims, and whether they hold here.

use protoseg::Metric;
use sagate_core::gate::evaluation::{Bootstrap, Interval, Scored, pearson};

use super::outcome::{Estimate, Outcome, Outcomes, dice};
use super::units::{active_share, last_units};
use crate::study::claim::{Claim, Verdict, table};
use crate::study::error::StudyError;
use crate::study::network::Network;
use crate::study::report::{Block, Section};
use crate::study::run::Study;
use crate::train::Loss;

/// A change of the output's Dice that counts as none.
const NO_HARM: f64 = -0.02;

pub(super) fn section(study: &Study, outcomes: &Outcomes) -> Result<Section, StudyError> {
    let mut claims = Vec::new();
    for set in study.papers() {
        let [offline, online] = [Loss::Offline, Loss::Online].map(|loss| outcomes.get(set, loss));
        let name = set.name();
        let gain = paired(online, |image| {
            dice(&online.clean()[image]) - dice(&offline.clean()[image])
        });
        claims.push(claim(
            format!("{name}: the online loss does not hurt the output"),
            "Table 1",
            "Dice of the output, online less offline",
            gain,
            Verdict::above(NO_HARM, gain.low, gain.high),
        ));
        let late = online.estimate(|record| f18(record) - dice(record));
        claims.push(claim(
            format!("{name}: online, layer 18's SAM beats the output"),
            "Table 1",
            "Dice of S_f18 less Dice of the output",
            late,
            Verdict::above(0.0, late.low, late.high),
        ));
        let rise = online.estimate(|record| {
            let layer = |number: usize| Metric::Dice.score(record.pass.layers[number - 1].truth);
            (layer(17) + layer(18)) / 2.0 - (1..=4).map(layer).sum::<f64>() / 4.0
        });
        claims.push(claim(
            format!("{name}: SA scores rise to the late layers"),
            "Fig. 5",
            "mean SA score of layers 17 and 18 less that of layers 1 to 4, against the truth",
            rise,
            Verdict::above(0.0, rise.low, rise.high),
        ));
        let active = online.estimate(|record| active_share(last_units(&record.pass)));
        let within = match (
            Verdict::above(0.2, active.low, active.high),
            Verdict::below(0.5, active.low, active.high),
        ) {
            (Verdict::Holds, Verdict::Holds) => Verdict::Holds,
            (Verdict::DoesNot, _) | (_, Verdict::DoesNot) => Verdict::DoesNot,
            _ => Verdict::NotShown,
        };
        claims.push(claim(
            format!("{name}: 20 to 50 % of the last units are active"),
            "Fig. 7",
            "share of units whose SA score is at least half of the best unit's",
            active,
            within,
        ));
        claims.extend(correlations(online, name));
    }
    claims.extend(noise(study)?);
    claims.extend(more_active(study, outcomes));
    let note = "Each verdict rests on the 95 % bootstrap interval beside it. The paper states its claims for its own five sets; here they \
                are asked of phantoms in their place and of small networks.";
    let blocks = [
        Block::Paragraph(note.into()),
        Block::Table(table("paper-claims", "The paper's claims", &claims)),
    ];
    Ok(Section::new("claims", "The paper's claims", blocks))
}

fn f18(record: &crate::study::record::Record) -> f64 {
    Metric::Dice.score(record.pass.layers[17].truth)
}

fn claim(text: String, source: &str, what: &str, estimate: Estimate, verdict: Verdict) -> Claim {
    Claim {
        text,
        source: source.into(),
        verdict,
        evidence: format!("{what}: {:.3}", estimate.mean),
        low: Some(estimate.low),
        high: Some(estimate.high),
    }
}

/// A quantity of each clean test image, by its number.
fn paired(outcome: &Outcome, of: impl Fn(usize) -> f64) -> Estimate {
    let values: Vec<f64> = (0..outcome.clean().len()).map(of).collect();
    Estimate::new(&values, &outcome.clean_bootstrap)
}

/// Claims: mu correlates with Dice, and better than the variance of gradients.
fn correlations(outcome: &Outcome, name: &str) -> Vec<Claim> {
    let clean = outcome.clean().len();
    let scored = |id: &str| {
        Some(Scored::new(
            &outcome.score(id)?.values[..clean],
            &outcome.dice[..clean],
        ))
    };
    let (Some(mu), Some(gradients)) = (scored("mu"), scored("gradients")) else {
        return Vec::new();
    };
    let both = |times: &[u32]| Some((pearson(&mu.drawn(times))?, pearson(&gradients.drawn(times))?));
    let once = vec![1; clean];
    let of = |statistic: &dyn Fn((f64, f64)) -> f64| {
        let interval = outcome
            .clean_bootstrap
            .interval(|times| both(times).map(statistic));
        (both(&once).map(statistic), interval)
    };
    let claim = |text: String, what: &str, (value, interval): (Option<f64>, Option<Interval>)| Claim {
        text,
        source: "Fig. 10".into(),
        verdict: interval.map_or(Verdict::NotShown, |it| Verdict::above(0.0, it.low, it.high)),
        evidence: value.map_or_else(
            || format!("{what}: undefined"),
            |value| format!("{what}: {value:.3}"),
        ),
        low: interval.map(|it| it.low),
        high: interval.map(|it| it.high),
    };
    vec![
        claim(
            format!("{name}: mu correlates with Dice"),
            "Pearson's correlation over clean test images",
            of(&|(mu, _)| mu),
        ),
        claim(
            format!("{name}: mu correlates with Dice better than the variance of gradients"),
            "absolute correlation of mu less that of VoG",
            of(&|(mu, gradients)| mu.abs() - gradients.abs()),
        ),
    ]
}

/// Claim: late layers are the most sensitive to noise, over all sets at the strongest noise.
fn noise(study: &Study) -> Result<Vec<Claim>, StudyError> {
    let mut differences = Vec::new();
    for set in study.papers() {
        let noise = study.noise(&Network::main(set, Loss::Online))?;
        let (first, last) = (&noise.layers[0], &noise.layers[noise.layers.len() - 1]);
        let loss = |layer: usize| first[layer - 1] - last[layer - 1];
        let mean = |layers: std::ops::RangeInclusive<usize>| {
            let count = layers.clone().count() as f64;
            layers.map(loss).sum::<f64>() / count
        };
        differences.push(mean(15..=18) - mean(1..=14));
    }
    let groups: Vec<usize> = (0..differences.len()).collect();
    let bootstrap = Bootstrap::new(&groups, study.profile.draws, study.profile.seed);
    let estimate = Estimate::new(&differences, &bootstrap);
    Ok(vec![claim(
        "Late layers feel noise most".into(),
        "Fig. 16",
        "loss of SA score under the strongest noise, layers 15 to 18 less all before; interval over the five sets",
        estimate,
        Verdict::above(0.0, estimate.low, estimate.high),
    )])
}

/// Claim: ISIC has more active units than Pancreas.
fn more_active(study: &Study, outcomes: &Outcomes) -> Option<Claim> {
    let of = |paper: &str| {
        let set = study.papers().find(|set| set.paper() == Some(paper))?;
        Some(outcomes.get(set, Loss::Online))
    };
    let (isic, pancreas) = (of("ISIC")?, of("Pancreas")?);
    let share = |outcome: &Outcome, times: &[u32]| {
        let shares = outcome
            .clean()
            .iter()
            .map(|record| active_share(last_units(&record.pass)));
        let (sum, count) = shares
            .zip(times)
            .fold((0.0, 0.0), |(sum, count), (share, &times)| {
                (sum + share * f64::from(times), count + f64::from(times))
            });
        sum / count
    };
    let once = |outcome: &Outcome| vec![1; outcome.clean().len()];
    let value = share(isic, &once(isic)) - share(pancreas, &once(pancreas));
    let mut others = pancreas.clean_bootstrap.draws();
    let interval = isic
        .clean_bootstrap
        .interval(|times| Some(share(isic, times) - share(pancreas, others.next()?)));
    Some(Claim {
        text: "ISIC has more active units than Pancreas".into(),
        source: "Fig. 7".into(),
        verdict: interval.map_or(Verdict::NotShown, |it| Verdict::above(0.0, it.low, it.high)),
        evidence: format!("share of active units, ISIC's place less Pancreas': {value:.3}"),
        low: interval.map(|it| it.low),
        high: interval.map(|it| it.high),
    })
}
